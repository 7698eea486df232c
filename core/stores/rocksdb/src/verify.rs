// SPDX-License-Identifier: Apache-2.0
//! Verification: every batch of every shard, everything they point to, and every entity's row.

use adjoin_model::{Error, Position, Result, ShardId};

use crate::db::{Db, Family};
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

/// Records or entities that one turn of a reader takes, so that others get theirs.
const TURN: u64 = 2048;

/// Reads a shard from a position on, for one turn; answers where to go on, `None` at its head.
pub(crate) fn shard(db: &Db, shard: ShardId, from: Position, sum: &mut Verified) -> Result<Option<Position>> {
    let view = db.view();
    let head = head(&view, shard)?;
    let mut batches = Batches::around(&view, shard, from);
    let mut payloads = Payloads::new(&view);
    let mut reached = from - 1;
    while let Some((first, stored)) = batches.next()? {
        for (position, entry) in (first..).zip(&stored.entries) {
            sum.records += 1;
            sum.payloads += u64::from(payloads.record(shard, position, entry)?.is_some());
            reached = position;
        }
        sum.batches += 1;
        if reached + 1 - from >= TURN {
            return Ok(Some(reached + 1));
        }
    }
    reaches_head(shard, reached, head)?;
    sum.shards += 1;
    Ok(None)
}

/// Reads entities after a key, for one turn; answers the last key, `None` at the end.
pub(crate) fn entities(db: &Db, after: Option<&[u8]>, sum: &mut Verified) -> Result<Option<Vec<u8>>> {
    let view = db.view();
    let from = after.map_or_else(Vec::new, keys::entity_end);
    let mut scan = view.scan(Family::Entities, &from, vec![0x7f]);
    let mut last = None;
    for _ in 0..TURN {
        let Some((key, _)) = scan.next()? else { return Ok(None) };
        let named = keys::parse_entity(key, None);
        let entity = named.map_err(|damage| Error::from(damage).at("key", key.escape_ascii()))?;
        last = Some(key.to_vec());
        sum.entities += u64::from(check(&view, &entity)?);
    }
    Ok(last)
}
