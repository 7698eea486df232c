// SPDX-License-Identifier: Apache-2.0
//! Generated code: written by `adjoin-gen`, a program of its own, so that xtask stays quick to build.

use std::path::Path;
use std::process::Command;

/// Writes the code that `proto/` gives, or only compares it.
///
/// # Errors
/// Why it could not be run, or that something differs: the program names the files itself.
pub fn run(root: &Path, check: bool) -> Result<(), String> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--package", "adjoin-gen", "--"]).current_dir(root);
    if check {
        command.arg("--check");
    }
    let status = command.status().map_err(|error| format!("adjoin-gen did not start: {error}"))?;
    if status.success() { Ok(()) } else { Err("generated code is not what proto/ gives".into()) }
}
