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
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet"]).args(packages.iter().flat_map(|package| ["--package", package])).current_dir(root);
    if release {
        build.arg("--release");
    }
    println!("building {} …", packages.join(", "));
    python::run(&mut build)?;
    let profile = if release { "release" } else { "debug" };
    let program = setup::target_folder(root)?.join(profile).join(name);
    python::run(Command::new(program).args(words).env("PYTHONPATH", python::path(root)).current_dir(root))
}

/// The benches: everything they measure, in release.
///
/// # Errors
/// What did not build, or how the bench ended.
pub fn bench(root: &Path, words: &[OsString]) -> Result<(), String> {
    let mut all: Vec<OsString> = words.to_vec();
    all.extend(["--checkout".into(), root.into()]);
    // These load no Python; its native module takes minutes in release.
    const WITHOUT_PYTHON: [&str; 6] = ["raw", "sidecar", "loop", "start", "crash", "overload"];
    if !words.first().is_some_and(|name| WITHOUT_PYTHON.iter().any(|without| name == without)) {
        all.extend(["--python".into(), python::ready_release(root)?.into()]);
    }
    run(root, &["adjoin-bench", "adjoin-cli", "adjoin-shop"], true, "adjoin-bench", &all)
}
