// SPDX-License-Identifier: Apache-2.0
//! What adjoin is measured against.

pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod service;

use std::path::PathBuf;
use std::process::Command;

use crate::Outcome;
use crate::process::run;

/// The path of a program that a Debian package brings; installs the package where it may.
pub(crate) fn program(candidates: &[&str], package: &str) -> Outcome<PathBuf> {
    let found = || candidates.iter().map(PathBuf::from).find(|path| path.exists());
    if let Some(path) = found() {
        return Ok(path);
    }
    println!("installing {package} …");
    let installed = run(Command::new("apt-get").args(["update", "-qq"]))
        .and_then(|()| run(Command::new("apt-get").args(["install", "-y", "-qq", package])));
    let why = installed.err().map(|error| format!(" ({error})")).unwrap_or_default();
    found().ok_or_else(|| format!("{package} is needed: apt-get install {package}{why}").into())
}
