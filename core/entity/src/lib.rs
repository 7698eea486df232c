// SPDX-License-Identifier: Apache-2.0
#![no_std]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod frame;
mod shard;

pub use shard::{Admission, Settled, Shard, ShardInput, State};
