// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]
#![expect(clippy::print_stdout, reason = "a report for the person who asked")]

mod function;
mod h2spec;
mod interop;
mod prepare;
mod reasons;
mod report;
mod run;
mod scenario;
mod site;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::prepare::Clients;
use crate::report::Report;
use crate::run::{Runner, beside};
use crate::scenario::Scenario;
use crate::site::Site;

/// Drives clients that nobody on this project wrote against a contract-first service behind the proxy.
#[derive(Parser)]
struct Arguments {
    /// The checkout.
    #[arg(long, default_value = ".")]
    checkout: PathBuf,
    /// Only scenarios whose names hold this: curl, curl/streams.
    #[arg(long)]
    only: Option<String>,
    /// The Python that has grpcio.
    #[arg(long)]
    python: PathBuf,
    /// Writes what was printed into the scenarios, to be read and committed.
    #[arg(long)]
    write: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut report = Report::default();
    match suite(&Arguments::parse(), &mut report).await {
        Ok(()) => report.close(),
        Err(said) => {
            println!("{said}");
            return ExitCode::FAILURE;
        }
    }
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn suite(arguments: &Arguments, report: &mut Report) -> Result<(), String> {
    let checkout = std::path::absolute(&arguments.checkout).map_err(|error| format!("the checkout: {error}"))?;
    let sources = checkout.join("conformance/clients");
    let clients = Clients::ready(&sources, &arguments.python)?;
    let protos = [sources.join("protos"), checkout.join("core/contract/tests/protos")];
    let site = Site::start(&beside("adjoin")?, protos.to_vec()).await?;
    clients.lay(site.folder.path())?;
    let runner = Runner { clients: &clients, site: &site };
    for file in files(&sources.join("scenarios"))? {
        let mut scenario = Scenario::read(&file)?;
        if arguments.only.as_ref().is_some_and(|only| !scenario.name.contains(only)) {
            continue;
        }
        ask(&runner, &mut scenario, arguments.write, report).await;
        if let Some(outcome) = reasons::check(&scenario) {
            report.add(
                &scenario.name,
                "what does not pass or apply has a reason, and nothing else",
                outcome,
                Duration::ZERO,
            );
        }
        if arguments.write {
            scenario.write()?;
        }
    }
    site.end().await
}

/// Runs the steps of a scenario in their order.
async fn ask(runner: &Runner<'_>, scenario: &mut Scenario, write: bool, report: &mut Report) {
    for step in &mut scenario.steps {
        let began = Instant::now();
        let ran = match step.words() {
            Ok(words) => runner.run(&words).await,
            Err(said) => Err(said),
        };
        let outcome = ran.and_then(|printed| match step.difference(&printed) {
            Some(said) if !write => Err(format!("{said}\n        all of it: {printed:?}")),
            Some(_) => {
                step.take(&printed);
                Ok(())
            }
            None => Ok(()),
        });
        report.add(&scenario.name, &step.fact, outcome, began.elapsed());
    }
}

/// The clients that are asked: each has a folder of scenarios.
const CLIENTS: [&str; 7] = ["curl", "grpc-js", "grpc-web", "grpcio", "grpcurl", "h2spec", "interop"];

/// Every scenario, by client and name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = |folder: &Path| -> Result<Vec<PathBuf>, String> {
        let read = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut paths: Vec<PathBuf> = read.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        Ok(paths)
    };
    let mut files = Vec::new();
    for client in CLIENTS {
        let of_client = entries(&folder.join(client))?;
        if of_client.is_empty() {
            return Err(format!("{client} has no scenario in {}", folder.display()));
        }
        files.extend(of_client);
    }
    Ok(files)
}
