// SPDX-License-Identifier: Apache-2.0
//! The store in memory: for tests, and for entities opened without a path.

mod chain;
mod effects;
mod entity;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use adjoin_model::{
    EntityId, EntityPage, Head, LoadRequest, Owner, Position, Result, ShardBatch, ShardId, Snapshot, Unfinished, Wall,
};
use async_trait::async_trait;

use crate::guard;
use crate::store::{
    Capability, Effects, Entities, EntityRow, Journal, KeyPage, Meta, Refusal, Store, TailPage, Written,
};
use chain::Chain;
use entity::Entity;

#[derive(Default)]
struct State {
    chains: BTreeMap<ShardId, Chain>,
    entities: BTreeMap<EntityId, Entity>,
    effects: BTreeMap<ShardId, effects::Effects>,
}

/// A store that lives as long as the process. Nothing survives it, which its capability says.
pub struct MemoryStore {
    capability: Capability,
    meta: Meta,
    /// `None` once closed.
    state: Mutex<Option<State>>,
}

impl MemoryStore {
    /// An empty store of so many shards. `store_id` is the caller's randomness.
    ///
    /// # Errors
    /// `Invalid` unless there are 16 to 65 536 shards.
    pub fn new(shards: u32, store_id: u128) -> Result<Self> {
        let meta = Meta { format: 1, shards, store_id }.checked()?;
        let max_batch_bytes = Capability::BATCH_BYTES;
        let capability = Capability { name: "memory", durable: false, max_batch_bytes, shared: false };
        Ok(Self { capability, meta, state: Mutex::new(Some(State::default())) })
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        // A batch is checked before anything changes, so a panic elsewhere leaves no half-applied one behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the state of an open store.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        work(self.lock().as_mut().ok_or_else(guard::closed)?)
    }

    fn write_one(&self, batch: &ShardBatch) -> core::result::Result<(), Refusal> {
        guard::batch_fits(&self.meta, &self.capability, batch).map_err(Refusal::Failed)?;
        let mut locked = self.lock();
        locked.as_mut().ok_or_else(|| Refusal::Failed(guard::closed()))?.write(batch)
    }

    fn raise_one(&self, shard: ShardId, expected: Head, owner: Owner) -> core::result::Result<Head, Refusal> {
        guard::shard_exists(&self.meta, shard).map_err(Refusal::Failed)?;
        let mut locked = self.lock();
        let state = locked.as_mut().ok_or_else(|| Refusal::Failed(guard::closed()))?;
        let head = state.chains.get(&shard).map_or(Head::EMPTY, |chain| chain.head);
        let raised = guard::head_raised(head, expected, owner)?;
        state.chains.entry(shard).or_default().head = raised;
        Ok(raised)
    }
}

impl State {
    fn write(&mut self, batch: &ShardBatch) -> core::result::Result<(), Refusal> {
        let head = self.chains.get(&batch.shard).map_or(Head::EMPTY, |chain| chain.head);
        let head = guard::head_after(head, batch)?;
        let known = |entity: &EntityId| Ok(self.entities.get(entity).map_or(0, |entity| entity.last));
        guard::next_sequences(&batch.records, known).map_err(Refusal::Failed)?;
        let chain = self.chains.entry(batch.shard).or_default();
        chain.head = head;
        for (record, position) in batch.records.iter().zip(batch.first..) {
            chain.push(position, batch.epoch, record);
            if record.is_effect() {
                self.effects.entry(batch.shard).or_default().apply(position, record);
                continue;
            }
            let entity = self.entities.entry(record.entity.clone()).or_default();
            if let Some(replaced) = entity.apply(record, (batch.shard, position)) {
                // A value's writer holds its shard, so what it replaces stands in the same chain.
                chain.supersede(replaced.1);
            }
        }
        Ok(())
    }

    fn forget(&mut self, entity: &EntityId, unless_after: Option<Wall>) -> Result<()> {
        let Some(found) = self.entities.get(entity) else { return Ok(()) };
        guard::may_be_purged(entity, found.is_deleted(), found.remembered(), unless_after)?;
        for (shard, position) in self.entities.remove(entity).into_iter().flat_map(|gone| gone.places) {
            self.blank(shard, position);
        }
        Ok(())
    }

    fn blank(&mut self, shard: ShardId, position: Position) {
        if let Some(chain) = self.chains.get_mut(&shard) {
            chain.blank(position);
        }
    }
}

#[async_trait]
impl Journal for MemoryStore {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn meta(&self) -> Meta {
        self.meta
    }

    async fn write(&self, batches: &[ShardBatch]) -> Vec<Written> {
        let one = |batch| self.write_one(batch).map_or_else(Written::Refused, |()| Written::Durable);
        batches.iter().map(one).collect()
    }

    async fn head(&self, shard: ShardId) -> Result<Head> {
        guard::shard_exists(&self.meta, shard)?;
        self.with(|state| Ok(state.chains.get(&shard).map_or(Head::EMPTY, |chain| chain.head)))
    }

    async fn heads(&self) -> Result<Vec<(ShardId, Head)>> {
        self.with(|state| Ok(state.chains.iter().map(|(shard, chain)| (*shard, chain.head)).collect()))
    }

    async fn raise(&self, claims: &[(ShardId, Head)], owner: Owner) -> Vec<core::result::Result<Head, Written>> {
        let one =
            |(shard, expected): &(ShardId, Head)| self.raise_one(*shard, *expected, owner).map_err(Written::Refused);
        claims.iter().map(one).collect()
    }

    async fn tail(&self, shard: ShardId, from: Position, max_bytes: usize) -> Result<TailPage> {
        guard::shard_exists(&self.meta, shard)?;
        let none = TailPage { records: Vec::new(), more: false };
        self.with(|state| Ok(state.chains.get(&shard).map_or(none, |chain| chain.page(from, max_bytes))))
    }
}

#[async_trait]
impl Entities for MemoryStore {
    async fn load(&self, entity: &EntityId, request: LoadRequest) -> Result<EntityPage> {
        self.with(|state| Ok(state.entities.get(entity).map(|entity| entity.page(request)).unwrap_or_default()))
    }

    async fn keep_snapshot(&self, entity: &EntityId, snapshot: &Snapshot) -> Result<()> {
        self.with(|state| {
            if let Some(entity) = state.entities.get_mut(entity) {
                entity.keep_snapshot(snapshot);
            }
            Ok(())
        })
    }

    async fn keys(&self, entity_type: &str, after: Option<&str>, limit: usize) -> Result<KeyPage> {
        self.with(|state| {
            let rows = state.entities.iter().filter(|(id, _)| id.entity_type() == entity_type);
            let mut rows = rows.filter(|(id, _)| after.is_none_or(|after| id.key() > after));
            let row = |(id, entity): (&EntityId, &Entity)| EntityRow {
                entity: id.clone(),
                last: entity.last,
                deleted: entity.is_deleted(),
            };
            let page = rows.by_ref().take(limit).map(row).collect();
            Ok(KeyPage { rows: page, more: rows.next().is_some() })
        })
    }

    async fn types(&self) -> Result<Vec<String>> {
        self.with(|state| {
            let mut types: Vec<_> = state.entities.keys().map(|id| id.entity_type().to_owned()).collect();
            types.dedup();
            Ok(types)
        })
    }

    async fn purge(&self, entity: &EntityId, unless_after: Option<Wall>) -> Result<()> {
        self.with(|state| state.forget(entity, unless_after))
    }

    async fn sweep_dedup(&self, now: Wall) -> Result<usize> {
        self.with(|state| {
            let expired: Vec<_> = state.entities.values_mut().flat_map(|entity| entity.sweep(now)).collect();
            expired.iter().for_each(|(shard, position)| state.blank(*shard, *position));
            Ok(expired.len())
        })
    }
}

#[async_trait]
impl Effects for MemoryStore {
    async fn unfinished(&self, shard: ShardId) -> Result<Unfinished> {
        guard::shard_exists(&self.meta, shard)?;
        self.with(|state| Ok(state.effects.get(&shard).map(effects::Effects::unfinished).unwrap_or_default()))
    }

    async fn with_effects(&self) -> Result<Vec<ShardId>> {
        let some = |(shard, effects): (&ShardId, &effects::Effects)| (!effects.is_empty()).then_some(*shard);
        self.with(|state| Ok(state.effects.iter().filter_map(some).collect()))
    }

    async fn trim(&self, shard: ShardId, delivered: &[Position]) -> Result<()> {
        guard::shard_exists(&self.meta, shard)?;
        self.with(|state| {
            state.effects.entry(shard).or_default().trim(delivered);
            Ok(())
        })
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn close(&self) -> Result<()> {
        *self.lock() = None;
        Ok(())
    }
}
