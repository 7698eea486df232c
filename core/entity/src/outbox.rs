// SPDX-License-Identifier: Apache-2.0
//! The outbox of one shard: durable effects on their way to the shards of their targets, in order for each of them.
//!
//! One delivery a target is under way; what comes meanwhile waits for the next one. An outbox record goes when the
//! target has said that its watermark is durable at or above it.
//!
//! | lane | on | next | what follows |
//! |---|---|---|---|
//! | Idle | Pushed | Ready | it is sent with the next step |
//! | Ready | Pushed | Ready | it goes along |
//! | Ready | Sent | Sent | its oldest records are on their way |
//! | Sent | Pushed | Sent | it waits for the answer |
//! | Sent | Advanced | Ready | what the watermark covers is forgotten |
//! | Sent | Emptied | Idle | all of it is forgotten |
//! | Sent | Stayed | Resting | the target took none: it is sent again later |
//! | Resting | Pushed | Resting | order is kept: it waits as well |
//! | Resting | Due | Ready | again |

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use adjoin_model::{CommandId, DurableCall, Position, ShardId};

/// Most records of one delivery.
const RECORDS: usize = 64;
/// Bytes after which a delivery takes no more.
const BYTES: usize = 256 << 10;

/// A durable effect that is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The outbox record's position in the source shard.
    pub position: Position,
    /// The command that asked for it.
    pub command: CommandId,
    /// What it asks for.
    pub call: DurableCall,
}

impl Outgoing {
    fn bytes(&self) -> usize {
        self.call.size()
    }
}

/// How the way to one target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Nothing is to be delivered.
    Idle,
    /// Something is, and may go.
    Ready,
    /// A delivery is under way.
    Sent,
    /// The target took nothing; it is asked again later.
    Resting,
}

/// What moves a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneOn {
    /// One more record is durable.
    Pushed,
    /// A delivery has gone.
    Sent,
    /// The target's watermark rose, and more waits.
    Advanced,
    /// The target's watermark covers everything.
    Emptied,
    /// The target's watermark is where it was.
    Stayed,
    /// The wait is over.
    Due,
}

/// Every transition there is: from, on, to, and what follows. All others are refused.
pub const LANES: [(Lane, LaneOn, Lane, &str); 9] = {
    use Lane::{Idle, Ready, Resting, Sent};
    [
        (Idle, LaneOn::Pushed, Ready, "it is sent with the next step"),
        (Ready, LaneOn::Pushed, Ready, "it goes along"),
        (Ready, LaneOn::Sent, Sent, "its oldest records are on their way"),
        (Sent, LaneOn::Pushed, Sent, "it waits for the answer"),
        (Sent, LaneOn::Advanced, Ready, "what the watermark covers is forgotten"),
        (Sent, LaneOn::Emptied, Idle, "all of it is forgotten"),
        (Sent, LaneOn::Stayed, Resting, "the target took none: it is sent again later"),
        (Resting, LaneOn::Pushed, Resting, "order is kept: it waits as well"),
        (Resting, LaneOn::Due, Ready, "again"),
    ]
};

impl Lane {
    /// What follows; `None` where the table has no such row.
    #[must_use]
    pub fn next(self, on: LaneOn) -> Option<Self> {
        LANES.iter().find(|(from, event, ..)| (*from, *event) == (self, on)).map(|(_, _, to, _)| *to)
    }
}

/// The table as Markdown, as it stands in this module's documentation.
#[must_use]
pub fn lane_table() -> String {
    let mut table = String::from("| lane | on | next | what follows |\n|---|---|---|---|\n");
    for (from, on, to, meaning) in LANES {
        table += &format!("| {from:?} | {on:?} | {to:?} | {meaning} |\n");
    }
    table
}

struct Way {
    lane: Lane,
    records: VecDeque<Outgoing>,
    /// Deliveries in a row of which the target took nothing.
    refused: u32,
}

/// What a shard has to deliver.
#[derive(Default)]
pub(crate) struct Outbox {
    ways: BTreeMap<ShardId, Way>,
    ready: Vec<ShardId>,
    records: usize,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn len(&self) -> usize {
        self.records
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A record has become durable, or was found so at the start.
    pub(crate) fn push(&mut self, target: ShardId, record: Outgoing) {
        self.records += 1;
        self.bytes += record.bytes();
        let way =
            self.ways.entry(target).or_insert_with(|| Way { lane: Lane::Idle, records: VecDeque::new(), refused: 0 });
        way.records.push_back(record);
        self.go(target, LaneOn::Pushed);
    }

    /// Moves a lane by the table.
    fn go(&mut self, target: ShardId, on: LaneOn) {
        let Some(way) = self.ways.get_mut(&target) else { return };
        let Some(next) = way.lane.next(on) else {
            debug_assert!(false, "{:?} does not know {on:?}", way.lane);
            return;
        };
        let was = core::mem::replace(&mut way.lane, next);
        if next == Lane::Ready && was != Lane::Ready {
            self.ready.push(target);
        }
        if next == Lane::Idle {
            self.ways.remove(&target);
        }
    }

    /// Whether something may be sent.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The deliveries that go now: the oldest records of every lane that may.
    pub(crate) fn send(&mut self) -> Vec<(ShardId, Vec<Outgoing>)> {
        let mut all = Vec::new();
        for target in core::mem::take(&mut self.ready) {
            let Some(way) = self.ways.get(&target) else { continue };
            let mut bytes = 0;
            let fits = |record: &&Outgoing| {
                let first = bytes == 0;
                bytes += record.bytes().max(1);
                first || bytes <= BYTES
            };
            all.push((target, way.records.iter().take(RECORDS).take_while(fits).cloned().collect()));
            self.go(target, LaneOn::Sent);
        }
        all
    }

    /// The target says up to where its watermark is durable: answers the positions that are delivered. None of them:
    /// `Err` with how often in a row that was so.
    pub(crate) fn delivered(&mut self, target: ShardId, up_to: Position) -> Result<Vec<Position>, u32> {
        let Some(way) = self.ways.get_mut(&target).filter(|way| way.lane == Lane::Sent) else { return Ok(Vec::new()) };
        let mut gone = Vec::new();
        while let Some(record) = way.records.pop_front_if(|record| record.position <= up_to) {
            self.records -= 1;
            self.bytes -= record.bytes();
            gone.push(record.position);
        }
        if gone.is_empty() {
            way.refused = way.refused.saturating_add(1);
            let refused = way.refused;
            self.go(target, LaneOn::Stayed);
            return Err(refused);
        }
        way.refused = 0;
        let on = if way.records.is_empty() { LaneOn::Emptied } else { LaneOn::Advanced };
        self.go(target, on);
        Ok(gone)
    }

    /// A lane has rested.
    pub(crate) fn due(&mut self, target: ShardId) {
        if self.ways.get(&target).is_some_and(|way| way.lane == Lane::Resting) {
            self.go(target, LaneOn::Due);
        }
    }

    /// What is not delivered, with the target shard and how often in a row it took nothing.
    pub(crate) fn list(&self) -> impl Iterator<Item = (ShardId, u32, &Outgoing)> {
        self.ways.iter().flat_map(|(target, way)| way.records.iter().map(|record| (*target, way.refused, record)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_documentation_is_the_one_the_code_runs_by() {
        assert_eq!(crate::tables::documented(include_str!("outbox.rs")), lane_table());
    }
}
