// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]
#![expect(clippy::print_stdout, reason = "a report for the person who asked")]

mod direct;
mod grpc;
mod host;
mod http;
mod prepare;
mod proxied;
mod relay;
mod scenario;
mod schema;
mod site;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use crate::host::Host;
use crate::prepare::{Places, go_sdk, go_service, java_service, python_service};
use crate::scenario::Report;
use crate::schema::Schema;
use crate::site::{Launch, Sdk, Site};

/// Drives services on Cloudstate SDKs, directly and through the proxy.
#[derive(Parser)]
struct Arguments {
    /// The checkout.
    #[arg(long, default_value = ".")]
    checkout: PathBuf,
    /// Only this SDK: go, java or python.
    #[arg(long)]
    sdk: Option<String>,
    /// The Python that has what adjoin's SDK needs.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Only scenarios whose names hold this (with _ between words).
    #[arg(long)]
    only: Option<String>,
    /// Only the services by themselves, without the proxy.
    #[arg(long)]
    direct: bool,
    /// Asks nothing: builds what it would ask, and prints each SDK's program in a line of its own, with its words.
    #[arg(long)]
    build: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut report = Report::default();
    let arguments = Arguments::parse();
    match suite(&arguments, &mut report).await {
        Ok(()) if arguments.build => return ExitCode::SUCCESS,
        Ok(()) => report.close(),
        Err(said) => {
            println!("{said}");
            return ExitCode::FAILURE;
        }
    }
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn suite(arguments: &Arguments, report: &mut Report) -> Result<(), String> {
    let places = Places::new(&arguments.checkout);
    let logs = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let sdk = go_sdk(&places)?;
    let others = ["frontend", "protocol", "proxy"].map(|part| sdk.join("protobuf").join(part));
    let schema = Schema::new(&places.sources.join("proto"), &others)?;
    let launches = launches(&places, &sdk, &others, arguments)?;
    if arguments.build {
        launches.iter().for_each(|launch| println!("{launch}"));
        return Ok(());
    }
    for launch in launches {
        let site = Arc::new(Site::start(&launch, &schema, logs.path()).await?);
        let (sdk, only) = (launch.sdk.name(), arguments.only.as_deref());
        report.ask(&format!("{sdk} direct"), &direct::scenarios(), &site, only).await;
        if arguments.direct {
            continue;
        }
        let adjoin = beside("adjoin")?;
        let start = |relayed| Host::start(adjoin.clone(), &launch, site.services(), &schema, relayed);
        let host = Arc::new(start(true).await?);
        report.ask(&format!("{sdk} proxied"), &proxied::scenarios(launch.sdk), &host, only).await;
        drop(host);
        let host = Arc::new(start(false).await?);
        report.ask(&format!("{sdk} restarts"), &proxied::restarts(), &host, only).await;
    }
    Ok(())
}

/// A program in the folder of this one.
fn beside(name: &str) -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    Ok(this.with_file_name(name))
}

fn launches(places: &Places, sdk: &Path, options: &[PathBuf], arguments: &Arguments) -> Result<Vec<Launch>, String> {
    let only = arguments.sdk.as_deref();
    let mut all = Vec::new();
    if only.is_none_or(|only| only == "go") {
        all.push(Launch { sdk: Sdk::Go, program: go_service(places, sdk)?, words: Vec::new() });
    }
    if only.is_none_or(|only| only == "java") {
        all.push(Launch { sdk: Sdk::Java, program: "java".into(), words: java_service(places)? });
    }
    if only.is_none_or(|only| only == "python") {
        let program = arguments.python.clone().ok_or("the Python of the environment is needed: --python PATH")?;
        all.push(Launch { sdk: Sdk::Python, program, words: python_service(places, options)? });
    }
    Ok(all)
}
