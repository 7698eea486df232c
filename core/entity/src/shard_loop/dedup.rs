// SPDX-License-Identifier: Apache-2.0
//! Idempotency records of one entity (`architecture.md` §4, rule 8).

use adjoin_model::{Answer, Dedup, DedupKey, Payload, Wall};
use alloc::collections::{BTreeMap, VecDeque};

use super::ShardLoop;
use super::job::digest;
use crate::mutant::Mutant;

/// The records of one entity, oldest first, bounded by time and number.
#[derive(Default)]
pub(crate) struct Dedups {
    order: VecDeque<(Wall, DedupKey)>,
    by_key: BTreeMap<DedupKey, Dedup>,
}

impl Dedups {
    /// The record of this key that still answers at this time.
    pub(crate) fn find(&self, key: &DedupKey, now: Wall) -> Option<&Dedup> {
        self.by_key.get(key).filter(|record| record.expires > now)
    }

    /// Keeps a record; says how many others had to go before their time to make room.
    pub(crate) fn keep(&mut self, record: Dedup, now: Wall, bound: usize) -> usize {
        self.order.push_back((record.expires, record.key.clone()));
        self.by_key.insert(record.key.clone(), record);
        let mut early = 0;
        while self.order.front().is_some_and(|(expires, _)| *expires <= now || self.by_key.len() > bound) {
            let Some((expires, key)) = self.order.pop_front() else { break };
            // A key that was kept again since has a later record: only that one's place in the order removes it.
            if self.by_key.get(&key).is_some_and(|kept| kept.expires == expires) {
                self.by_key.remove(&key);
                early += usize::from(expires > now);
            }
        }
        early
    }
}

impl ShardLoop {
    /// The time that idempotency records are held against.
    pub(super) fn dedup_clock(&self) -> Wall {
        match self.now.wall {
            _ if self.is(Mutant::DedupExpiresLate) => Wall(0),
            wall if self.is(Mutant::DedupExpiresEarly) => wall.plus_ms(self.settings.dedup_window_ms / 2),
            wall => wall,
        }
    }

    /// What a command's payload is recognised by.
    pub(super) fn digest_of(&self, payload: &Payload) -> u128 {
        if self.is(Mutant::DigestIgnored) { 0 } else { digest(payload) }
    }

    /// How many of them an entity may have.
    pub(super) fn dedup_bound(&self) -> usize {
        match self.settings.limits.dedup_records {
            _ if self.is(Mutant::DedupUnbounded) => usize::MAX,
            bound if self.is(Mutant::DedupEvictedEarly) => bound / 2,
            bound => bound,
        }
    }
}

/// What a duplicate of a finished command is told.
#[derive(Debug)]
pub(crate) enum Duplicate {
    /// The same answer again.
    Same(Answer),
    /// The key belongs to another payload.
    Differs,
}

impl Dedups {
    /// What a call with this key and payload digest is told without running it.
    pub(crate) fn duplicate(&self, key: &DedupKey, digest: u128, now: Wall) -> Option<Duplicate> {
        let record = self.find(key, now)?;
        Some(if record.digest == digest { Duplicate::Same(record.answer.clone()) } else { Duplicate::Differs })
    }
}
