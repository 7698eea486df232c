// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod memory;
mod store;

pub use memory::MemoryJournal;
pub use store::{
    Capability, Entities, EntityRow, Journal, KeyPage, Meta, Refusal, Store, StoredRecord, TailPage, Written,
};
