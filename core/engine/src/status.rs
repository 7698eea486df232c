// SPDX-License-Identifier: Apache-2.0
//! What the engine can say about itself, for the admin API.

use adjoin_entity::SessionId;

/// The engine at one moment.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Calls in flight, watches included.
    pub calls: usize,
    /// Bytes that they hold.
    pub call_bytes: usize,
    /// New calls are refused.
    pub draining: bool,
    /// Sessions that are up.
    pub sessions: Vec<SessionId>,
    /// One entry per loop that runs.
    pub loops: Vec<LoopStatus>,
}

impl Status {
    /// Whether every loop has ended what was under way.
    #[must_use]
    pub fn drained(&self) -> bool {
        self.loops.iter().all(|one| one.drained)
    }

    /// Loops that have stopped after a bug: their entities cannot be reached until the host is restarted.
    pub fn failed(&self) -> impl Iterator<Item = u8> {
        self.loops.iter().filter(|one| one.failed).map(|one| one.index)
    }
}

/// One loop at one moment.
#[derive(Clone, Debug, Default)]
pub struct LoopStatus {
    /// Which loop.
    pub index: u8,
    /// What its machine says: counts, handlers that do not answer, commands that failed with their process.
    pub machine: adjoin_entity::Status,
    /// It takes no new calls and nothing is under way.
    pub drained: bool,
    /// It has stopped after a bug; its calls fail as Internal.
    pub failed: bool,
}
