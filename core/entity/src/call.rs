// SPDX-License-Identifier: Apache-2.0
//! A call on its way through the loop, and what becomes of it.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use adjoin_model::{CommandId, EntityId, Metadata, Mono, Payload, Position, Sequence};

/// Names a call within a host, from its admission to its reply. Never used again by the same host.
pub type CallId = u64;

/// A command, a query or a watch, as an edge hands it in.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its name within the host.
    pub id: CallId,
    /// Its name for good.
    pub command: CommandId,
    /// For whom.
    pub entity: EntityId,
    /// Which handler.
    pub name: Arc<str>,
    /// Its body.
    pub payload: Payload,
    /// Who calls; empty when unknown.
    pub caller: Arc<str>,
    /// Metadata of the call.
    pub metadata: Metadata,
    /// Entities that wait for this call, outermost first, as `type/key`.
    pub chain: Vec<String>,
    /// How often the call was forwarded.
    pub hops: u32,
    /// An entity that forwarded it has written something, or has made calls for it: whatever becomes of it from here
    /// on, it is not without effect.
    pub wrote: bool,
    /// Makes it safe to send again.
    pub idempotency_key: Option<Arc<str>>,
    /// Run only at this sequence.
    pub if_match: Option<Sequence>,
    /// When nobody waits any more.
    pub deadline: Option<Mono>,
    /// What is asked.
    pub operation: Operation,
    /// It runs the inbox record at this position of the entity's shard: that it ended is written with what it writes.
    pub inbox: Option<Position>,
    /// How often its command was sent to a function before, where that is counted: an inbox and a consumer make a call
    /// anew until it has ended, and are told with every answer.
    pub sent: Option<u32>,
}

/// What a call asks of an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// Run the handler that `name` names, a command or a query.
    #[default]
    Run,
    /// Answer the query that `name` names now and after every change. Nothing at or below `after` is sent; `None` sends
    /// the present answer first.
    Watch {
        /// The last sequence the watcher has seen.
        after: Option<Sequence>,
    },
    /// Answer the state as the function encodes it, as for a snapshot. `name` and `payload` are not read.
    State,
    /// Delete the entity without asking the function. `name` and `payload` are not read.
    Delete,
    /// End the entity's activation now, where nothing of it is under way: `NotFound` if it is not active here,
    /// `Unavailable` while it is busy or watched. `name` and `payload` are not read.
    Passivate,
}

/// What a call was answered; nothing at all by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// None for a command without result.
    pub payload: Option<Payload>,
    /// The entity's sequence that the answer rests on; 0 for an action.
    pub sequence: Sequence,
    /// The value came from the record of an earlier command with the same idempotency key.
    pub replayed: bool,
    /// What the handler says to the client beside its reply. Records do not keep it: only a duplicate that came while
    /// the command ran gets it too.
    pub metadata: Metadata,
}
