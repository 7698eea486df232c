// SPDX-License-Identifier: Apache-2.0
//! One entity in a loop, and the slab that holds them all.

use adjoin_model::{EntityId, Mono, Sequence, ShardId};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::dedup::Dedups;
use super::job::Job;
use super::watch::Watch;
use crate::frame::ActivationId;
use crate::io::SessionId;
use crate::phase::Phase;

/// An entity's place in the slab.
pub(crate) type Slot = u32;

/// No slot.
pub(crate) const NONE: Slot = u32::MAX;

/// An entity that is resident or waited for. Idle, it costs its struct and its key; queues hold boxes, so their spare
/// room is small.
pub(crate) struct Entity {
    pub(crate) id: EntityId,
    pub(crate) shard: ShardId,
    pub(crate) phase: Phase,
    pub(crate) session: SessionId,
    /// 0 while there is none.
    pub(crate) activation: ActivationId,
    /// The last sequence given out.
    pub(crate) sequence: Sequence,
    /// The last one that is durable.
    pub(crate) durable: Sequence,
    /// Groups handed to the shard, and how many of them are settled; equal when nothing is open.
    pub(crate) groups: u64,
    pub(crate) settled: u64,
    pub(crate) mailbox: VecDeque<Box<Job>>,
    /// Commands that the function has, in order.
    pub(crate) running: VecDeque<Box<Job>>,
    /// Queries that the function has.
    #[expect(clippy::vec_box, reason = "a job moves from queue to queue as its box")]
    pub(crate) queries: Vec<Box<Job>>,
    /// Answered; waiting for a group to be durable.
    pub(crate) appending: VecDeque<Box<Job>>,
    pub(crate) watches: Vec<Watch>,
    pub(crate) dedups: Option<Box<Dedups>>,
    pub(crate) loading: Option<Box<Loading>>,
    pub(crate) growth: Growth,
    /// It is to be active again as soon as it can, though nobody waits.
    pub(crate) restarts: bool,
    /// It stands in the ready queue.
    pub(crate) ready: bool,
    /// It stands in the queue of its session for credit.
    pub(crate) starved: bool,
    /// Since when it has waited for a function, while it does.
    pub(crate) parked: Mono,
    used: Mono,
    older: Slot,
    newer: Slot,
}

/// What decides when the next snapshot is due.
#[derive(Clone, Copy, Default)]
pub(crate) struct Growth {
    pub(crate) events: u32,
    pub(crate) bytes: u64,
    pub(crate) snapshot_bytes: u64,
    /// One is on its way.
    pub(crate) asked: bool,
}

/// An activation under way.
#[derive(Default)]
pub(crate) struct Loading {
    /// The load that is asked; 0 when none is.
    pub(crate) load: u64,
    /// Replays that the function has not answered.
    pub(crate) unanswered: u32,
    /// The sequence folded so far, as sent.
    pub(crate) sent: Sequence,
    pub(crate) more: bool,
    pub(crate) deleted: bool,
    pub(crate) last: Sequence,
    /// Pages before the first are those of an older snapshot than this.
    pub(crate) snapshot_below: Option<Sequence>,
    pub(crate) snapshot: Option<Sequence>,
}

impl Entity {
    fn new(id: EntityId, shard: ShardId, now: Mono) -> Self {
        Self {
            id,
            shard,
            phase: Phase::Parked,
            session: 0,
            activation: 0,
            sequence: 0,
            durable: 0,
            groups: 0,
            settled: 0,
            mailbox: VecDeque::new(),
            running: VecDeque::new(),
            queries: Vec::new(),
            appending: VecDeque::new(),
            watches: Vec::new(),
            dedups: None,
            loading: None,
            growth: Growth::default(),
            restarts: false,
            ready: false,
            starved: false,
            parked: now,
            used: now,
            older: NONE,
            newer: NONE,
        }
    }

    /// Nothing is under way and nobody watches.
    pub(crate) fn is_idle(&self) -> bool {
        self.mailbox.is_empty() && self.is_quiet() && self.watches.is_empty()
    }

    /// The function has nothing of it, and no append is open.
    pub(crate) fn is_quiet(&self) -> bool {
        self.running.is_empty() && self.queries.is_empty() && self.appending.is_empty() && self.groups == self.settled
    }

    /// Somebody needs it active.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.mailbox.is_empty() || !self.watches.is_empty() || self.restarts
    }

    /// When it was last used.
    pub(crate) fn used(&self) -> Mono {
        self.used
    }
}

/// All entities of a loop: a slab, an index by key, and the order of last use.
pub(crate) struct Entities {
    slab: Vec<Option<Box<Entity>>>,
    free: Vec<Slot>,
    index: HashTable<Slot>,
    seed: u64,
    oldest: Slot,
    newest: Slot,
    /// Where each walk goes on; none: at the oldest.
    walks: [Slot; 2],
}

/// Who walks through the entities a few at a time, from those used longest ago on, and then all over again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Walk {
    /// Looking for what is idle.
    Idle,
    /// Looking for room.
    Room,
}

impl Entities {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            slab: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            seed,
            oldest: NONE,
            newest: NONE,
            walks: [NONE; 2],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Entity> {
        self.slab.get(slot as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Entity> {
        self.slab.get_mut(slot as usize)?.as_deref_mut()
    }

    pub(crate) fn find(&self, id: &EntityId) -> Option<Slot> {
        let hash = hash(self.seed, id);
        self.index.find(hash, |slot| self.get(*slot).is_some_and(|entity| entity.id == *id)).copied()
    }

    /// Makes a parked entity. The caller has made sure that it is not there.
    pub(crate) fn insert(&mut self, id: EntityId, shard: ShardId, now: Mono) -> Slot {
        let hash = hash(self.seed, &id);
        let entity = Some(Box::new(Entity::new(id, shard, now)));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slab[slot as usize] = entity;
                slot
            }
            None => {
                self.slab.push(entity);
                (self.slab.len() - 1) as Slot
            }
        };
        let (slab, seed) = (&self.slab, self.seed);
        let hash_of = |slot: &Slot| slab[*slot as usize].as_ref().map_or(0, |entity| self::hash(seed, &entity.id));
        self.index.insert_unique(hash, slot, hash_of);
        self.link(slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: Slot) {
        self.unlink(slot);
        let Some(entity) = self.slab.get_mut(slot as usize).and_then(Option::take) else { return };
        if let Ok(entry) = self.index.find_entry(hash(self.seed, &entity.id), |other| *other == slot) {
            entry.remove();
        }
        self.free.push(slot);
    }

    /// Marks it as used now.
    pub(crate) fn touch(&mut self, slot: Slot, now: Mono) {
        if let Some(entity) = self.get_mut(slot) {
            entity.used = now;
        }
        if self.newest != slot {
            self.unlink(slot);
            self.link(slot);
        }
    }

    /// The entity used longest ago.
    pub(crate) fn oldest(&self) -> Option<Slot> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// The one used next after this.
    pub(crate) fn newer(&self, slot: Slot) -> Option<Slot> {
        self.get(slot).map(|entity| entity.newer).filter(|newer| *newer != NONE)
    }

    /// The next one of a walk; the oldest again after the newest.
    pub(crate) fn walk(&mut self, walk: Walk) -> Option<Slot> {
        let at = self.walks[walk as usize];
        let slot = if at == NONE { self.oldest()? } else { at };
        self.walks[walk as usize] = self.newer(slot).unwrap_or(NONE);
        Some(slot)
    }

    /// Every slot in use, in slab order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.slab.iter().enumerate().filter(|(_, entity)| entity.is_some()).map(|(index, _)| index as Slot)
    }

    fn link(&mut self, slot: Slot) {
        let newest = self.newest;
        if let Some(entity) = self.get_mut(slot) {
            entity.older = newest;
            entity.newer = NONE;
        }
        match self.get_mut(newest) {
            Some(before) => before.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
    }

    fn unlink(&mut self, slot: Slot) {
        let Some(entity) = self.get(slot) else { return };
        let (older, newer) = (entity.older, entity.newer);
        self.walks.iter_mut().filter(|at| **at == slot).for_each(|at| *at = newer);
        match self.get_mut(older) {
            Some(before) => before.newer = newer,
            None => self.oldest = newer,
        }
        match self.get_mut(newer) {
            Some(after) => after.older = older,
            None => self.newest = older,
        }
    }
}

/// Keys come from outside, so the hash is seeded.
fn hash(seed: u64, id: &EntityId) -> u64 {
    xxh3_64_with_seed(id.key().as_bytes(), xxh3_64_with_seed(id.entity_type().as_bytes(), seed))
}
