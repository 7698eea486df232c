// SPDX-License-Identifier: Apache-2.0
//! What is asked: a host and an SDK, in a home, on a store.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use crate::case::{Case, Need};
use crate::process::Launch;

/// Where the host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Home {
    /// Inside the function's process.
    InProcess,
    /// The program `adjoin` beside the function's process.
    Sidecar,
}

/// Where the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// Nowhere: it goes with the host.
    Memory,
    /// In a folder.
    #[value(name = "rocksdb")]
    RocksDb,
}

/// The function.
#[derive(Clone, Debug)]
pub enum Function {
    /// A model service that the runner starts and ends as cases ask.
    App(Launch),
    /// One that runs already, at an address; cases that end it are skipped.
    At(String),
}

/// One host and SDK to be asked.
#[derive(Clone, Debug)]
pub struct Target {
    /// The SDK's name, for the report.
    pub sdk: String,
    /// Where the host runs.
    pub home: Home,
    /// Where the journal is.
    pub store: Store,
    /// Whether it serves the contracts of `conformance/apps/proto`.
    pub contract_first: bool,
    /// The function.
    pub function: Function,
    /// The program `adjoin`; for [`Home::Sidecar`].
    pub adjoin: PathBuf,
    /// Makes its processes one of their broken variants, by `ADJOIN_CONFORMANCE_BROKEN`.
    pub broken: Option<String>,
}

/// Whether a target is asked a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is.
    Yes,
    /// The case has no meaning there; it is not reported.
    Exempt,
    /// By its contract it is otherwise there, as the case itself says.
    ByContract,
    /// It has one, but this runner cannot ask it.
    Skipped,
}

impl Target {
    pub(crate) fn asks(&self, case: &Case) -> Asked {
        let met = |need: &Need| match need {
            Need::Durable => self.store == Store::RocksDb,
            Need::Sidecar => self.home == Home::Sidecar,
            Need::CodeFirst => true,
        };
        if !case.needs.iter().all(met) {
            return Asked::Exempt;
        }
        if self.contract_first && case.needs.contains(&Need::CodeFirst) {
            return Asked::ByContract;
        }
        match self.function {
            Function::At(_) if case.ends_function() => Asked::Skipped,
            Function::At(_) | Function::App(_) => Asked::Yes,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |value: &dyn Fn() -> Option<String>| value().unwrap_or_default();
        let home = name(&|| self.home.to_possible_value().map(|value| value.get_name().to_owned()));
        let store = name(&|| self.store.to_possible_value().map(|value| value.get_name().to_owned()));
        write!(f, "{} {home} {store}", self.sdk)
    }
}
