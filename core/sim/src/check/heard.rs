// SPDX-License-Identifier: Apache-2.0
//! Eventing, at the end: every event of a log was taken or dropped as a dead letter, those of an entity for the first
//! time in their order unless they were one, and every consumer has come past them with no dead letter left.

use std::collections::{BTreeMap, BTreeSet};

use adjoin_model::{Body, Consumed, Ended, EntityId, Position, ShardId};

use super::Case;
use crate::function::Heard;
use crate::plan::{GROUP, TYPES};
use crate::store::Store;

/// What became of events that a consumer could not be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    /// Events that became dead letters.
    pub dead: u64,
    /// Those that were heard after all.
    pub ran: u64,
    /// Those that an operator dropped.
    pub dropped: u64,
}

impl Letters {
    /// All that a store holds.
    pub(crate) fn of(store: &Store) -> Self {
        let (mut dead, mut settled) = (BTreeSet::new(), BTreeMap::new());
        for (shard, event, what) in notes(store) {
            match what {
                Consumed::Passed => {}
                Consumed::Dead { .. } => drop(dead.insert((shard, event))),
                Consumed::Settled(ended) | Consumed::Ahead(ended) => drop(settled.insert((shard, event), *ended)),
            }
        }
        let dropped = settled.values().filter(|ended| **ended == Ended::Dropped).count();
        Self { dead: dead.len() as u64, ran: (settled.len() - dropped) as u64, dropped: dropped as u64 }
    }

    /// All of another run's.
    pub(crate) fn merge(&mut self, other: Self) {
        self.dead += other.dead;
        self.ran += other.ran;
        self.dropped += other.dropped;
    }
}

fn notes(store: &Store) -> impl Iterator<Item = (ShardId, Position, &Consumed)> {
    store.chains().filter_map(|(shard, _, record)| match &record.body {
        Body::Consumed(note) => Some((shard, note.event, &note.what)),
        _ => None,
    })
}

impl Case<'_> {
    pub(super) fn check_heard(&mut self, store: &Store, heard: &Heard) {
        if !self.context.plan.listens() {
            return;
        }
        let (mut dead, mut dropped) = (BTreeSet::new(), BTreeSet::new());
        for (shard, event, what) in notes(store) {
            match what {
                Consumed::Dead { .. } => drop(dead.insert((shard, event))),
                Consumed::Settled(how) | Consumed::Ahead(how) if *how == Ended::Dropped => {
                    dropped.insert((shard, event));
                }
                Consumed::Settled(_) | Consumed::Ahead(_) | Consumed::Passed => {}
            }
        }
        let mut last: BTreeMap<&EntityId, usize> = BTreeMap::new();
        for (shard, position, record) in store.chains() {
            let Body::Event(_) = &record.body else { continue };
            if record.entity.entity_type() != TYPES[0].0 {
                continue;
            }
            match heard.get(&(shard.0, position)) {
                None => self.demand(dropped.contains(&(shard, position)), || {
                    format!("shard {shard}: nobody heard the event at {position}, nor was it dropped")
                }),
                Some(_) if dead.contains(&(shard, position)) => {}
                Some(place) => {
                    let before = last.insert(&record.entity, *place);
                    self.demand(before.is_none_or(|before| before < *place), || {
                        format!("{}: the event at {shard}:{position} was heard before an earlier one", record.entity)
                    });
                }
            }
            self.check_progress(store, shard, position);
        }
    }

    fn check_progress(&mut self, store: &Store, shard: ShardId, event: Position) {
        let found = store.consumers(shard).find(|(name, _)| name.group() == GROUP);
        let (passed, dead, ahead) = found.map_or((0, false, false), |(_, one)| {
            (one.passed, one.dead.contains_key(&event), one.ahead.contains_key(&event))
        });
        self.demand(!ahead || passed < event, || format!("shard {shard}: {event} is still said to have ended ahead"));
        self.demand(passed >= event, || format!("shard {shard}: {passed} is noted, an event stands at {event}"));
        self.demand(!dead, || format!("shard {shard}: the event at {event} is still a dead letter"));
    }
}
