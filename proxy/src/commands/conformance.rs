// SPDX-License-Identifier: Apache-2.0
//! `adjoin conformance`.

use std::path::PathBuf;

use adjoin_conformance::{Choice, Files, Function, Home, Launch, Store, Target};
use clap::{Args, Subcommand};

use crate::failure::{Exit, Failure, Outcome};
use crate::print;

/// Ask an SDK the questions of the conformance suite
///
/// The function serves the model service of the suite (conformance/apps in the repository has it in several languages;
/// the cases say what each handler must do). The host is started by this command.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  adjoin conformance list                                       rules, and the cases that ask about each
  adjoin conformance run --function 127.0.0.1:8080              a function that runs already
  adjoin conformance run --junit report.xml -- python app.py    one that is started, killed and restarted as cases ask")]
pub(crate) enum ConformanceCommand {
    /// Print the rules and their cases as a Markdown table
    List,
    /// Ask, and report; exit code 1 when a case fails
    Run(RunArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Where the function listens; cases that end its process are skipped.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "command", required_unless_present = "command")]
    function: Option<String>,
    /// The name of the SDK in the report.
    #[arg(long, value_name = "NAME", default_value = "unnamed")]
    sdk: String,
    /// Where the journal is.
    #[arg(long, value_enum, default_value = "rocksdb")]
    store: Store,
    /// Only cases whose names hold this.
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
    /// Only cases of this rule or topic.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Write {"cases":[{"case","sdk","home","store","status"}]} there.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write JUnit's XML there.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The command that starts the model service; `serve ADDRESS` is added to its words, and `--version N` behind it
    /// where a case needs another version than the first (rule `evolution`).
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl ConformanceCommand {
    pub(crate) async fn run(&self) -> Outcome<()> {
        match self {
            Self::List => {
                let cases = adjoin_conformance::cases().map_err(|said| Failure::new(Exit::Failed, said))?;
                print::line(adjoin_conformance::table(&cases).trim_end())
            }
            Self::Run(args) => args.run().await,
        }
    }
}

impl RunArgs {
    async fn run(&self) -> Outcome<()> {
        let failed = |said: String| Failure::new(Exit::Failed, said);
        let files = Files::open(self.json.clone(), self.junit.clone()).map_err(failed)?;
        let choice = Choice { name: self.case.clone(), rule: self.rule.clone() };
        let report = adjoin_conformance::run(&self.target()?, &choice).await;
        let report =
            report.map_err(|said| failed(said).help("the function must serve the model service of the suite"))?;
        files.write(&report).map_err(failed)?;
        print::line(report.table().trim_end())?;
        if report.is_good() {
            return Ok(());
        }
        let count = |status| report.count(status);
        Err(failed(format!(
            "{} cases failed, {} passed, {} skipped",
            count("failed"),
            count("passed"),
            count("skipped")
        )))
    }

    fn target(&self) -> Outcome<Target> {
        let adjoin = std::env::current_exe()
            .map_err(|error| Failure::new(Exit::Failed, format!("this program cannot be found again: {error}")))?;
        let function = match (&self.function, self.command.split_first()) {
            (Some(address), _) => Function::At(address.clone()),
            (None, Some((program, words))) => {
                let arguments = words.iter().map(Into::into).collect();
                Function::App(Launch { program: program.into(), arguments })
            }
            (None, None) => return Err(Failure::usage("neither --function nor a command is given")),
        };
        let (sdk, home, store) = (self.sdk.clone(), Home::Sidecar, self.store);
        Ok(Target { sdk, home, store, contract_first: false, function, adjoin, broken: None })
    }
}
