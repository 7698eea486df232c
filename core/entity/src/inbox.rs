// SPDX-License-Identifier: Apache-2.0
//! The inbox of one shard: durable effects that other shards delivered, run as ordinary commands, one at a time for
//! each entity and in the order in which they came.
//!
//! | state | on | next | what follows |
//! |---|---|---|---|
//! | Waiting | Begun | Running | its command goes to its entity |
//! | Running | Settled | Ended | its command's batch is durable, and says that it ended |
//! | Running | Answered | Ending | it wrote nothing, or was refused: that is to be written |
//! | Running | Failed | Resting | again, after a while that grows |
//! | Running | GaveUp | Stuck | listed; those behind it go on without it |
//! | Ending | Settled | Ended | it is durable that it ended |
//! | Ending | Failed | Resting | that could not be written: again |
//! | Ending | GaveUp | Stuck | that could not be written, too often |
//! | Resting | Due | Waiting | its turn comes again |
//! | Resting | Retried | Waiting | an operator does not wait |
//! | Resting | Dropped | Ending | an operator wants it gone |
//! | Waiting | Dropped | Ending | an operator wants it gone |
//! | Stuck | Retried | Waiting | behind those that have come since |
//! | Stuck | Dropped | Ending | an operator wants it gone |

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use adjoin_model::{CommandId, EntityId, Error, Incoming, Position, ShardId};

use crate::io::EffectId;
use crate::turns::Turns;

/// How an inbox record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// For its turn.
    Waiting,
    /// Its command is under way.
    Running,
    /// It has ended, which is being written.
    Ending,
    /// It failed and is tried again later.
    Resting,
    /// It failed too often: only an operator or a new function moves it.
    Stuck,
    /// It is over.
    Ended,
}

/// What moves an inbox record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrandOn {
    /// Its turn has come.
    Begun,
    /// It is durable that it ended.
    Settled,
    /// Its command was answered without a write that says so.
    Answered,
    /// Its command could not be run, or its end not be written.
    Failed,
    /// The same, for the last time.
    GaveUp,
    /// Its wait is over.
    Due,
    /// An operator, or a function that came, has it tried again at once.
    Retried,
    /// An operator drops it.
    Dropped,
}

/// Every transition there is: from, on, to, and what follows. All others are refused.
pub const ERRANDS: [(Errand, ErrandOn, Errand, &str); 14] = {
    use Errand::{Ended, Ending, Resting, Running, Stuck, Waiting};
    use ErrandOn::{Answered, Begun, Dropped, Due, Failed, GaveUp, Retried, Settled};
    [
        (Waiting, Begun, Running, "its command goes to its entity"),
        (Running, Settled, Ended, "its command's batch is durable, and says that it ended"),
        (Running, Answered, Ending, "it wrote nothing, or was refused: that is to be written"),
        (Running, Failed, Resting, "again, after a while that grows"),
        (Running, GaveUp, Stuck, "listed; those behind it go on without it"),
        (Ending, Settled, Ended, "it is durable that it ended"),
        (Ending, Failed, Resting, "that could not be written: again"),
        (Ending, GaveUp, Stuck, "that could not be written, too often"),
        (Resting, Due, Waiting, "its turn comes again"),
        (Resting, Retried, Waiting, "an operator does not wait"),
        (Resting, Dropped, Ending, "an operator wants it gone"),
        (Waiting, Dropped, Ending, "an operator wants it gone"),
        (Stuck, Retried, Waiting, "behind those that have come since"),
        (Stuck, Dropped, Ending, "an operator wants it gone"),
    ]
};

impl Errand {
    /// What follows; `None` where the table has no such row.
    #[must_use]
    pub fn next(self, on: ErrandOn) -> Option<Self> {
        ERRANDS.iter().find(|(from, event, ..)| (*from, *event) == (self, on)).map(|(_, _, to, _)| *to)
    }
}

/// The table as Markdown, as it stands in this module's documentation.
#[must_use]
pub fn errand_table() -> String {
    let mut table = String::from("| state | on | next | what follows |\n|---|---|---|---|\n");
    for (from, on, to, meaning) in ERRANDS {
        table += &format!("| {from:?} | {on:?} | {to:?} | {meaning} |\n");
    }
    table
}

/// One inbox record.
pub(crate) struct Item {
    pub(crate) state: Errand,
    pub(crate) command: CommandId,
    pub(crate) incoming: Incoming,
    /// How often it failed since it came, or was retried.
    pub(crate) attempts: u32,
    pub(crate) error: Option<Error>,
    /// How often its command was sent to a function.
    pub(crate) sent: u32,
    /// The run under way.
    pub(crate) effect: EffectId,
}

impl Item {
    pub(crate) fn entity(&self) -> &EntityId {
        &self.incoming.call.entity
    }
}

/// How far a source shard's outbox has come here.
#[derive(Clone, Copy, Default)]
pub(crate) struct Watermark {
    pub(crate) durable: Position,
    /// A delivery is being written; another one meanwhile is answered when that is settled.
    pub(crate) writing: bool,
}

/// What other shards have delivered to a shard.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) watermarks: BTreeMap<ShardId, Watermark>,
    items: BTreeMap<Position, Item>,
    /// Those that are to be run.
    turns: Turns,
    /// Records that are being written.
    pub(crate) arriving: usize,
    running: usize,
    stuck: usize,
}

impl Inbox {
    pub(crate) fn len(&self) -> usize {
        self.items.len() + self.arriving
    }

    pub(crate) fn running(&self) -> usize {
        self.running
    }

    pub(crate) fn stuck(&self) -> usize {
        self.stuck
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.turns.is_ready()
    }

    pub(crate) fn get(&self, position: Position) -> Option<&Item> {
        self.items.get(&position)
    }

    pub(crate) fn get_mut(&mut self, position: Position) -> Option<&mut Item> {
        self.items.get_mut(&position)
    }

    pub(crate) fn list(&self) -> impl Iterator<Item = (Position, &Item)> {
        self.items.iter().map(|(position, item)| (*position, item))
    }

    /// A record has become durable, or was found so at the start: the watermark of its source is there.
    pub(crate) fn push(&mut self, position: Position, command: CommandId, incoming: Incoming) {
        let watermark = self.watermarks.entry(incoming.origin.shard).or_default();
        watermark.durable = watermark.durable.max(incoming.origin.position);
        let state = Errand::Waiting;
        let item = Item { state, command, incoming, attempts: 0, error: None, sent: 0, effect: 0 };
        self.turns.push(item.entity().clone(), position);
        self.items.insert(position, item);
    }

    /// Takes a record out of its entity's line; the next one's turn comes if it was the front.
    fn unqueue(&mut self, entity: &EntityId, position: Position) {
        self.turns.remove(entity, position, |front| waits(&self.items, front));
    }

    /// Moves a record by the table; says whether it could.
    pub(crate) fn go(&mut self, position: Position, on: ErrandOn) -> bool {
        let Some(item) = self.items.get_mut(&position) else { return false };
        let Some(next) = item.state.next(on) else { return false };
        let was = core::mem::replace(&mut item.state, next);
        let entity = item.entity().clone();
        let counted = |state| matches!(state, Errand::Running | Errand::Ending);
        self.running = self.running + usize::from(counted(next)) - usize::from(counted(was));
        self.stuck = self.stuck + usize::from(next == Errand::Stuck) - usize::from(was == Errand::Stuck);
        match next {
            Errand::Ended => {
                self.items.remove(&position);
                self.unqueue(&entity, position);
            }
            Errand::Stuck => self.unqueue(&entity, position),
            Errand::Waiting if self.turns.holds(&entity, position) => self.turns.again(entity),
            // A stuck one does not hold the others up: it comes back behind them.
            Errand::Waiting => self.turns.push(entity, position),
            Errand::Running | Errand::Ending | Errand::Resting => {}
        }
        true
    }

    /// The record whose turn has come, if one may begin.
    pub(crate) fn next(&mut self) -> Option<Position> {
        self.turns.next(|position| waits(&self.items, position))
    }
}

fn waits(items: &BTreeMap<Position, Item>, position: Position) -> bool {
    items.get(&position).is_some_and(|item| item.state == Errand::Waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_documentation_is_the_one_the_code_runs_by() {
        assert_eq!(crate::tables::documented(include_str!("inbox.rs")), errand_table());
    }
}
