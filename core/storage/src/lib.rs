// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod memory;
mod store;

pub use memory::MemoryJournal;
pub use store::{
    Capability, Entities, EntityPage, EntityRow, Journal, KeyPage, LoadRequest, Meta, Refusal, Store, StoredRecord,
    TailPage, Written,
};
