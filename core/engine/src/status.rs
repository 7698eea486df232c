// SPDX-License-Identifier: Apache-2.0
//! What the engine can say about itself, for the admin API.

use adjoin_entity::SessionId;
use adjoin_model::{CommandId, EntityId, Head, ShardId};
use std::sync::Arc;

/// The engine at one moment.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Calls in flight.
    pub calls: usize,
    /// Bytes that wait for the loops.
    pub waiting_bytes: usize,
    /// New calls are refused.
    pub draining: bool,
    /// Every loop has ended what was under way.
    pub drained: bool,
    /// Sessions that are up.
    pub sessions: Vec<SessionId>,
    /// One entry per loop.
    pub loops: Vec<LoopStatus>,
}

/// One loop at one moment.
#[derive(Clone, Debug, Default)]
pub struct LoopStatus {
    /// Which loop.
    pub index: u8,
    /// Calls that somebody waits for.
    pub calls: usize,
    /// Entities that are active.
    pub resident: usize,
    /// Commands in mailboxes.
    pub queued: usize,
    /// The heads of the loop's shards that were ever written.
    pub heads: Vec<(ShardId, Head)>,
    /// Entities whose handler does not answer.
    pub unanswered: Vec<Unanswered>,
    /// Commands that failed because the function's process died under them too often, newest last.
    pub failed: Vec<FailedCommand>,
    /// The loop has ended what was under way and takes no new calls.
    pub drained: bool,
    /// The loop has stopped after a bug; its calls fail.
    pub stopped: bool,
}

/// A handler that does not answer.
#[derive(Clone, Debug)]
pub struct Unanswered {
    /// Of which entity.
    pub entity: EntityId,
    /// Which handler.
    pub name: Arc<str>,
    /// The command.
    pub command: CommandId,
    /// Since when, in milliseconds.
    pub for_ms: u64,
}

/// A command that killed its function too often.
#[derive(Clone, Debug)]
pub struct FailedCommand {
    /// Of which entity.
    pub entity: EntityId,
    /// Which handler.
    pub name: Arc<str>,
    /// The command.
    pub command: CommandId,
}
