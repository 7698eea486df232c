// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod agenda;
mod check;
mod client;
mod context;
mod fault;
mod fleet;
mod function;
mod history;
mod host;
mod mutant;
mod plan;
mod random;
mod run;
mod storage;
mod store;
mod trace;
mod words;
mod world;

pub use check::Letters;
pub use fault::{Counts, Fault};
pub use fleet::{Summary, seeds};
pub use mutant::Mutant;
pub use run::{Options, Outcome, run};
pub use trace::Sink;
