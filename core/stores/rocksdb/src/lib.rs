// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod batch;
mod codec;
mod consumer;
mod db;
mod dedup;
mod effect;
mod folder;
mod keys;
mod open;
mod process;
mod read;
mod readers;
mod rows;
mod settings;
mod shared;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod wal;
mod write;

pub use open::OpenReport;
pub use settings::Settings;
pub use store::RocksStore;
pub use verify::{Findings, Verified};
pub use wal::Torn;
