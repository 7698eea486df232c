// SPDX-License-Identifier: Apache-2.0
//! Shard batches and raises on their way into one RocksDB batch.

use std::collections::HashMap;

use adjoin_model::{
    Body, Consumed, Consumption, EntityId, Error, Head, Owner, Position, Record, Result, ShardBatch, ShardId,
};
use adjoin_storage::{Refusal, guard};
use rocksdb::WriteBatch;

use super::cache::Rows;
use crate::db::{Db, Family};
use crate::rows::{EntityRow, encode_event, encode_head, encode_value};
use crate::shared::Shared;
use crate::{batch, consumer, dedup, effect, keys};

/// Requests staged together: each sees the heads and rows that those before it leave.
pub(super) struct Stage<'a> {
    db: &'a Db,
    shared: &'a Shared,
    before: &'a [Head],
    cache: &'a Rows,
    heads: HashMap<ShardId, Head>,
    /// Rows met, and those among them that changed.
    met: HashMap<EntityId, EntityRow>,
    rows: HashMap<EntityId, EntityRow>,
    batch: WriteBatch,
}

/// What a group leaves once it is durable.
pub(super) struct Staged {
    /// `None` when every request was refused.
    pub(super) batch: Option<WriteBatch>,
    pub(super) heads: HashMap<ShardId, Head>,
    pub(super) rows: HashMap<EntityId, EntityRow>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(db: &'a Db, shared: &'a Shared, before: &'a [Head], cache: &'a Rows) -> Self {
        let (heads, met, rows) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { db, shared, before, cache, heads, met, rows, batch: WriteBatch::default() }
    }

    /// Bytes staged so far.
    pub(super) fn bytes(&self) -> usize {
        self.batch.size_in_bytes()
    }

    fn head(&self, shard: ShardId) -> Head {
        let before = self.before.get(shard.0 as usize).copied().unwrap_or(Head::EMPTY);
        self.heads.get(&shard).copied().unwrap_or(before)
    }

    pub(super) fn raise(
        &mut self,
        shard: ShardId,
        expected: Head,
        owner: Owner,
    ) -> core::result::Result<Head, Refusal> {
        guard::shard_exists(&self.shared.meta, shard).map_err(Refusal::Failed)?;
        let raised = guard::head_raised(self.head(shard), expected, owner)?;
        self.heads.insert(shard, raised);
        Ok(raised)
    }

    /// Checks all of a batch before it stages any of it.
    pub(super) fn write(&mut self, batch: &ShardBatch) -> core::result::Result<(), Refusal> {
        guard::batch_fits(&self.shared.meta, &self.shared.capability, batch).map_err(Refusal::Failed)?;
        let head = guard::head_after(self.head(batch.shard), batch)?;
        self.meet(&batch.records).map_err(Refusal::Failed)?;
        guard::next_sequences(&batch.records, |entity| Ok(self.row(entity).last)).map_err(Refusal::Failed)?;
        let key = keys::batch(batch.shard, batch.first);
        self.put(Family::Journal, &key, &batch::encode(&key, batch));
        for (record, position) in batch.records.iter().zip(batch.first..) {
            if record.is_effect() { self.effect(batch.shard, position, record) } else { self.record(position, record) }
        }
        self.heads.insert(batch.shard, head);
        Ok(())
    }

    /// Looks up the rows of all entities of the records.
    fn meet(&mut self, records: &[Record]) -> Result<()> {
        for record in records.iter().filter(|record| !record.is_effect()) {
            if self.met.contains_key(&record.entity) {
                continue;
            }
            let row = match self.cache.get(&record.entity) {
                Some(row) => row,
                None => stored_row(self.db, &record.entity)?.unwrap_or_default(),
            };
            self.met.insert(record.entity.clone(), row);
        }
        Ok(())
    }

    fn row(&self, entity: &EntityId) -> EntityRow {
        self.rows.get(entity).or_else(|| self.met.get(entity)).copied().unwrap_or_default()
    }

    fn record(&mut self, position: Position, record: &Record) {
        let key = keys::entity(&record.entity);
        let mut row = self.row(&record.entity);
        if row.born == 0 {
            row.born = position;
        }
        if record.is_sequenced() {
            row.last = record.sequence;
        }
        match &record.body {
            Body::Event(payload) => {
                row.events = true;
                let key = keys::numbered(&key, record.sequence);
                self.put(Family::Events, &key, &encode_event(&key, position, payload));
            }
            Body::Value(payload) => {
                row.value = true;
                self.put(Family::Values, &key, &encode_value(&key, record.sequence, position, payload));
            }
            Body::Superseded | Body::Outbox(_) | Body::Inbox(_) | Body::Done { .. } | Body::Consumed(_) => {}
            Body::Delete => self.delete(&key, &mut row),
            Body::Dedup(answer) => {
                row.dedup = true;
                let numbered = keys::numbered(&key, position);
                self.put(Family::Dedup, &numbered, &dedup::encode(&numbered, answer));
                self.put(Family::Expiry, &keys::expiry(answer.expires, &numbered), &[]);
            }
        }
        self.rows.insert(record.entity.clone(), row);
    }

    /// A record of outbox, inbox or a consumer: it says nothing of its entity.
    fn effect(&mut self, shard: ShardId, position: Position, record: &Record) {
        let key = keys::batch(shard, position);
        match &record.body {
            Body::Outbox(call) => self.put(Family::Outbox, &key, &effect::encode(&key, record, None, call)),
            Body::Inbox(incoming) => {
                let value = effect::encode(&key, record, Some(incoming.origin), &incoming.call);
                self.put(Family::Inbox, &key, &value);
                // Positions of a source come in order: a later one is never lower.
                let key = keys::watermark(shard, incoming.origin.shard);
                self.put(Family::Watermarks, &key, &effect::encode_watermark(&key, incoming.origin.position));
            }
            Body::Done { inbox, .. } => {
                self.batch.delete_cf(self.db.family(Family::Inbox), keys::batch(shard, *inbox));
            }
            Body::Consumed(consumption) => self.consumed(shard, consumption, record),
            Body::Event(_) | Body::Value(_) | Body::Superseded | Body::Delete | Body::Dedup(_) => {}
        }
    }

    /// A position is written by the shard's owner alone, which never writes a lower one.
    fn consumed(&mut self, shard: ShardId, consumption: &Consumption, record: &Record) {
        let Consumption { consumer, event, what } = consumption;
        let letter = || consumer::letter_key(shard, consumer, *event);
        match what {
            Consumed::Passed => {
                let key = consumer::key(shard, consumer);
                self.put(Family::Consumers, &key, &effect::encode_watermark(&key, *event));
            }
            Consumed::Dead { attempts, error } => {
                let letter = letter();
                let value = consumer::encode_letter(&letter, *attempts, error, &record.entity, record.at);
                self.put(Family::Consumers, &letter, &value);
            }
            Consumed::Ahead(ended) => {
                let letter = letter();
                self.put(Family::Consumers, &letter, &consumer::encode_ahead(&letter, *ended));
            }
            Consumed::Settled(_) => self.batch.delete_cf(self.db.family(Family::Consumers), letter()),
        }
    }

    /// Value and snapshots go at once, since nothing reads them again; events stay until the entity is purged.
    fn delete(&mut self, key: &[u8], row: &mut EntityRow) {
        if row.value {
            self.batch.delete_cf(self.db.family(Family::Values), key);
        }
        for sequence in row.snapshots.into_iter().filter(|sequence| *sequence > 0) {
            self.batch.delete_cf(self.db.family(Family::Snapshots), keys::numbered(key, sequence));
        }
        *row = EntityRow { deleted_at: row.last, events: false, value: false, snapshots: [0, 0], ..*row };
    }

    fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.batch.put_cf(self.db.family(family), key, value);
    }

    /// Heads and rows once each, however often the group changed them.
    pub(super) fn finish(mut self) -> Staged {
        for (shard, head) in &self.heads {
            let key = keys::head(*shard);
            self.batch.put_cf(self.db.family(Family::Heads), key, encode_head(&key, *head, 0));
        }
        for (entity, row) in &self.rows {
            let key = keys::entity(entity);
            self.batch.put_cf(self.db.family(Family::Entities), &key, row.encode(&key));
        }
        let batch = (!self.batch.is_empty()).then_some(self.batch);
        Staged { batch, heads: self.heads, rows: self.rows }
    }
}

/// The row of an entity as RocksDB has it.
pub(super) fn stored_row(db: &Db, entity: &EntityId) -> Result<Option<EntityRow>> {
    let key = keys::entity(entity);
    let found = db.get(Family::Entities, &key)?;
    let decoded = found.map(|found| EntityRow::decode(&key, &found)).transpose();
    decoded.map_err(|damage| Error::from(damage).at("entity", entity))
}
