// SPDX-License-Identifier: Apache-2.0
//! Snapshots, purge and sweep: changes that no head guards.

use adjoin_model::{EntityId, Error, Position, Result, ShardId, Snapshot, Wall};
use adjoin_storage::guard;
use rocksdb::WriteBatch;

use super::stage::stored_row;
use super::{Outcome, Writer, outcome_of};
use crate::db::{Db, Family};
use crate::rows::{EntityRow, encode_snapshot};
use crate::{dedup, keys};

/// Dedup records that one write forgets.
const SWEPT_AT_ONCE: usize = 4096;

impl Writer {
    /// Runs `work` on RocksDB if it can be written to, and applies the batch it makes.
    fn change<T>(&mut self, synced: bool, work: impl FnOnce(&mut Self, &Db) -> Result<(WriteBatch, T)>) -> Result<T> {
        self.shared.usable()?;
        let shared = self.shared.clone();
        shared.with_db(|db| {
            let (batch, answer) = work(self, db)?;
            if batch.is_empty() {
                return Ok(answer);
            }
            let applied = shared.apply(db, batch, synced).map_err(|error| outcome_of(&error));
            match applied {
                Ok(()) | Err(Outcome::Durable) => Ok(answer),
                Err(Outcome::NotApplied(error)) => {
                    shared.full();
                    Err(error)
                }
                Err(Outcome::Unknown(error)) => {
                    self.doubt(&error);
                    Err(error)
                }
            }
        })
    }

    fn row(&self, db: &Db, entity: &EntityId) -> Result<Option<EntityRow>> {
        self.rows.get(entity).map_or_else(|| stored_row(db, entity), |row| Ok(Some(row)))
    }

    /// Not synced: a snapshot that a crash loses is only a longer replay.
    pub(super) fn keep_snapshot(&mut self, entity: &EntityId, snapshot: &Snapshot) -> Result<()> {
        let kept = self.change(false, |writer, db| {
            let mut batch = WriteBatch::default();
            let row = writer.row(db, entity)?.unwrap_or_default();
            let newer = snapshot.sequence > row.snapshots[0].max(row.deleted_at) && snapshot.sequence <= row.last;
            if !newer {
                return Ok((batch, None));
            }
            let key = keys::entity(entity);
            let place = keys::numbered(&key, snapshot.sequence);
            batch.put_cf(db.family(Family::Snapshots), &place, encode_snapshot(&place, &snapshot.state));
            if row.snapshots[1] > 0 {
                batch.delete_cf(db.family(Family::Snapshots), keys::numbered(&key, row.snapshots[1]));
            }
            let row = EntityRow { snapshots: [snapshot.sequence, row.snapshots[0]], ..row };
            batch.put_cf(db.family(Family::Entities), &key, row.encode(&key));
            Ok((batch, Some(row)))
        })?;
        self.rows.keep(kept.map(|row| (entity.clone(), row)));
        Ok(())
    }

    pub(super) fn purge(&mut self, entity: &EntityId, unless_after: Option<Wall>) -> Result<()> {
        self.change(true, |writer, db| {
            let mut batch = WriteBatch::default();
            match writer.row(db, entity)? {
                None => return Ok((batch, ())),
                Some(row) => {
                    let remembered = forget(db, &mut batch, entity, &row)?;
                    guard::may_be_purged(entity, row.is_deleted(), remembered, unless_after)?;
                }
            }
            Ok((batch, ()))
        })?;
        self.rows.forget(entity);
        Ok(())
    }

    /// Not synced: what a crash brings back is delivered again, recognised, and trimmed again.
    pub(super) fn trim(&mut self, shard: ShardId, delivered: &[Position]) -> Result<()> {
        self.change(false, |_, db| {
            let mut batch = WriteBatch::default();
            for position in delivered {
                batch.delete_cf(db.family(Family::Outbox), keys::batch(shard, *position));
            }
            Ok((batch, ()))
        })
    }

    /// Not synced: what a crash brings back is swept again.
    pub(super) fn sweep(&mut self, now: Wall) -> Result<usize> {
        let mut swept = 0;
        loop {
            let some = self.change(false, |_, db| expired(db, now))?;
            swept += some;
            if some < SWEPT_AT_ONCE {
                return Ok(swept);
            }
        }
    }
}

/// Everything of a deleted entity but its places in the journal.
fn forget(db: &Db, batch: &mut WriteBatch, entity: &EntityId, row: &EntityRow) -> Result<Wall> {
    let key = keys::entity(entity);
    let end = keys::entity_end(&key);
    let mut remembered = Wall(0);
    if row.dedup {
        let view = db.view();
        let mut scan = view.scan(Family::Dedup, &key, end.clone());
        while let Some((place, value)) = scan.next()? {
            let expires = dedup::expires(place, value).map_err(|damage| Error::from(damage).at("entity", entity))?;
            batch.delete_cf(db.family(Family::Dedup), place);
            batch.delete_cf(db.family(Family::Expiry), keys::expiry(expires, place));
            remembered = remembered.max(expires);
        }
    }
    batch.delete_range_cf(db.family(Family::Events), &key, &end);
    batch.delete_cf(db.family(Family::Entities), &key);
    Ok(remembered)
}

/// Forgets dedup records that expired, as many as one write takes.
fn expired(db: &Db, now: Wall) -> Result<(WriteBatch, usize)> {
    let mut batch = WriteBatch::default();
    let mut swept = 0;
    let view = db.view();
    let mut scan = view.scan(Family::Expiry, &[], keys::expiry_end(now));
    while let Some((key, _)) = scan.next()? {
        batch.delete_cf(db.family(Family::Dedup), keys::expired(key));
        batch.delete_cf(db.family(Family::Expiry), key);
        swept += 1;
        if swept == SWEPT_AT_ONCE {
            break;
        }
    }
    Ok((batch, swept))
}
