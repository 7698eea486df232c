// SPDX-License-Identifier: Apache-2.0
//! The rows of the table of targets, each measured by its own file.

pub(crate) mod claim;
pub(crate) mod contract;
mod crdt;
mod direct;
mod machine;
mod raw;
mod replay;
pub(crate) mod sidecar;
mod start;

use crate::report::{self, Target};
use crate::{Arguments, Outcome};

type Row = fn(&Arguments) -> Outcome<Vec<Target>>;

/// Every row by name, in order.
const ROWS: &[(&str, Row)] = &[
    ("claim", claim::run),
    ("raw", raw::run),
    ("sidecar", sidecar::run),
    ("loop", machine::run),
    ("start", start::run),
    ("replay", replay::run),
    ("contract", contract::run),
    ("crdt", crdt::run),
];

/// Rows that are a group by themselves: only measured when they are named.
const APART: [&str; 2] = ["contract", "crdt"];

/// Measures what the arguments name.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let mut targets = Vec::new();
    let named = |name: &str| arguments.names.iter().any(|chosen| chosen == name);
    let chosen: Vec<&(&str, Row)> =
        ROWS.iter().filter(|(name, _)| named(name) || (named("first") && !APART.contains(name))).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no row {:?}; there are first, {}", arguments.names, known.join(", ")).into());
    }
    for (name, row) in chosen {
        println!("== {name}");
        targets.extend(row(arguments)?);
    }
    report::print(&targets, &arguments.checkout.join(&arguments.results), &arguments.names.join("-"))
}
