// SPDX-License-Identifier: Apache-2.0
//! A consumer in one shard: events that were read and have not ended, given out one at a time for each entity and in
//! the order in which they were written.
//!
//! | state | on | next | what follows |
//! |---|---|---|---|
//! | Waiting | Begun | Running | its handler is called |
//! | Running | Answered | Over | the position may pass it |
//! | Running | LetterAnswered | Settling | a dead letter ran after all: that is written |
//! | Running | Failed | Resting | again, after a while that grows; those behind it wait |
//! | Running | GaveUp | Burying | that it is a dead letter is written |
//! | Resting | Due | Waiting | its turn comes again |
//! | Resting | Retried | Waiting | a function that came does not wait |
//! | Burying | Written | Over | those behind it go on without it |
//! | Burying | Lost | Resting | that could not be written: again |
//! | Settling | Written | Over | the dead letter is no more |
//! | Settling | Lost | Resting | that could not be written: again |

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use adjoin_model::{Ended, EntityId, Error, Payload, Position, Progress, Wall};

use crate::failure::{lost_function, wants_function};
use crate::io::EffectId;
use crate::shard::Written;
use crate::turns::Turns;

/// Positions without an event for the consumer after which its position is written all the same.
const QUIET: u64 = 1024;
/// Dead letters that are forgotten at once.
const OVERTAKEN: usize = 64;

/// How an event stands with a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover {
    /// For its turn.
    Waiting,
    /// Its handler is called.
    Running,
    /// It failed and is tried again later.
    Resting,
    /// It was given up, which is being written.
    Burying,
    /// A dead letter has ended, which is being written.
    Settling,
    /// It is over.
    Over,
}

/// What moves an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverOn {
    /// Its turn has come.
    Begun,
    /// Its handler answered well.
    Answered,
    /// The same, of one that was a dead letter.
    LetterAnswered,
    /// Its handler failed, refused, or could not be called.
    Failed,
    /// The same, for the last time.
    GaveUp,
    /// Its wait is over.
    Due,
    /// A function that came has it tried again at once.
    Retried,
    /// What was to be written is durable.
    Written,
    /// What was to be written is lost.
    Lost,
}

/// Every transition there is: from, on, to, and what follows. All others are refused.
pub const HANDOVERS: [(Handover, HandoverOn, Handover, &str); 11] = {
    use Handover::{Burying, Over, Resting, Running, Settling, Waiting};
    use HandoverOn::{Answered, Begun, Due, Failed, GaveUp, LetterAnswered, Lost, Retried, Written};
    [
        (Waiting, Begun, Running, "its handler is called"),
        (Running, Answered, Over, "the position may pass it"),
        (Running, LetterAnswered, Settling, "a dead letter ran after all: that is written"),
        (Running, Failed, Resting, "again, after a while that grows; those behind it wait"),
        (Running, GaveUp, Burying, "that it is a dead letter is written"),
        (Resting, Due, Waiting, "its turn comes again"),
        (Resting, Retried, Waiting, "a function that came does not wait"),
        (Burying, Written, Over, "those behind it go on without it"),
        (Burying, Lost, Resting, "that could not be written: again"),
        (Settling, Written, Over, "the dead letter is no more"),
        (Settling, Lost, Resting, "that could not be written: again"),
    ]
};

impl Handover {
    /// What follows; `None` where the table has no such row.
    #[must_use]
    pub fn next(self, on: HandoverOn) -> Option<Self> {
        HANDOVERS.iter().find(|(from, event, ..)| (*from, *event) == (self, on)).map(|(_, _, to, _)| *to)
    }
}

/// The table as Markdown, as it stands in this module's documentation.
#[must_use]
pub fn handover_table() -> String {
    let mut table = String::from("| state | on | next | what follows |\n|---|---|---|---|\n");
    for (from, on, to, meaning) in HANDOVERS {
        table += &format!("| {from:?} | {on:?} | {to:?} | {meaning} |\n");
    }
    table
}

/// An event that was read and has not ended.
pub(crate) struct Item {
    pub(crate) state: Handover,
    pub(crate) entity: EntityId,
    pub(crate) event: Payload,
    pub(crate) at: Wall,
    pub(crate) handler: Arc<str>,
    /// How often it failed since it was read.
    pub(crate) attempts: u32,
    /// How often it was sent to a function.
    pub(crate) sent: u32,
    pub(crate) error: Option<Error>,
    /// The call under way.
    pub(crate) effect: EffectId,
    /// It is a dead letter that an operator has tried again.
    pub(crate) letter: bool,
}

/// What is read of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// What comes behind the last position read.
    On,
    /// One dead letter.
    Letter(Position),
}

/// One consumer in one shard.
#[derive(Default)]
pub(crate) struct Consumer {
    /// What is durable.
    pub(crate) progress: Progress,
    /// Everything up to here was looked at.
    read: Position,
    /// The entity of the record at the last position read.
    last: Option<EntityId>,
    items: BTreeMap<Position, Item>,
    /// Those that are to be given out.
    turns: Turns,
    /// An event has ended since a position was last written.
    ended: bool,
    /// A position is being written, or was lost and waits.
    pub(crate) passing: bool,
    pub(crate) reading: Option<Reading>,
    /// The journal could not be read; it is read again later.
    pub(crate) unread: Option<Error>,
    /// Dead letters that are to be read and tried again.
    pub(crate) letters: VecDeque<Position>,
    /// Dead letters whose end is being written.
    pub(crate) settling: BTreeSet<Position>,
}

impl Consumer {
    /// One that has come so far.
    pub(crate) fn new(progress: Progress) -> Self {
        Self { read: progress.passed, progress, ..Self::default() }
    }

    pub(crate) fn get(&self, event: Position) -> Option<&Item> {
        self.items.get(&event)
    }

    pub(crate) fn get_mut(&mut self, event: Position) -> Option<&mut Item> {
        self.items.get_mut(&event)
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = (Position, &Item)> {
        self.items.iter().map(|(event, item)| (*event, item))
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.turns.is_ready()
    }

    pub(crate) fn open(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn read(&self) -> Position {
        self.read
    }

    /// Every event up to here has ended.
    pub(crate) fn reached(&self) -> Position {
        let first = self.items.iter().find(|(_, item)| !item.letter);
        first.map_or(self.read, |(event, _)| event.saturating_sub(1))
    }

    /// Whether an event is open, or the end of its dead letter being written.
    pub(crate) fn is_busy(&self, event: Position) -> bool {
        self.items.contains_key(&event) || self.settling.contains(&event)
    }

    /// The position that is to be written now, and the entity that it is noted with. A mutant's is `early`.
    pub(crate) fn mark(&self, early: bool) -> Option<(Position, EntityId)> {
        let (reached, passed) = (if early { self.read } else { self.reached() }, self.progress.passed);
        let worth = reached > passed && (self.ended || reached - passed > QUIET);
        if self.passing || !worth { None } else { Some((reached, self.last.clone()?)) }
    }

    /// Dead letters that ended ahead of the position, which is past them by now, each with an entity that this can be
    /// noted with: that is being written from now on. At most so many of the first.
    pub(crate) fn forget_overtaken(&mut self) -> Vec<(Position, Ended, EntityId)> {
        let Some(entity) = self.last.clone() else { return Vec::new() };
        let past = self.progress.ahead.range(..=self.progress.passed);
        let known = past.filter(|(event, _)| !self.settling.contains(event)).take(OVERTAKEN);
        let overtaken: Vec<_> = known.map(|(event, ended)| (*event, *ended, entity.clone())).collect();
        self.settling.extend(overtaken.iter().map(|(event, ..)| *event));
        overtaken
    }

    /// Whether an event is, or was, a dead letter: it is not given as it is read.
    pub(crate) fn was_dead(&self, event: Position) -> bool {
        self.progress.dead.contains_key(&event) || self.progress.ahead.contains_key(&event)
    }

    /// A position is being written.
    pub(crate) fn marking(&mut self) {
        self.passing = true;
        self.ended = false;
    }

    /// It was lost, some time ago: it is written again.
    pub(crate) fn mark_lost(&mut self) {
        self.passing = false;
        self.ended = true;
    }

    /// Nothing in a batch is an event of anybody: it need not be read.
    pub(crate) fn pass_over(&mut self, batch: &Written) {
        if self.reading.is_none() && self.read + 1 == batch.first {
            self.read = batch.last;
            self.last = Some(batch.entity.clone());
        }
    }

    /// A record was read.
    pub(crate) fn saw(&mut self, position: Position, entity: Option<&EntityId>) {
        self.read = self.read.max(position);
        if let Some(entity) = entity {
            self.last = Some(entity.clone());
        }
    }

    /// Takes an event that was read.
    pub(crate) fn push(&mut self, event: Position, item: Item) {
        if self.items.contains_key(&event) {
            return;
        }
        self.turns.push(item.entity.clone(), event);
        self.items.insert(event, item);
    }

    /// Reads again from where everything has ended: another handler may take what waits. What runs goes on.
    pub(crate) fn restart(&mut self) {
        let idle = |item: &Item| matches!(item.state, Handover::Waiting | Handover::Resting) && !item.letter;
        let from = self.reached();
        let gone: VecDeque<Position> = self.items().filter(|(_, item)| idle(item)).map(|(event, _)| event).collect();
        for event in gone {
            if let Some(item) = self.items.remove(&event) {
                self.unqueue(&item.entity, event);
            }
        }
        // A page that is under way is taken if it begins there, and dropped otherwise.
        self.read = from;
    }

    fn unqueue(&mut self, entity: &EntityId, event: Position) {
        self.turns.remove(entity, event, |front| waits(&self.items, front));
    }

    /// Moves an event by the table; says whether it could.
    pub(crate) fn go(&mut self, event: Position, on: HandoverOn) -> bool {
        let Some(item) = self.items.get_mut(&event) else { return false };
        let Some(next) = item.state.next(on) else { return false };
        item.state = next;
        let entity = item.entity.clone();
        match next {
            Handover::Over => {
                // A dead letter's position was passed long ago.
                self.ended |= self.items.remove(&event).is_some_and(|item| !item.letter);
                self.unqueue(&entity, event);
            }
            Handover::Waiting => self.turns.again(entity),
            Handover::Running | Handover::Resting | Handover::Burying | Handover::Settling => {}
        }
        true
    }

    /// Any event that waits, whoever is before it: a mutant's.
    pub(crate) fn next_of_any(&self) -> Option<Position> {
        self.items().find(|(_, item)| item.state == Handover::Waiting).map(|(event, _)| event)
    }

    /// The event whose turn has come, if one may begin.
    pub(crate) fn next(&mut self) -> Option<Position> {
        self.turns.next(|event| waits(&self.items, event))
    }

    /// A function has come: what rests because its own had gone is tried again at once. Where nothing has run for want of
    /// one, that has not counted.
    pub(crate) fn retry_resting(&mut self) {
        let so = |item: &Item, what: fn(&Error) -> bool| item.error.as_ref().is_some_and(what);
        let resting = self.items().filter(|(_, item)| item.state == Handover::Resting && so(item, lost_function));
        for event in resting.map(|(event, _)| event).collect::<VecDeque<Position>>() {
            if let Some(item) = self.items.get_mut(&event).filter(|item| so(item, wants_function)) {
                item.attempts = 0;
            }
            self.go(event, HandoverOn::Retried);
        }
    }
}

fn waits(items: &BTreeMap<Position, Item>, event: Position) -> bool {
    items.get(&event).is_some_and(|item| item.state == Handover::Waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_documentation_is_the_one_the_code_runs_by() {
        assert_eq!(crate::tables::documented(include_str!("consumer.rs")), handover_table());
    }
}
