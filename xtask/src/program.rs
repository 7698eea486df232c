// SPDX-License-Identifier: Apache-2.0
//! Commands that are programs of this workspace: built, then run with the words that were given.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::{python, setup};

/// Builds packages in a profile and runs one of their programs.
///
/// # Errors
/// What did not build, or how the program ended.
pub fn run(root: &Path, packages: &[&str], release: bool, name: &str, words: &[OsString]) -> Result<(), String> {
    python::run(command(root, packages, release, name)?.args(words))
}

/// Builds packages in a profile and names one of their programs.
///
/// # Errors
/// What did not build.
pub fn command(root: &Path, packages: &[&str], release: bool, name: &str) -> Result<Command, String> {
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet"]).args(packages.iter().flat_map(|package| ["--package", package])).current_dir(root);
    if release {
        build.arg("--release");
    }
    println!("building {} …", packages.join(", "));
    python::run(&mut build)?;
    let profile = if release { "release" } else { "debug" };
    let program = setup::target_folder(root)?.join(profile).join(name);
    let mut command = Command::new(program);
    command.env("PYTHONPATH", python::path(root)).current_dir(root);
    Ok(command)
}

/// The benches: everything they measure, in release.
///
/// # Errors
/// What did not build, or how the bench ended.
pub fn bench(root: &Path, words: &[OsString]) -> Result<(), String> {
    let interpreter = python::ready_release(root)?;
    let mut all: Vec<OsString> = words.to_vec();
    all.extend(["--checkout".into(), root.into(), "--python".into(), interpreter.into()]);
    run(root, &["adjoin-bench", "adjoin-cli", "adjoin-shop"], true, "adjoin-bench", &all)
}
