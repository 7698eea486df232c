// SPDX-License-Identifier: Apache-2.0
#![no_std]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod consumer;
mod entity;
mod error;
mod head;
mod limits;
mod load;
mod outbox;
mod payload;
mod record;
mod time;

pub use consumer::{Consumed, ConsumerId, Consumption, DeadLetter, Progress};
pub use entity::{EntityId, check_name, shard_of};
pub use error::{Code, Context, Error, Kind, Outcome, Result};
pub use head::{Epoch, Head, Owner, Position, ShardId};
pub use limits::Limits;
pub use load::{EntityPage, LoadRequest};
pub use outbox::{DurableCall, Ended, Incoming, Origin, Unfinished};
pub use payload::{CommandId, Metadata, Payload};
pub use record::{Answer, Body, Dedup, DedupKey, Record, Sequence, ShardBatch, Snapshot};
pub use time::{Mono, Now, Wall};
