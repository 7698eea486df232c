// SPDX-License-Identifier: Apache-2.0
//! Programs of the system that building and testing use: found, or named with the package that brings them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Program, its argument that answers at once, what needs it, and the Debian package that brings it.
const NEEDED: [(&str, &str, &str, &str); 3] = [
    ("cc", "--version", "linking", "gcc"),
    ("python3", "--version", "the Python SDK and its tests", "python3 python3-venv python3-dev"),
    ("unshare", "--version", "the test of a full disk", "util-linux"),
];

/// Says which needed programs are missing.
///
/// # Errors
/// One line for all, with the command that installs them.
pub(super) fn report() -> Result<(), String> {
    let missing = NEEDED.iter().filter(|(program, argument, ..)| answer(program, &[argument]).is_err());
    let (mut said, mut packages) = (Vec::new(), Vec::new());
    for (program, _, what, package) in missing {
        said.push(format!("{program} ({what})"));
        packages.push(*package);
    }
    if said.is_empty() {
        return Ok(());
    }
    Err(format!("missing: {}; apt-get install {}", said.join(", "), packages.join(" ")))
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
    fn a_program_that_is_not_there_is_an_error() {
        assert!(answer("adjoin-no-such-program", &[]).is_err());
    }
}
