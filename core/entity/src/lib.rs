// SPDX-License-Identifier: Apache-2.0
#![no_std]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod call;
pub mod frame;
mod io;
mod mutant;
mod phase;
mod settings;
mod shard;
mod shard_loop;
pub mod spec;

pub use call::{Call, CallId, Operation, Reply};
pub use io::{EffectId, Input, LoadId, Output, SessionId, loop_of};
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use phase::{On, Phase, TRANSITIONS, transition_table};
pub use settings::Settings;
pub use shard::{Admission, Settled, Shard, ShardInput, State};
pub use shard_loop::{ShardLoop, Slow, Status};
