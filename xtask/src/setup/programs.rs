// SPDX-License-Identifier: Apache-2.0
//! Programs of the system that building and testing use: found, or named with the package that brings them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What probes look for: a name to say, what needs it, the Debian packages that bring it, and whether it is here.
struct Needed {
    name: &'static str,
    why: &'static str,
    packages: &'static str,
    here: fn() -> bool,
}

/// What every checkout needs.
const ALWAYS: [Needed; 3] = [
    Needed {
        name: "cc with its headers",
        why: "linking, bindgen",
        packages: "gcc libc6-dev",
        here: || compiler_headers().is_ok(),
    },
    Needed {
        name: "Python 3.10 or newer with venv and ensurepip",
        why: "the Python SDK and its tests",
        packages: "python3 python3-venv",
        here: || answer("python3", &["-c", PYTHON]).is_ok(),
    },
    Needed {
        name: "unshare",
        why: "the test of a full disk",
        packages: "util-linux mount",
        here: || answer("unshare", &["--version"]).is_ok(),
    },
];

/// Ends well in a Python that is new enough and can make an environment with pip in it.
const PYTHON: &str = "import sys, venv, ensurepip; assert sys.version_info >= (3, 10); print(sys.version)";

/// Fetches RocksDB; needed until it is in the cache.
const MAVEN: Needed = Needed {
    name: "mvn",
    why: "fetching RocksDB, once",
    packages: "maven",
    here: || answer("mvn", &["--version"]).is_ok(),
};

/// Fetches libclang; needed until it is in the cache, unless the system has one.
const PIP: Needed = Needed {
    name: "pip or libclang",
    why: "bindgen",
    packages: "python3-pip",
    here: || system_libclang().is_some() || answer("python3", &["-m", "pip", "--version"]).is_ok(),
};

/// What the service on the Cloudstate SDK for Go is built with.
const GO: Needed = Needed {
    name: "Go 1.19 or newer",
    why: "the service on a Cloudstate SDK in Go",
    packages: "golang-go",
    here: || answer("go", &["env", "GOVERSION"]).is_ok_and(|version| is_go(&version, 19)),
};

/// What the service on the Cloudstate SDK for Java is built with.
const JAVA: [Needed; 2] = [
    Needed {
        name: "javac",
        why: "the service on a Cloudstate SDK in Java",
        packages: "default-jdk-headless",
        here: || answer("javac", &["-version"]).is_ok(),
    },
    Needed { why: "fetching the Cloudstate SDK for Java", ..MAVEN },
];

/// What runs clients that nobody here wrote.
const CLIENTS: [Needed; 4] = [
    Needed { name: "curl", why: "a client", packages: "curl", here: || answer("curl", &["--version"]).is_ok() },
    Needed {
        name: "Go 1.26 or newer",
        why: "building grpcurl, grpc-go's interop client and h2spec",
        packages: "golang-go",
        here: || answer("go", &["env", "GOVERSION"]).is_ok_and(|version| is_go(&version, 26)),
    },
    Needed {
        name: "Node 20 or newer with npm",
        why: "grpc-js, and grpc-web in a browser",
        packages: "nodejs npm",
        here: || {
            let node = answer("node", &["--version"]);
            node.is_ok_and(|version| is_node_20(&version)) && answer("npm", &["--version"]).is_ok()
        },
    },
    Needed {
        name: "chromium",
        why: "grpc-web in a browser",
        packages: "chromium",
        here: || answer("chromium", &["--version"]).is_ok(),
    },
];

/// What stages need that not every checkout does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Services {
    /// The service on the Cloudstate SDK for Go; the option files that both import come with that SDK.
    pub go: bool,
    /// The service on the one for Java.
    pub java: bool,
    /// Clients that nobody here wrote.
    pub clients: bool,
}

impl Services {
    fn needed(self) -> impl Iterator<Item = Needed> {
        let services = self.go.then_some(GO).into_iter().chain(JAVA.into_iter().filter(move |_| self.java));
        services.chain(CLIENTS.into_iter().filter(move |_| self.clients))
    }
}

/// Reads `go1.22.3`.
fn is_go(version: &str, minor: u32) -> bool {
    let mut numbers = version.trim_start_matches("go").split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(1), Some(minor))
}

/// Reads `v20.20.2`.
fn is_node_20(version: &str) -> bool {
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major >= Some(20)
}

/// Has every needed program: installs what is missing where it may, with apt as root.
///
/// # Errors
/// One line for all that is missing, with the command that installs it.
pub(super) fn ready(fetches_rocksdb: bool, fetches_libclang: bool, services: Services) -> Result<(), String> {
    let fetching = [(fetches_rocksdb, MAVEN), (fetches_libclang, PIP)];
    let fetching = fetching.into_iter().filter(|(needed, _)| *needed).map(|(_, needed)| needed);
    install(&ALWAYS.into_iter().chain(fetching).chain(services.needed()).collect::<Vec<_>>())
}

fn install(needed: &[Needed]) -> Result<(), String> {
    let Some((said, packages)) = missing(needed) else { return Ok(()) };
    let install = format!("apt-get install {packages}");
    if answer("id", &["-u"]).as_deref() != Ok("0") || answer("apt-get", &["--version"]).is_err() {
        return Err(format!("missing: {said}; on Debian: {install}"));
    }
    println!("missing: {said}; installing: {install}");
    let why = apt(&packages).err().map(|error| format!(" ({error})")).unwrap_or_default();
    match missing(needed) {
        Some((said, packages)) => Err(format!(
            "missing: {said}: the packages {packages} of this system are not there or too old{why}; install newer ones"
        )),
        None => Ok(()),
    }
}

/// What is not here, and the packages that bring it; nothing when all is.
fn missing(needed: &[Needed]) -> Option<(String, String)> {
    let missing: Vec<&Needed> = needed.iter().filter(|needed| !(needed.here)()).collect();
    let said: Vec<String> = missing.iter().map(|needed| format!("{} ({})", needed.name, needed.why)).collect();
    let packages: Vec<&str> = missing.iter().map(|needed| needed.packages).collect();
    (!missing.is_empty()).then(|| (said.join(", "), packages.join(" ")))
}

fn apt(packages: &str) -> Result<(), String> {
    for words in [vec!["update", "-qq"], ["install", "-y", "-qq"].into_iter().chain(packages.split(' ')).collect()] {
        let mut command = Command::new("apt-get");
        // Nobody is there to answer a package's questions.
        crate::python::run(command.args(words).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    Ok(())
}

/// The first line that a program prints.
///
/// # Errors
/// When it does not start, fails or prints nothing.
pub(super) fn answer(program: &str, arguments: &[&str]) -> Result<String, String> {
    let line = format!("`{program} {}`", arguments.join(" "));
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{line}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned);
    text.filter(|_| output.status.success()).ok_or_else(|| format!("{line} ended with {}", output.status))
}

/// The C compiler's own headers (`stddef.h`, `stdbool.h`), which the pinned libclang comes without.
///
/// # Errors
/// When there is no C compiler; Rust needs one for linking as well.
pub(super) fn compiler_headers() -> Result<PathBuf, String> {
    let place = answer("cc", &["-print-file-name=include"]).map_err(|error| format!("{error}; apt-get install gcc"))?;
    let folder = PathBuf::from(place);
    if folder.join("stddef.h").exists() {
        return Ok(folder);
    }
    Err(format!("{} has no stddef.h; apt-get install gcc", folder.display()))
}

/// The newest libclang of the system, by the places where distributions put it.
pub(super) fn system_libclang() -> Option<PathBuf> {
    let mut folders = vec![PathBuf::from("/usr/lib64"), PathBuf::from("/usr/lib")];
    let versions = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    folders.extend(versions.filter(|path| named(path, "llvm-")).map(|path| path.join("lib")));
    folders.sort_by_key(|folder| version(folder));
    folders.into_iter().rev().find(|folder| holds_libclang(folder))
}

fn named(path: &Path, start: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
}

/// The number in `llvm-14`, 0 without one.
fn version(folder: &Path) -> u32 {
    let text = folder.to_string_lossy().into_owned();
    text.split("llvm-").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok()).unwrap_or(0)
}

/// `libclang.so…` or `libclang-14.so…`, the names that the build looks for; not `libclang-cpp`.
fn holds_libclang(folder: &Path) -> bool {
    let numbered = |path: &Path| (0..=9).any(|digit| named(path, &format!("libclang-{digit}")));
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files.any(|path| named(&path, "libclang.so") || numbered(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_wins_by_number() {
        let mut folders = [PathBuf::from("/usr/lib/llvm-9/lib"), "/usr/lib/llvm-14/lib".into(), "/usr/lib".into()];
        folders.sort_by_key(|folder| version(folder));
        assert_eq!(folders.last().map(|folder| version(folder)), Some(14));
        assert_eq!(folders.first().map(|folder| version(folder)), Some(0));
    }

    #[test]
    fn all_that_is_missing_is_said_at_once() {
        let gone = |name, packages| Needed { name, why: "a test", packages, here: || false };
        let here = Needed { name: "b", why: "a test", packages: "b-dev", here: || true };
        let (said, packages) = missing(&[gone("a", "a-dev"), here, gone("c", "c-dev")]).expect("two are missing");
        assert_eq!((said.as_str(), packages.as_str()), ("a (a test), c (a test)", "a-dev c-dev"));
        assert_eq!(missing(&[]), None);
    }

    #[test]
    fn versions_of_go_are_compared_by_number() {
        assert!(is_go("go1.19", 19) && is_go("go1.100.3", 26) && is_go("go2.0", 19));
        assert!(!is_go("go1.18.10", 19) && !is_go("", 19) && !is_go("devel", 19));
    }

    #[test]
    fn so_are_those_of_node() {
        assert!(is_node_20("v20.0.0") && is_node_20("v100.1.2"));
        assert!(!is_node_20("v9.9.9") && !is_node_20("v18.20.4") && !is_node_20(""));
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(answer("adjoin-no-such-program", &[]).is_err());
    }
}
