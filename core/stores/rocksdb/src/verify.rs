// SPDX-License-Identifier: Apache-2.0
//! Verification: every batch of every shard, everything they point to, and every entity's row. It goes on behind what
//! is damaged.

use adjoin_model::{Error, Kind, Position, Result, ShardId};

use crate::db::{Db, Family, View};
use crate::keys;
use crate::read::{Batches, Payloads, check, head, reaches_head};

/// How far verification is, and at the end what it found in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Shards whose journal was read to its head.
    pub shards: u32,
    /// Shard batches whose header was checked.
    pub batches: u64,
    /// Records whose place was checked.
    pub records: u64,
    /// Records among them whose payload was read; the others are of purged entities or expired.
    pub payloads: u64,
    /// Entities whose row, last event, value, snapshots and dedup records were read.
    pub entities: u64,
}

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is in order.
    pub verified: Verified,
    /// Damaged places in the order they were met, each `Corrupt` with shard and position, entity and sequence, or file
    /// and offset; as many as were asked for.
    pub damages: Vec<Error>,
    /// Damaged places beyond those.
    pub more: u64,
    limit: usize,
}

impl Findings {
    pub(crate) fn at_most(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Keeps damage; what only keeps from reading ends the verification.
    fn damage(&mut self, error: Error) -> Result<()> {
        if error.kind != Kind::Corrupt {
            return Err(error);
        }
        if self.damages.len() < self.limit {
            self.damages.push(error);
        } else {
            self.more += 1;
        }
        Ok(())
    }
}

/// Records or entities that one turn of a reader takes, so that others get theirs.
const TURN: u64 = 2048;

/// Reads a shard from a position on, for one turn; answers where to go on, `None` at its end.
pub(crate) fn shard(db: &Db, shard: ShardId, from: Position, found: &mut Findings) -> Result<Option<Position>> {
    let view = db.view();
    let head = match head(&view, shard) {
        Ok(head) => head,
        Err(error) => return found.damage(error).map(|()| None),
    };
    let mut batches = Batches::around(&view, shard, from);
    let mut payloads = Payloads::new(&view);
    let mut reached = from - 1;
    loop {
        let (first, stored) = match batches.next() {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => {
                let next = behind(&view, shard, reached + 1, head.position);
                let until = next.map_or(head.position, |next| next - 1);
                found.damage(error.at("unread_until", until))?;
                return Ok(next);
            }
        };
        for (position, entry) in (first..).zip(&stored.entries) {
            found.verified.records += 1;
            match payloads.record(shard, position, entry) {
                Ok(record) => found.verified.payloads += u64::from(record.is_some()),
                Err(error) => found.damage(error)?,
            }
            reached = position;
        }
        found.verified.batches += 1;
        if reached + 1 - from >= TURN {
            return Ok(Some(reached + 1));
        }
    }
    match reaches_head(shard, reached, head) {
        Ok(()) => found.verified.shards += 1,
        Err(error) => found.damage(error)?,
    }
    Ok(None)
}

/// Where the first batch behind a damaged place begins. What is between is one area, so that halving finds its end.
fn behind(view: &View<'_>, shard: ShardId, damaged: Position, last: Position) -> Option<Position> {
    let begins = |at: Position| {
        let batch = Batches::around(view, shard, at).next().ok()??;
        Some(batch.0).filter(|first| *first > damaged)
    };
    let (mut bad, mut step) = (damaged, 1);
    let mut good = loop {
        if bad >= last {
            return None;
        }
        let at = bad.saturating_add(step).min(last);
        match begins(at) {
            Some(first) => break first,
            None => (bad, step) = (at, step * 2),
        }
    };
    while bad + 1 < good {
        let middle = bad + (good - bad) / 2;
        match begins(middle) {
            Some(first) if first <= middle => good = first,
            _ => bad = middle,
        }
    }
    Some(good)
}

/// Reads entities from a key on, for one turn; answers where to go on, `None` at the end.
pub(crate) fn entities(db: &Db, from: &[u8], found: &mut Findings) -> Result<Option<Vec<u8>>> {
    let view = db.view();
    let mut scan = view.scan(Family::Entities, from, END.to_vec());
    let mut next = from.to_vec();
    for _ in 0..TURN {
        let key = match scan.next() {
            Ok(Some((key, _))) => key.to_vec(),
            Ok(None) => return Ok(None),
            Err(error) => {
                found.damage(error.at("after", next.escape_ascii()))?;
                return Ok(beyond(&view, &next));
            }
        };
        next = keys::entity_end(&key);
        let named = keys::parse_entity(&key, None);
        let named = named.map_err(|damage| Error::from(damage).at("key", key.escape_ascii()));
        match named.and_then(|entity| check(&view, &entity)) {
            Ok(is) => found.verified.entities += u64::from(is),
            Err(error) => found.damage(error)?,
        }
    }
    Ok(Some(next))
}

/// Names begin below this.
const END: [u8; 1] = [0x7f];

/// The nearest key behind a place that cannot be read from which there is something again: keys that share ever less
/// with the place are tried.
fn beyond(view: &View<'_>, place: &[u8]) -> Option<Vec<u8>> {
    let raised = (0..place.len()).rev().filter(|at| place[*at] < 0xff).map(|at| {
        let mut key = place[..=at].to_vec();
        key[at] += 1;
        key
    });
    let first = place.first().copied().unwrap_or(0);
    let other = (first..END[0]).map(|byte| vec![byte]).filter(|key| **key > *place);
    let mut places = raised.chain(other).filter(|key| key[..] < END[..]);
    let readable = |key: &Vec<u8>| view.scan(Family::Entities, key, END.to_vec()).next().is_ok();
    places.find(readable)
}
