// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod store;

pub use store::{
    Capability, Entities, EntityPage, EntityRow, Journal, KeyPage, LoadRequest, Meta, Refusal, Store, StoredRecord,
    TailPage, Written,
};
