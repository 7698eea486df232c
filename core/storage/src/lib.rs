// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

#[cfg(feature = "contract")]
pub mod contract;
pub mod guard;
mod memory;
mod store;

pub use memory::MemoryStore;
pub use store::{
    Capability, Effects, Entities, EntityRow, Journal, KeyPage, Meta, Refusal, Store, StoredRecord, TailPage, Written,
};
