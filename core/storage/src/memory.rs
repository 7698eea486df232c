// SPDX-License-Identifier: Apache-2.0
//! The conditional chain in memory: for tests, and for entities opened without a path.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use adjoin_model::{Epoch, Error, Head, Owner, Position, Record, Result, Sequence, ShardBatch, ShardId};
use async_trait::async_trait;

use crate::store::{Capability, Journal, Meta, Refusal, StoredRecord, TailPage, Written};

#[derive(Default)]
struct Chain {
    head: Option<Head>,
    records: Vec<(Epoch, Record)>,
    last: BTreeMap<adjoin_model::EntityId, Sequence>,
}

/// A journal that lives as long as the process. Nothing survives it, which its capability says.
pub struct MemoryJournal {
    capability: Capability,
    meta: Meta,
    chains: Mutex<BTreeMap<ShardId, Chain>>,
}

impl MemoryJournal {
    /// An empty journal of so many shards. `store_id` is the caller's randomness.
    ///
    /// # Errors
    /// `Invalid` unless there are 16 to 65 536 shards.
    pub fn new(shards: u32, store_id: u128) -> Result<Self> {
        if !(16..=65_536).contains(&shards) {
            return Err(Error::invalid(format!("a store has 16 to 65536 shards, not {shards}")));
        }
        let capability = Capability { name: "memory", durable: false, max_batch_bytes: 8 << 20, shared: false };
        Ok(Self { capability, meta: Meta { format: 1, shards, store_id }, chains: Mutex::default() })
    }

    fn chains(&self) -> MutexGuard<'_, BTreeMap<ShardId, Chain>> {
        // A batch is checked before anything changes, so a panic elsewhere leaves no half-applied one behind.
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_range(&self, shard: ShardId) -> Result<()> {
        if shard.0 < self.meta.shards {
            return Ok(());
        }
        Err(Error::invalid(format!("there are {} shards, counted from 0", self.meta.shards)).at("shard", shard))
    }

    fn write_one(&self, batch: &ShardBatch) -> core::result::Result<(), Refusal> {
        self.in_range(batch.shard).map_err(Refusal::Failed)?;
        let bytes: usize = batch.records.iter().map(Record::size).sum();
        if batch.records.is_empty() || bytes > self.capability.max_batch_bytes {
            let said = format!("a batch has 1 record or more and at most {} bytes", self.capability.max_batch_bytes);
            return Err(Refusal::Failed(Error::exhausted(said).at("shard", batch.shard)));
        }
        let mut chains = self.chains();
        let chain = chains.entry(batch.shard).or_default();
        let head = chain.head.unwrap_or(Head::EMPTY);
        if head.epoch != batch.epoch || head.owner != Some(batch.owner) {
            return Err(Refusal::Fenced(head));
        }
        if head.position.checked_add(1) != Some(batch.first) {
            return Err(Refusal::Position(head));
        }
        let last = next_sequences(&chain.last, &batch.records).map_err(Refusal::Failed)?;
        chain.last.extend(last);
        chain.records.extend(batch.records.iter().map(|record| (batch.epoch, record.clone())));
        chain.head = Some(Head { position: batch.last(), ..head });
        Ok(())
    }

    fn raise_one(&self, shard: ShardId, expected: Head, owner: Owner) -> core::result::Result<Head, Refusal> {
        self.in_range(shard).map_err(Refusal::Failed)?;
        let mut chains = self.chains();
        let chain = chains.entry(shard).or_default();
        let head = chain.head.unwrap_or(Head::EMPTY);
        if (head.epoch, head.owner) != (expected.epoch, expected.owner) {
            return Err(Refusal::Fenced(head));
        }
        let raised = Head { epoch: Epoch(head.epoch.0 + 1), owner: Some(owner), position: head.position };
        chain.head = Some(raised);
        Ok(raised)
    }
}

/// The last sequences after these records: the second guard, beside the head.
fn next_sequences(
    known: &BTreeMap<adjoin_model::EntityId, Sequence>,
    records: &[Record],
) -> Result<BTreeMap<adjoin_model::EntityId, Sequence>> {
    let mut last = BTreeMap::new();
    for record in records.iter().filter(|record| record.is_sequenced()) {
        let before = last.get(&record.entity).or_else(|| known.get(&record.entity)).copied().unwrap_or(0);
        if record.sequence != before + 1 {
            let said = format!("the entity's next sequence is {}, not {}", before + 1, record.sequence);
            return Err(Error::internal(said).at("entity", &record.entity));
        }
        last.insert(record.entity.clone(), record.sequence);
    }
    Ok(last)
}

#[async_trait]
impl Journal for MemoryJournal {
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
        self.in_range(shard)?;
        Ok(self.chains().get(&shard).and_then(|chain| chain.head).unwrap_or(Head::EMPTY))
    }

    async fn heads(&self) -> Result<Vec<(ShardId, Head)>> {
        Ok(self.chains().iter().filter_map(|(shard, chain)| Some((*shard, chain.head?))).collect())
    }

    async fn raise(&self, claims: &[(ShardId, Head)], owner: Owner) -> Vec<core::result::Result<Head, Written>> {
        let one =
            |(shard, expected): &(ShardId, Head)| self.raise_one(*shard, *expected, owner).map_err(Written::Refused);
        claims.iter().map(one).collect()
    }

    async fn tail(&self, shard: ShardId, from: Position, max_bytes: usize) -> Result<TailPage> {
        self.in_range(shard)?;
        let chains = self.chains();
        let records = chains.get(&shard).map_or(&[][..], |chain| &chain.records);
        let start = usize::try_from(from.max(1) - 1).unwrap_or(usize::MAX).min(records.len());
        let (mut page, mut bytes) = (Vec::new(), 0);
        for ((epoch, record), position) in records[start..].iter().zip(from.max(1)..) {
            bytes += record.size();
            if !page.is_empty() && bytes > max_bytes {
                break;
            }
            page.push(StoredRecord { position, epoch: *epoch, record: Some(record.clone()) });
        }
        let more = start + page.len() < records.len();
        Ok(TailPage { records: page, more })
    }
}
