// SPDX-License-Identifier: Apache-2.0
#![no_std]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod call;
mod cloud_event;
mod consumer;
mod failure;
pub mod frame;
mod homes;
mod inbox;
mod io;
mod mutant;
mod outbox;
mod phase;
mod settings;
mod shard;
mod shard_loop;
pub mod spec;
mod subscription;
#[cfg(test)]
mod tables;
mod timers;
mod turns;

pub use call::{Call, CallId, Operation, Reply};
pub use consumer::{HANDOVERS, Handover, HandoverOn, handover_table};
pub use homes::Homes;
pub use inbox::{ERRANDS, Errand, ErrandOn, errand_table};
pub use io::{EffectId, EventPage, Input, LoadId, Output, SessionId, loop_of};
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use outbox::{LANES, Lane, LaneOn, Outgoing, lane_table};
pub use phase::{On, Phase, TRANSITIONS, transition_table};
pub use settings::Settings;
pub use shard::{Admission, Settled, Shard, ShardInput, State, Written};
pub use shard_loop::{
    ConsumerCounts, ConsumerPlace, ConsumerStatus, ConsumerTotals, EffectCounts, EffectState, EffectStatus, ShardLoop,
    Slow, Status,
};
