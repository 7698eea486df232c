// SPDX-License-Identifier: Apache-2.0
//! Commands that are programs of this workspace: built, then run with the words that were given.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::setup::Services;
use crate::{python, setup};

/// The bench, the proxy, and the function that proofs start.
const BENCHED: [&str; 3] = ["adjoin-bench", "adjoin-cli", "adjoin-shop"];

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
    build_packages(root, packages, release)?;
    let profile = if release { "release" } else { "debug" };
    let program = setup::target_folder(root)?.join(profile).join(name);
    let mut command = Command::new(program);
    command.env("PYTHONPATH", python::path(root)).current_dir(root);
    Ok(command)
}

/// Builds packages in a profile.
///
/// # Errors
/// What did not build.
pub fn build_packages(root: &Path, packages: &[&str], release: bool) -> Result<(), String> {
    build(root, &named(packages), release)
}

fn named<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    packages.iter().flat_map(|package| ["--package", package]).collect()
}

/// The bench's own program, and what it starts. The one that does not sync has a call of its own: built with others, its
/// store would be theirs too.
///
/// # Errors
/// What did not build, or how the bench ended.
pub fn bench_with(root: &Path, release: bool, words: &[OsString]) -> Result<(), String> {
    if words.iter().any(|word| word == "crash") {
        // Of the same packages, so that all but the store and what rests on it is compiled once for both calls.
        let mut chosen = named(&BENCHED);
        chosen.extend(["--features", "adjoin-bench/unsynced", "--bin", "adjoin-bench-unsynced"]);
        build(root, &chosen, release)?;
    }
    run(root, &BENCHED, release, "adjoin-bench", words)
}

fn build(root: &Path, words: &[&str], release: bool) -> Result<(), String> {
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet"]).args(words).args(release.then_some("--release")).current_dir(root);
    println!("building: {} …", words.join(" "));
    python::run(&mut build)
}

/// The benches: everything they measure, in release.
///
/// # Errors
/// What did not build, or how the bench ended.
pub fn bench(root: &Path, words: &[OsString]) -> Result<(), String> {
    let contract = words.iter().any(|word| word == "contract");
    setup::with_services(root, Services { go: contract, ..Services::default() })?;
    let mut all: Vec<OsString> = words.to_vec();
    if contract {
        all.extend(["--cart-service".into(), cart_service(root)?]);
    }
    all.extend(["--checkout".into(), root.into()]);
    if needs_python(words) {
        all.extend(["--python".into(), python::ready_release(root)?.into()]);
    }
    bench_with(root, true, &all)
}

/// The service of `conformance/interop` on the Go SDK, built.
fn cart_service(root: &Path) -> Result<OsString, String> {
    let mut runner = command(root, &["adjoin-interop"], false, "adjoin-interop")?;
    let output = runner.args(["--build", "--sdk", "go"]).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{runner:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let program = said.trim_end().lines().last().filter(|_| output.status.success());
    program.map(OsString::from).ok_or_else(|| format!("the service on the Go SDK was not built: {said}"))
}

/// Whether one of the rows that are asked for loads Python, whose native module takes minutes in release. Without a row,
/// all of `first` are measured.
fn needs_python(words: &[OsString]) -> bool {
    let any = |names: &[&str]| words.iter().any(|word| names.iter().any(|name| word == name));
    any(&["first", "claim", "replay"])
        || !any(&["raw", "sidecar", "loop", "start", "contract", "crdt", "crash", "overload", "profile"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_is_built_for_rows_that_load_it_wherever_they_stand() {
        let needed = |words: &str| needs_python(&words.split_whitespace().map(OsString::from).collect::<Vec<_>>());
        for words in ["", "first", "loop claim", "--seconds 3", "--rounds 1 raw replay"] {
            assert!(needed(words), "{words:?}");
        }
        for words in ["raw", "crdt", "--seconds 3 loop sidecar", "overload --minutes 1", "crash", "profile", "contract"]
        {
            assert!(!needed(words), "{words:?}");
        }
    }
}
