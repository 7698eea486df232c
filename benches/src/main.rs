// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]
#![expect(clippy::print_stdout, reason = "what it measures is what it prints")]

mod counter;
mod crash;
mod load;
mod overload;
mod peer;
mod process;
mod profile;
mod report;
mod row;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// A failure, said to the person who started the bench.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures adjoin against its peers, and prints a table and one JSON line a target.
#[derive(Parser, Debug)]
#[command(name = "adjoin-bench", version)]
pub(crate) struct Arguments {
    /// The group first, rows of it (claim, raw, sidecar, loop, start, replay), the groups contract and crdt, a proof:
    /// crash, overload, or profile: what a durable command spends its processor time on (with contract: behind gRPC).
    #[arg(default_value = "first")]
    names: Vec<String>,
    /// Seconds of load for each side and round.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Rounds: of a row 3, whose median is printed; of the crash proof 100.
    #[arg(long)]
    rounds: Option<usize>,
    /// Minutes of the overload proof: 5.
    #[arg(long)]
    minutes: Option<f64>,
    /// Seed of random moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder with the built programs (shop, adjoin).
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Python interpreter with the adjoin package, for rows in Python.
    #[arg(long)]
    python: Option<PathBuf>,
    /// The service of conformance/interop on the Go SDK, for the group contract.
    #[arg(long)]
    cart_service: Option<PathBuf>,
    /// The checkout, for examples and results.
    #[arg(long, default_value = ".")]
    checkout: PathBuf,
    /// Where JSON lines go, below the checkout.
    #[arg(long, default_value = "benches/results")]
    results: PathBuf,
    /// Runs the stateless peer instead of a bench: a PostgreSQL connection string follows.
    #[arg(long, hide = true)]
    peer_service: Option<String>,
    /// Serves the bench's entities to a proxy at this address.
    #[arg(long, hide = true)]
    serve_function: Option<String>,
    /// Serves a plain unary gRPC call.
    #[arg(long, hide = true)]
    serve_echo: bool,
    /// Opens a folder in-process and ends.
    #[arg(long, hide = true)]
    open_folder: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.2, 600.0))
    }

    /// Rounds of a row.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(3).max(1)
    }

    /// A program that was built with this one.
    pub(crate) fn program(&self, name: &str) -> Outcome<PathBuf> {
        let folder = match &self.programs {
            Some(folder) => folder.clone(),
            None => std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default(),
        };
        let path = folder.join(name);
        if path.exists() {
            return Ok(path);
        }
        Err(format!("{name} is not built in {}: use `cargo xtask bench`, which builds it", folder.display()).into())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments {
        Arguments { peer_service: Some(database), .. } => peer::service::run(database),
        Arguments { serve_function: Some(address), .. } => counter::serve(address),
        Arguments { open_folder: Some(folder), .. } => counter::open(folder),
        Arguments { serve_echo: true, .. } => row::sidecar::echo_server(),
        _ if arguments.names == ["crash"] => crash::run(&arguments),
        _ if arguments.names.iter().any(|name| name == "profile") => profile::run(&arguments),
        _ if arguments.names == ["overload"] => overload::run(&arguments),
        _ => row::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
