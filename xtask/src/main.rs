// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod r#gen;
mod setup;
mod stage;
mod structure;
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
    /// Fetches RocksDB and libclang once, and tells cargo where they lie.
    ///
    /// Both are pinned by SHA-256 and kept in ${XDG_CACHE_HOME:-~/.cache}/adjoin/deps. RocksDB comes out of the Maven
    /// artefact org.rocksdb:rocksdbjni (needs mvn), libclang out of the PyPI package libclang (needs python3 with pip;
    /// else the system's is taken). `.deps/cargo.toml`, which git ignores, then tells every cargo command in this
    /// checkout; nothing has to be exported. `check` and `test` begin with this; done once, it needs no network.
    Setup,
    /// Writes the Rust code that `proto/` gives; it is committed, so building needs no protoc.
    Gen {
        /// Only compare: name the files that differ, and fail if there are any.
        #[arg(long)]
        check: bool,
    },
    /// Formatting, lints and the rules of the tree (tidy).
    Check,
    /// Every stage of `check`, then all tests. Ends with `N passed, N failed`.
    Test {
        /// Run only this stage (setup, fmt, tidy, gen, clippy, no-std, tests).
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
        Command::Setup => stage::setup(root),
        Command::Gen { check } => stage::report(r#gen::run(root, check), "generated code is up to date"),
        Command::Check => stage::run(root, &["setup", "fmt", "tidy", "clippy"]),
        Command::Test { only: Some(stage) } => stage::run(root, &stage::with_setup(&stage)),
        Command::Test { only: None } => stage::run(root, &stage::ALL),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
