// SPDX-License-Identifier: Apache-2.0
#![no_std]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod call;
pub mod frame;
mod inbox;
mod io;
mod mutant;
mod outbox;
mod phase;
mod settings;
mod shard;
mod shard_loop;
pub mod spec;

pub use call::{Call, CallId, InboxRun, Operation, Reply};
pub use inbox::{ERRANDS, Errand, ErrandOn, errand_table};
pub use io::{EffectId, Input, LoadId, Output, SessionId, loop_of};
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use outbox::{LANES, Lane, LaneOn, Outgoing, lane_table};
pub use phase::{On, Phase, TRANSITIONS, transition_table};
pub use settings::Settings;
pub use shard::{Admission, Settled, Shard, ShardInput, State};
pub use shard_loop::{EffectCounts, EffectState, EffectStatus, ShardLoop, Slow, Status};
