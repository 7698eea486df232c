// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod count;
mod demo;
mod docs;
mod r#gen;
mod licences;
mod options;
mod program;
mod python;
mod server;
mod setup;
mod stage;
mod structure;
mod tidy;
mod version;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Builds, tests and checks adjoin.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
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
    /// The shop in Python, in-process and behind the proxy: requests and replies, one `kill -9` and restart in each.
    ///
    /// Builds what is missing, prints only what real ports answered, and ends by itself.
    Demo {
        /// Goes on serving in both homes until Ctrl-C or SIGTERM.
        #[arg(long)]
        keep: bool,
    },
    /// Whole hosts from one seed, with faults, a checker and mutants.
    ///
    /// Runs 300 seeds unless told otherwise. A seed that breaks a rule is printed: `sim --seed S --trace` shows how.
    Sim(options::Sim),
    /// Asks every SDK in both homes on every store the questions of conformance/cases.
    ///
    /// `conformance interop` drives services on unchanged Cloudstate SDKs instead, `conformance clients` runs clients
    /// that nobody here wrote.
    Conformance(options::Conformance),
    /// Measures against peers, or proves by force: `bench first`, `bench claim --seconds 5`, `bench contract`,
    /// `bench crash --rounds 100`; `bench profile` prints what a durable command spends its processor time
    /// on, `bench profile contract` that of one by gRPC to a Cloudstate service.
    Bench(options::Bench),
    /// Compares the examples in documents with the files they come from and with what those print; builds the reference.
    Docs {
        /// Mends the documents instead.
        #[arg(long)]
        write: bool,
    },
    /// Prints the version after checking that every place has it; with a number, writes it to every place.
    Version {
        /// The new version: three numbers.
        new: Option<String>,
        /// Writes nothing: checks that every place has the number, or without one the version of Cargo.toml.
        #[arg(long)]
        check: bool,
    },
    /// Formatting, lints, the rules of the tree (tidy) and licences.
    Check,
    /// Every stage of `check`, then all tests. Ends with `N passed, N failed`, and what was skipped.
    Test {
        /// Run only this stage, after `setup` if it needs that.
        #[arg(long, value_name = "STAGE", value_parser = stage::ALL)]
        only: Option<String>,
    },
}

fn main() -> ExitCode {
    stage::begin();
    // Asked at run time: with a target folder shared by several checkouts, a path compiled in may name another one.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let Some(root) = manifest.as_deref().and_then(Path::parent) else {
        eprintln!("run this as `cargo xtask`: cargo says where the checkout is");
        return ExitCode::FAILURE;
    };
    let passed = match Arguments::parse().command {
        Command::Setup => stage::setup(root),
        Command::Gen { check } => stage::report(r#gen::run(root, check), "generated code is up to date"),
        Command::Demo { keep } => {
            stage::report(setup::run(root).and_then(|()| demo::run(root, keep)), "the demo ended well")
        }
        Command::Sim(options) => stage::report(
            program::run(root, &["adjoin-sim"], true, "adjoin-sim", &options.words()),
            "the simulation found what it should and nothing else",
        ),
        Command::Conformance(options::Conformance { other: Some(options::Other::Interop(options)), .. }) => {
            stage::report(stage::interop(root, &options), "services on Cloudstate SDKs run as they should")
        }
        Command::Conformance(options::Conformance { other: Some(options::Other::Clients(options)), .. }) => {
            stage::report(stage::clients(root, &options), "every client printed its transcript")
        }
        Command::Conformance(options) => {
            stage::report(stage::conformance(root, &options), "every case that was asked was answered")
        }
        Command::Bench(options) => stage::report(program::bench(root, &options.words()), "the bench is over"),
        Command::Docs { write } => stage::report(
            setup::run(root).and_then(|()| docs::run(root, write)).map(drop),
            "every example in the documents is as shown",
        ),
        Command::Version { new, check } => stage::version(root, new.as_deref(), check),
        Command::Check => stage::run(root, &["setup", "fmt", "tidy", "licences", "clippy"]),
        Command::Test { only: Some(stage) } => stage::run(root, &stage::with_setup(&stage)),
        Command::Test { only: None } => stage::run(root, &stage::ALL),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
