// SPDX-License-Identifier: Apache-2.0
//! `setup`: brings what a build needs and cargo does not fetch, and tells cargo where it lies.

mod artefact;
mod programs;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use artefact::Artefact;
pub use programs::Services;

/// The target without std that ring 0 is built for.
pub const NO_STD_TARGET: &str = "wasm32v1-none";

/// Makes the checkout ready to build; quick and offline when it is ready already.
///
/// # Errors
/// What is missing, and the command or system package that brings it.
pub fn run(root: &Path) -> Result<(), String> {
    with_services(root, Services::default())
}

/// The same, and what services on Cloudstate SDKs are built with.
///
/// # Errors
/// As of [`run`].
pub fn with_services(root: &Path, services: Services) -> Result<(), String> {
    let cache = cache()?;
    let fetches = |artefact: Result<Artefact, String>| artefact.is_ok_and(|artefact| !artefact.is_in(&cache));
    programs::ready(fetches(Artefact::rocksdb()), fetches(Artefact::libclang()), services)?;
    toolchain::ready()?;
    let rocksdb = rocksdb(&cache)?;
    let libclang = libclang(&cache)?;
    let include = programs::compiler_headers()?;
    write_if_changed(&root.join(".deps/cargo.toml"), &cargo_settings(&rocksdb, &libclang, &include))?;
    println!("RocksDB  {}\nlibclang {}", rocksdb.display(), libclang.display());
    Ok(())
}

/// Whether this Rust is newer than the one that the lints are written for; says so.
pub fn has_newer_rust() -> bool {
    let newer = toolchain::is_newer();
    if newer {
        println!("this Rust is newer than the lints are written for: warnings are shown and fail nothing");
    }
    newer
}

/// Where fetched things are kept: outside every checkout, so a fresh clone finds them.
fn cache() -> Result<PathBuf, String> {
    Ok(cache_root()?.join("deps"))
}

/// Where cargo puts what it builds.
///
/// # Errors
/// What cargo says.
pub fn target_folder(root: &Path) -> Result<PathBuf, String> {
    let arguments = ["metadata", "--format-version=1", "--no-deps", "--offline"];
    let output = Command::new("cargo").args(arguments).current_dir(root).output();
    let text = output.map_err(|error| format!("cargo metadata: {error}"))?.stdout;
    let text = String::from_utf8_lossy(&text);
    let folder = text.split_once("\"target_directory\":\"").and_then(|(_, rest)| rest.split_once('"'));
    folder.map(|(folder, _)| PathBuf::from(folder)).ok_or_else(|| "cargo metadata names no target folder".into())
}

/// The cache folder of adjoin.
///
/// # Errors
/// That neither of the variables that lead there is set.
pub fn cache_root() -> Result<PathBuf, String> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    Ok(base.ok_or("neither XDG_CACHE_HOME nor HOME is set, so there is no cache folder")?.join("adjoin"))
}

/// The folder with RocksDB for the linker.
///
/// The library has no SONAME, so a linker that meets it by its path in a linker script writes that absolute path into
/// what it links: every program, test and binding finds it without an rpath and without a build script of its own.
fn rocksdb(cache: &Path) -> Result<PathBuf, String> {
    let artefact = Artefact::rocksdb()?;
    let folder = artefact.ready(cache)?;
    let script = format!("INPUT(\"{}\")\n", folder.join(artefact.file()).display());
    write_if_changed(&folder.join("librocksdb.so"), &script)?;
    Ok(folder)
}

/// The folder with libclang: the pinned one, else one that the system has.
fn libclang(cache: &Path) -> Result<PathBuf, String> {
    let pinned = Artefact::libclang().and_then(|artefact| artefact.ready(cache));
    pinned.or_else(|reason| {
        let found = programs::system_libclang().ok_or_else(|| {
            format!("{reason}\nor install the system's: apt-get install libclang-dev, then `cargo xtask setup` again")
        })?;
        println!("using the system's libclang, because: {reason}");
        Ok(found)
    })
}

/// What `.cargo/config.toml` includes; absolute, so that checkouts that share a target folder share what is built.
fn cargo_settings(rocksdb: &Path, libclang: &Path, include: &Path) -> String {
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    format!(
        "# Written by `cargo xtask setup`.\n[env]\nROCKSDB_LIB_DIR = {}\nLIBCLANG_PATH = {}\nBINDGEN_EXTRA_CLANG_ARGS = {:?}\n",
        quoted(rocksdb),
        quoted(libclang),
        format!("-isystem '{}'", include.display()),
    )
}

fn write_if_changed(file: &Path, text: &str) -> Result<(), String> {
    if fs::read_to_string(file).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(file, text));
    written.map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_told_absolute_places() {
        let text = cargo_settings(Path::new("/c/rocksdb"), Path::new("/c/lib clang"), Path::new("/gcc/include"));
        assert!(text.contains("ROCKSDB_LIB_DIR = \"/c/rocksdb\"\n"), "{text}");
        assert!(text.contains("LIBCLANG_PATH = \"/c/lib clang\"\n"), "{text}");
        assert!(text.contains("BINDGEN_EXTRA_CLANG_ARGS = \"-isystem '/gcc/include'\"\n"), "{text}");
    }

    #[test]
    fn an_unchanged_file_is_not_written_again() {
        let file = std::env::temp_dir().join(format!("adjoin-setup-{}/cargo.toml", std::process::id()));
        write_if_changed(&file, "a").expect("written");
        let mut permissions = fs::metadata(&file).expect("there").permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&file, permissions).expect("read only");
        let written = fs::metadata(&file).expect("there").modified().expect("a time");
        write_if_changed(&file, "a").expect("left alone");
        assert_eq!(fs::metadata(&file).expect("there").modified().expect("a time"), written);
        fs::remove_dir_all(file.parent().expect("a folder")).expect("clean up");
    }
}
