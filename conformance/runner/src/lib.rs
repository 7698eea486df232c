// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod case;
mod cases;
mod files;
mod http;
mod process;
mod report;
mod rules;
mod run;
mod site;
mod steps;
mod target;
mod text;

pub use case::{Case, How, Need};
pub use cases::all as cases;
pub use files::Files;
pub use process::{Launch, Process, free_port};
pub use report::{Outcome, Report, Status};
pub use rules::{RULES, table, title};
pub use run::{Choice, run};
pub use target::{Function, Home, Store, Target};
