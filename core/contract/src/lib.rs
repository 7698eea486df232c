// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod contract;
mod files;
mod key;
mod limits;
mod maps;
mod options;
mod scan;
mod service;

pub use contract::{Contract, File};
pub use key::KeyField;
pub use limits::Limits;
pub use options::{Eventing, HttpRule, Source, Verb};
pub use service::{Method, Service};

/// The key of every call to an action, by whatever protocol: it has no state that a key could name.
pub const NO_KEY: &str = "-";
