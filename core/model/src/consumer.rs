// SPDX-License-Identifier: Apache-2.0
//! Consumers of events as a shard's journal keeps them: how far each has come, and what it could not be given.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use crate::entity::EntityId;
use crate::error::{Error, Result};
use crate::head::Position;
use crate::limits::MAX_NAME_BYTES;
use crate::outbox::Ended;
use crate::time::Wall;

/// Names a consumer: a group that is given the events of one event log. In each shard it has a position of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId {
    log: Arc<str>,
    group: Arc<str>,
}

impl ConsumerId {
    /// The consumer of this group and event log.
    ///
    /// # Errors
    /// `Invalid` for a name that is empty, holds a NUL, or has more than 256 bytes: both are part of stored keys.
    pub fn new(log: impl Into<Arc<str>>, group: impl Into<Arc<str>>) -> Result<Self> {
        let (log, group) = (log.into(), group.into());
        for (what, name) in [("an event log", &log), ("a consumer group", &group)] {
            if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains('\0') {
                let said = format!("{name:?} cannot name {what}: 1 to {MAX_NAME_BYTES} bytes without NUL do");
                return Err(Error::invalid(said));
            }
        }
        Ok(Self { log, group })
    }

    /// The entity type whose events it is given.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// Its group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }
}

impl fmt::Display for ConsumerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.log, self.group)
    }
}

/// What a consumer has done in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumption {
    /// Which consumer.
    pub consumer: ConsumerId,
    /// The position that it is about, of the same shard.
    pub event: Position,
    /// What.
    pub what: Consumed,
}

/// What became of events for a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consumed {
    /// Every event up to the position has ended: none of them is given to it again.
    Passed,
    /// The event at the position was given up: it is a dead letter.
    Dead {
        /// How often it was tried.
        attempts: u32,
        /// How it failed last.
        error: String,
    },
    /// The dead letter at the position has ended. Also said of one that had [ended ahead](Self::Ahead) once the
    /// consumer has come past it: nobody needs to know any more.
    Settled(Ended),
    /// The dead letter at the position has ended before the consumer came past it: it is not given again either.
    Ahead(Ended),
}

impl Consumed {
    /// That the dead letter at `event` has ended, where it is written that everything up to `passed` has.
    #[must_use]
    pub fn ended(how: Ended, event: Position, passed: Position) -> Self {
        if event <= passed { Self::Settled(how) } else { Self::Ahead(how) }
    }
}

impl Consumption {
    /// Its size as batches count it, in bytes.
    pub(crate) fn size(&self) -> usize {
        let error = if let Consumed::Dead { error, .. } = &self.what { error.len() } else { 0 };
        32 + self.consumer.log.len() + self.consumer.group.len() + error
    }
}

/// An event that a consumer could not be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Whose event.
    pub entity: EntityId,
    /// How often it was tried.
    pub attempts: u32,
    /// How it failed last.
    pub error: String,
    /// When it was given up.
    pub at: Wall,
}

/// How far a consumer has come in a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every event up to this position has ended.
    pub passed: Position,
    /// Events that were given up and have not ended since, by position; such a one may stand above `passed`.
    pub dead: BTreeMap<Position, DeadLetter>,
    /// Dead letters that ended ahead of the position, until it has come past them.
    pub ahead: BTreeMap<Position, Ended>,
}

impl Progress {
    /// Takes what a record says; `entity` and `at` are the record's. The position never falls.
    pub fn apply(&mut self, consumption: &Consumption, entity: &EntityId, at: Wall) {
        match &consumption.what {
            Consumed::Passed => self.passed = self.passed.max(consumption.event),
            Consumed::Dead { attempts, error } => {
                let letter = DeadLetter { entity: entity.clone(), attempts: *attempts, error: error.clone(), at };
                self.dead.insert(consumption.event, letter);
            }
            Consumed::Settled(_) => {
                self.dead.remove(&consumption.event);
                self.ahead.remove(&consumption.event);
            }
            Consumed::Ahead(ended) => {
                self.dead.remove(&consumption.event);
                self.ahead.insert(consumption.event, *ended);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_keys_could_not_hold_are_refused() {
        assert!(ConsumerId::new("shop.Cart", "a group / of mine").is_ok());
        for (log, group) in [("", "g"), ("l", ""), ("l\0", "g"), ("l", "g\0h"), ("l", &*"g".repeat(257))] {
            assert!(ConsumerId::new(log, group).is_err(), "{log:?} {group:?}");
        }
    }

    #[test]
    fn a_position_never_falls() {
        let consumer = ConsumerId::new("l", "g").expect("a consumer");
        let entity = EntityId::new("l", "e").expect("an id");
        let mut progress = Progress::default();
        for event in [5, 3] {
            let passed = Consumption { consumer: consumer.clone(), event, what: Consumed::Passed };
            progress.apply(&passed, &entity, Wall(0));
        }
        assert_eq!(progress.passed, 5);
    }
}
