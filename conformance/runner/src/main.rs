// SPDX-License-Identifier: Apache-2.0
//! The matrix: every SDK in both homes on every store.
#![expect(clippy::print_stdout, reason = "a report for the person who asked")]

use std::path::PathBuf;
use std::process::ExitCode;

use adjoin_conformance::{Choice, Files, Function, Home, Launch, Report, Store, Target, run};
use clap::{Parser, ValueEnum};

/// Asks every SDK in both homes on every store the questions of conformance/cases.
#[derive(Parser)]
struct Arguments {
    /// Only this SDK.
    #[arg(long, value_enum)]
    sdk: Option<Sdk>,
    /// Only this home.
    #[arg(long, value_enum)]
    home: Option<Home>,
    /// Only this store.
    #[arg(long, value_enum)]
    store: Option<Store>,
    /// Only cases whose names hold this.
    #[arg(long)]
    case: Option<String>,
    /// Only cases of this rule or topic.
    #[arg(long)]
    rule: Option<String>,
    /// Writes {"cases":[{"case","sdk","home","store","status"}]} there.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes JUnit's XML there.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The Python that has the package `adjoin`.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// The checkout, for the apps that are scripts.
    #[arg(long, default_value = ".")]
    checkout: PathBuf,
    /// Lists the cases and ends.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Sdk {
    Python,
    /// The same package, contract first.
    PythonContract,
    Rust,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = if arguments.list { list().map(|()| true) } else { matrix(&arguments).await };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(said) => {
            println!("{said}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> Result<(), String> {
    println!("{}", adjoin_conformance::table(&adjoin_conformance::cases()?));
    Ok(())
}

/// Asks, and says whether every answer was as it must be.
async fn matrix(arguments: &Arguments) -> Result<bool, String> {
    let files = Files::open(arguments.json.clone(), arguments.junit.clone())?;
    let choice = Choice { name: arguments.case.clone(), rule: arguments.rule.clone() };
    let mut report = Report::default();
    for target in targets(arguments)? {
        println!("asking {target} …");
        report.add(run(&target, &choice).await.map_err(|said| format!("{target}: {said}"))?);
    }
    files.write(&report)?;
    println!("{}", report.table());
    Ok(report.is_good())
}

/// Every combination that was not left out.
fn targets(arguments: &Arguments) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    for sdk in [Sdk::Rust, Sdk::Python, Sdk::PythonContract]
        .into_iter()
        .filter(|sdk| arguments.sdk.is_none_or(|only| only == *sdk))
    {
        for home in
            [Home::InProcess, Home::Sidecar].into_iter().filter(|home| arguments.home.is_none_or(|o| o == *home))
        {
            for store in [Store::Memory, Store::RocksDb].into_iter().filter(|s| arguments.store.is_none_or(|o| o == *s))
            {
                targets.push(target(arguments, sdk, home, store)?);
            }
        }
    }
    Ok(targets)
}

fn target(arguments: &Arguments, sdk: Sdk, home: Home, store: Store) -> Result<Target, String> {
    let (name, app) = match sdk {
        Sdk::Rust => ("rust", Launch::new(beside("adjoin-conformance-app")?)),
        Sdk::Python => ("python", script(arguments, "conformance/apps/python/app.py")),
        Sdk::PythonContract => ("python-contract", script(arguments, "conformance/apps/python/contract/app.py")),
    };
    let contract_first = sdk == Sdk::PythonContract;
    let adjoin = beside("adjoin")?;
    let function = Function::App(app);
    Ok(Target { sdk: name.to_owned(), home, store, contract_first, function, adjoin, broken: None })
}

fn script(arguments: &Arguments, path: &str) -> Launch {
    let script = arguments.checkout.join(path);
    Launch { program: arguments.python.clone(), arguments: vec![script.into()] }
}

/// A program in the folder of this one.
fn beside(name: &str) -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    Ok(this.with_file_name(name))
}
