// SPDX-License-Identifier: Apache-2.0
//! The Rust toolchain: new enough, with the parts and the target that the stages use.
//!
//! No `rust-toolchain.toml`: it would have rustup fetch a toolchain where a fitting one is there under another name.

use std::path::Path;
use std::process::Command;

use super::{NO_STD_TARGET, programs};

/// The version that the lints are written for, and the oldest that builds.
const RUST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Adds what is missing, without asking the network when all is there.
///
/// # Errors
/// That Rust is too old, or what rustup could not add.
pub(super) fn ready() -> Result<(), String> {
    let version = programs::answer("rustc", &["--version"])?;
    if minor(&version) < minor(RUST) {
        return Err(format!("{version} is older than {RUST}: rustup update stable"));
    }
    for (component, command) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if programs::answer("cargo", &[command, "--version"]).is_err() {
            rustup(&["component", "add", component])?;
        }
    }
    let sysroot = programs::answer("rustc", &["--print", "sysroot"])?;
    if Path::new(&sysroot).join("lib/rustlib").join(NO_STD_TARGET).exists() {
        return Ok(());
    }
    rustup(&["target", "add", NO_STD_TARGET])
}

/// Whether lints are written for a toolchain as old as this one: a newer one has new lints, which fail nothing.
pub(super) fn is_newer() -> bool {
    programs::answer("rustc", &["--version"]).is_ok_and(|version| minor(&version) > minor(RUST))
}

fn rustup(words: &[&str]) -> Result<(), String> {
    let line = format!("rustup {}", words.join(" "));
    println!("the toolchain lacks something; adding it: {line}");
    match Command::new("rustup").args(words).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` ended with {status}")),
        Err(error) => Err(format!("`{line}`: {error}; Rust has to come from rustup, or with these parts")),
    }
}

/// Major and minor number in `rustc 1.95.0 (…)` or `1.95`.
fn minor(text: &str) -> (u32, u32) {
    let word = text.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap_or_default();
    let mut numbers = word.split('.').map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(minor("rustc 1.95.0 (59807616e 2026-04-14)"), (1, 95));
        assert_eq!(minor("1.95"), (1, 95));
        assert!(minor("rustc 1.100.0-nightly (x)") > minor(RUST) && minor("rustc 1.9.0") < minor(RUST));
        assert_eq!(minor("no version"), (0, 0));
    }

    #[test]
    fn this_toolchain_is_ready() {
        ready().expect("the tests were built with it");
    }
}
