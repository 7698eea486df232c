// SPDX-License-Identifier: Apache-2.0
//! Python for development: a virtual environment outside the checkout, and the native module built from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::setup;

/// Where Python finds the checkout's package. A path and not an installation, so that checkouts share the environment.
pub fn path(root: &Path) -> PathBuf {
    root.join("sdks/python/python")
}

/// The interpreter of the environment, with everything that the SDK and its tests need, and the native module fresh.
///
/// # Errors
/// What could not be made, and what to do.
pub fn ready(root: &Path) -> Result<PathBuf, String> {
    native(root, false)?;
    environment(root)
}

/// The same with the native module optimised, for measuring.
///
/// # Errors
/// What could not be made, and what to do.
pub fn ready_release(root: &Path) -> Result<PathBuf, String> {
    native(root, true)?;
    environment(root)
}

/// The virtual environment; made once for what it needs, so that checkouts that need other versions do not undo it.
///
/// # Errors
/// That Python or its venv module is missing, or what pip says.
pub fn environment(root: &Path) -> Result<PathBuf, String> {
    let sdk = root.join("sdks/python");
    let needs = fs::read_to_string(sdk.join("requirements-dev.txt"))
        .map_err(|error| format!("sdks/python/requirements-dev.txt: {error}"))?;
    let folder = setup::cache_root()?.join(folder_name(&needs));
    let (python, stamp) = (folder.join("bin/python"), folder.join("adjoin-needs.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|there| there == needs) && python.exists() {
        return Ok(python);
    }
    println!("making the Python environment {} …", folder.display());
    let missing = "Python 3.10 or newer with venv is needed: apt-get install python3 python3-venv";
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)).map_err(|e| format!("{missing}\n{e}"))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(sdk.join("requirements-dev.txt")))?;
    fs::write(&stamp, needs).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

/// One folder for each list of needs.
fn folder_name(needs: &str) -> String {
    let hash = Sha256::digest(needs);
    format!("venv-{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3])
}

/// Builds the native module and puts it into the package. pip builds its own: this one is for the checkout.
fn native(root: &Path, release: bool) -> Result<(), String> {
    let (profile, folder) = if release { ("release", "release") } else { ("dev", "debug") };
    let arguments = ["build", "--quiet", "--package", "adjoin-python", "--profile", profile];
    run(Command::new("cargo").args(arguments).current_dir(root))?;
    let built = setup::target_folder(root)?.join(folder).join("libadjoin_python.so");
    let place = root.join("sdks/python/python/adjoin/_native.abi3.so");
    // Moved into place: a program that runs keeps the file it has mapped.
    let fresh = place.with_extension("new");
    fs::copy(&built, &fresh).map_err(|error| format!("{}: {error}", built.display()))?;
    fs::rename(&fresh, &place).map_err(|error| format!("{}: {error}", place.display()))
}

/// Runs a command to its end; what it prints is shown.
///
/// # Errors
/// The command, and how it ended.
pub fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("`{} {}`", command.get_program().display(), arguments(command));
    let status = command.status().map_err(|error| format!("{shown} did not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown} ended with {status}")) }
}

fn arguments(command: &Command) -> String {
    command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_needs_have_another_environment() {
        assert_eq!(folder_name("pytest==9.2.0"), folder_name("pytest==9.2.0"));
        assert_ne!(folder_name("pytest==9.2.0"), folder_name("pytest==9.2.1"));
    }

    #[test]
    fn every_need_has_one_version() {
        let needs = include_str!("../../sdks/python/requirements-dev.txt");
        let loose = needs.lines().filter(|line| !line.starts_with('#') && !line.contains("==")).collect::<Vec<_>>();
        assert!(loose.is_empty(), "{loose:?}");
    }
}
