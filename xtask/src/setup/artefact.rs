// SPDX-License-Identifier: Apache-2.0
//! Pinned libraries: fetched by coordinates with the registry's own client, checked, kept in the cache.

use std::env::consts::{ARCH, OS};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use zip::ZipArchive;

/// One library out of one package.
#[derive(Clone, Copy, Debug)]
pub(super) struct Artefact {
    /// Package and version; names the folder in the cache.
    name: &'static str,
    /// The command that puts the package into `DIR`.
    fetch: &'static [&'static str],
    /// What brings that command when it is missing.
    remedy: &'static str,
    /// The library inside the package, a zip archive.
    entry: &'static str,
    /// SHA-256 of the library, in hex.
    sha256: &'static str,
}

const MAVEN: &[&str] = &[
    "mvn",
    "-q",
    "-B",
    "-Dstyle.color=never",
    "org.apache.maven.plugins:maven-dependency-plugin:copy",
    "-Dartifact=org.rocksdb:rocksdbjni:11.8.1",
    "-DoutputDirectory=DIR",
];
const PIP: &[&str] =
    &["python3", "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", "DIR", "libclang==18.1.1"];

impl Artefact {
    /// RocksDB with its C interface, at exactly the version that the `rocksdb` crate binds (the part of
    /// `librocksdb-sys`' version after the `+`).
    pub(super) fn rocksdb() -> Result<Self, String> {
        let (entry, sha256) = match (OS, ARCH) {
            ("linux", "x86_64") => {
                ("librocksdbjni-linux64.so", "265c656af5c6502cb8d71db1a74858509f706cc47f1a5b6f603c736d11ce677d")
            }
            ("linux", "aarch64") => {
                ("librocksdbjni-linux-aarch64.so", "7b2d0808c6afae32db39f11cb61cbefffcf460895b1c64ee6193ba02d6bdd23a")
            }
            _ => {
                let said = "no prebuilt RocksDB is pinned for";
                return Err(format!(
                    "{said} {OS} {ARCH}; with a C++ compiler: export ROCKSDB_COMPILE=1, then cargo build"
                ));
            }
        };
        let remedy = "apt-get install maven";
        Ok(Self { name: "rocksdb-11.8.1", fetch: MAVEN, remedy, entry, sha256 })
    }

    /// libclang, which bindgen needs to read RocksDB's header.
    pub(super) fn libclang() -> Result<Self, String> {
        let sha256 = match (OS, ARCH) {
            ("linux", "x86_64") => "a8612b1c9a7125701277f63e5616f1d1eb9c91410c4bf195878067868c927f94",
            ("linux", "aarch64") => "87cc443de7278fa112ed50fac8844b1d5c6344f549b8b514e4381f26da006f65",
            _ => return Err(format!("no libclang is pinned for {OS} {ARCH}")),
        };
        let entry = "libclang-18.1.1.data/platlib/clang/native/libclang.so";
        Ok(Self { name: "libclang-18.1.1", fetch: PIP, remedy: "apt-get install python3-pip", entry, sha256 })
    }

    /// The library's file name.
    pub(super) fn file(&self) -> &'static str {
        self.entry.rsplit('/').next().unwrap_or(self.entry)
    }

    /// Whether it was fetched: the folder gets its name only after the check, so being there means being whole.
    pub(super) fn is_in(&self, cache: &Path) -> bool {
        self.folder(cache).join(self.file()).exists()
    }

    fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(format!("{}-{}", self.name, &self.sha256[..12]))
    }

    /// The folder that holds the checked library, fetched now unless it is there.
    pub(super) fn ready(&self, cache: &Path) -> Result<PathBuf, String> {
        let folder = self.folder(cache);
        if self.is_in(cache) {
            return Ok(folder);
        }
        let partial = cache.join(format!("{}.{}", self.name, std::process::id()));
        let fetched = self.fetch_into(&partial, &folder);
        let _ = fs::remove_dir_all(&partial);
        fetched.map(|()| folder)
    }

    fn fetch_into(&self, partial: &Path, folder: &Path) -> Result<(), String> {
        let (download, content) = (partial.join("download"), partial.join("content"));
        for made in [&download, &content] {
            fs::create_dir_all(made).map_err(|error| format!("{}: {error}", made.display()))?;
        }
        self.download(&download)?;
        let library = self.extract(&download)?;
        let said = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::write(content.join(self.file()), library).map_err(said)?;
        match fs::rename(&content, folder) {
            // Another setup was quicker; what it put there was checked as well.
            Err(_) if folder.join(self.file()).exists() => Ok(()),
            renamed => renamed.map_err(said),
        }
    }

    fn download(&self, into: &Path) -> Result<(), String> {
        let place = into.display().to_string();
        let words: Vec<String> = self.fetch.iter().map(|word| word.replace("DIR", &place)).collect();
        let line = words.join(" ");
        println!("fetching {}: {line}", self.name);
        let status = Command::new(&words[0]).args(&words[1..]).current_dir(into).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{} could not be fetched: `{line}` ended with {status}", self.name)),
            Err(error) => Err(format!("{} could not be fetched: `{line}`: {error}; {}", self.name, self.remedy)),
        }
    }

    /// The library out of the one package in `download`, if it is the pinned one.
    fn extract(&self, download: &Path) -> Result<Vec<u8>, String> {
        let said = |error: &dyn std::fmt::Display| format!("{} in {}: {error}", self.entry, self.name);
        let mut files = fs::read_dir(download).map_err(|error| said(&error))?.flatten();
        let package = files.next().ok_or_else(|| said(&"nothing was fetched"))?.path();
        let mut archive =
            ZipArchive::new(File::open(package).map_err(|error| said(&error))?).map_err(|error| said(&error))?;
        let mut library = Vec::new();
        let mut entry = archive.by_name(self.entry).map_err(|error| said(&error))?;
        entry.read_to_end(&mut library).map_err(|error| said(&error))?;
        self.checked(library)
    }

    fn checked(&self, library: Vec<u8>) -> Result<Vec<u8>, String> {
        let found: String = Sha256::digest(&library).iter().map(|byte| format!("{byte:02x}")).collect();
        if found == self.sha256 {
            return Ok(library);
        }
        Err(format!("{} in {} has SHA-256 {found}, pinned is {}; not used", self.entry, self.name, self.sha256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_library_than_the_pinned_one_is_not_used() {
        let artefact = Artefact { sha256: "00", ..Artefact::libclang().expect("pinned here") };
        let refused = artefact.checked(b"something else".to_vec()).expect_err("refused");
        assert!(refused.contains("pinned is 00"), "{refused}");
    }

    #[test]
    fn the_prebuilt_library_has_the_version_of_the_crate() {
        let lock = include_str!("../../../Cargo.lock");
        let version =
            lock.split("name = \"librocksdb-sys\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
        let bound = version.and_then(|version| version.split('+').nth(1)).expect("the lock file names it");
        assert_eq!(Artefact::rocksdb().expect("pinned here").name, format!("rocksdb-{bound}"));
    }
}
