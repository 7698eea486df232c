// SPDX-License-Identifier: Apache-2.0
#![no_std]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod call;
pub mod frame;
mod shard;
pub mod spec;

pub use call::{Call, CallId, Reply};
pub use shard::{Admission, Settled, Shard, ShardInput, State};
