// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod stage;
mod tidy;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Builds, tests and checks adjoin.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Formatting, lints and the rules of the tree (tidy).
    Check,
    /// Every stage of `check`, then all tests. Ends with `N passed, N failed`.
    Test {
        /// Run only this stage (fmt, clippy, tidy, no-std, tests).
        #[arg(long, value_name = "STAGE")]
        only: Option<String>,
    },
}

fn main() -> ExitCode {
    // Asked at run time: with a target folder shared by several checkouts, a path compiled in may name another one.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let Some(root) = manifest.as_deref().and_then(Path::parent) else {
        eprintln!("run this as `cargo xtask`: cargo says where the checkout is");
        return ExitCode::FAILURE;
    };
    let passed = match Arguments::parse().command {
        Command::Check => stage::run(root, &["fmt", "clippy", "tidy"]),
        Command::Test { only: Some(stage) } => stage::run(root, &[stage.as_str()]),
        Command::Test { only: None } => stage::run(root, &stage::ALL),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
