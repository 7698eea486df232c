// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod admin;
mod args;
mod commands;
mod dev;
#[cfg(test)]
mod docs;
mod failure;
mod folder;
mod http;
mod inspect;
mod log;
mod metrics;
mod node;
mod print;
mod readiness;
mod settings;
mod signals;
mod source;

use std::process::ExitCode;
use std::time::Duration;

use args::{Cli, Command};
use clap::Parser;
use failure::{Exit, Failure, Outcome};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Outcome<()> {
    // Only a host has work for several threads.
    let mut builder = match command {
        Command::Serve(_) | Command::Dev(_) => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("no runtime can be made: {error}")))?;
    let done = runtime.block_on(dispatch(command));
    // What still runs was told to end; a thread that does not must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    done
}

async fn dispatch(command: Command) -> Outcome<()> {
    match command {
        Command::Serve(args) => args.run().await,
        Command::Dev(args) => args.run().await,
        Command::Call(args) => args.run().await,
        Command::Effects(command) => command.run().await,
        Command::Eventing(command) => command.run().await,
        Command::Entity(command) => command.run().await,
        Command::Journal(command) => command.run().await,
        Command::Schema(command) => command.run().await,
        Command::Conformance(command) => command.run().await,
        Command::Doctor(args) => args.run().await,
        Command::Completions(args) => args.run(),
        Command::Guard(args) => {
            args.run();
            Ok(())
        }
    }
}
