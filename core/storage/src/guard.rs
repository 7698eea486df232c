// SPDX-License-Identifier: Apache-2.0
//! The checks of the contract that are the same in every store that decides in this process.

use std::collections::BTreeMap;

use adjoin_model::{EntityId, Epoch, Error, Head, Owner, Record, Result, Sequence, ShardBatch, ShardId, Wall};

use crate::store::{Capability, Meta, Refusal};

/// Whether there is such a shard.
///
/// # Errors
/// `Invalid` with the shard.
pub fn shard_exists(meta: &Meta, shard: ShardId) -> Result<()> {
    if shard.0 < meta.shards {
        return Ok(());
    }
    Err(Error::invalid(format!("there are {} shards, counted from 0", meta.shards)).at("shard", shard))
}

/// Whether a batch may be written at all, whatever the head is.
///
/// # Errors
/// `Invalid` for a shard that does not exist or a batch without records, `Exhausted` above the store's bound.
pub fn batch_fits(meta: &Meta, capability: &Capability, batch: &ShardBatch) -> Result<()> {
    shard_exists(meta, batch.shard)?;
    if batch.records.is_empty() {
        return Err(Error::invalid("a batch has at least one record").at("shard", batch.shard));
    }
    let bytes: usize = batch.records.iter().map(Record::size).sum();
    if bytes > capability.max_batch_bytes {
        let said = format!("a batch has at most {} bytes, this one has {bytes}", capability.max_batch_bytes);
        return Err(Error::exhausted(said).at("shard", batch.shard));
    }
    Ok(())
}

/// The head after this batch.
///
/// # Errors
/// `Fenced` when epoch or owner differ, `Position` when only the position does.
pub fn head_after(head: Head, batch: &ShardBatch) -> core::result::Result<Head, Refusal> {
    if head.epoch != batch.epoch || head.owner != Some(batch.owner) {
        return Err(Refusal::Fenced(head));
    }
    if head.position.checked_add(1) != Some(batch.first) {
        return Err(Refusal::Position(head));
    }
    Ok(Head { position: batch.last(), ..head })
}

/// The head after a raise by `owner`.
///
/// # Errors
/// `Fenced` when epoch or owner are not the expected ones.
pub fn head_raised(head: Head, expected: Head, owner: Owner) -> core::result::Result<Head, Refusal> {
    if (head.epoch, head.owner) != (expected.epoch, expected.owner) {
        return Err(Refusal::Fenced(head));
    }
    Ok(Head { epoch: Epoch(head.epoch.0 + 1), owner: Some(owner), position: head.position })
}

/// The second guard, beside the head: each sequenced record takes its entity's next sequence. Answers each entity's
/// last sequence after the records; `known` says it from before them.
///
/// # Errors
/// `Internal` with the entity, and what `known` fails with.
pub fn next_sequences(
    records: &[Record],
    mut known: impl FnMut(&EntityId) -> Result<Sequence>,
) -> Result<BTreeMap<&EntityId, Sequence>> {
    let mut last = BTreeMap::new();
    for record in records.iter().filter(|record| record.is_sequenced()) {
        let before = match last.get(&record.entity) {
            Some(sequence) => *sequence,
            None => known(&record.entity)?,
        };
        if record.sequence != before + 1 {
            let said = format!("the entity's next sequence is {}, not {}", before + 1, record.sequence);
            return Err(Error::internal(said).at("entity", &record.entity));
        }
        last.insert(&record.entity, record.sequence);
    }
    Ok(last)
}

/// The context of a refused purge: until when, in milliseconds of wall time.
pub const REMEMBERED: &str = "remembered until";

/// Whether an entity may be purged whose last idempotency record expires then, 0 for none. Without a time nobody asks
/// about records.
///
/// # Errors
/// `Conflict` for one that is not deleted, or whose commands may still be sent again.
pub fn may_be_purged(entity: &EntityId, deleted: bool, remembered: Wall, unless_after: Option<Wall>) -> Result<()> {
    if !deleted {
        return Err(Error::conflict("only a deleted entity can be purged; delete it first").at("entity", entity));
    }
    match unless_after {
        Some(now) if remembered > now => {
            let said = "idempotency keys are still remembered: a command that is sent again would run again";
            Err(Error::conflict(said).at("entity", entity).at(REMEMBERED, remembered.0))
        }
        _ => Ok(()),
    }
}

/// What a closed store answers.
#[must_use]
pub fn closed() -> Error {
    Error::unavailable("the store is closed")
}
