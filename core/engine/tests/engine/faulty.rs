// SPDX-License-Identifier: Apache-2.0
//! A store that fails on request.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use adjoin_model::{
    EntityId, EntityPage, Error, Head, LoadRequest, Owner, Position, Result, ShardBatch, ShardId, Snapshot, Unfinished,
    Wall,
};
use adjoin_storage::{Capability, Effects, Entities, Journal, KeyPage, Meta, Refusal, Store, TailPage, Written};
use async_trait::async_trait;

/// What happens to the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None, this time.
    Passes,
    /// Written, but the answer is lost.
    AppliedUnknown,
    /// Not written, and the answer is lost.
    LostUnknown,
    /// Refused, and known to be.
    Refused,
    /// The store panics.
    Panic,
}

pub(crate) struct FaultyStore {
    inner: Arc<dyn Store>,
    writes: Mutex<VecDeque<Fault>>,
    raises: Mutex<VecDeque<Fault>>,
    loads: Mutex<VecDeque<Fault>>,
    pub(crate) written: AtomicUsize,
    pub(crate) batches: AtomicUsize,
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            writes: Mutex::default(),
            raises: Mutex::default(),
            loads: Mutex::default(),
            written: AtomicUsize::new(0),
            batches: AtomicUsize::new(0),
        }
    }

    pub(crate) fn fail_write(&self, fault: Fault) {
        self.writes.lock().expect("a lock").push_back(fault);
    }

    pub(crate) fn fail_raise(&self, fault: Fault) {
        self.raises.lock().expect("a lock").push_back(fault);
    }

    pub(crate) fn fail_load(&self, fault: Fault) {
        self.loads.lock().expect("a lock").push_back(fault);
    }
}

fn next(faults: &Mutex<VecDeque<Fault>>) -> Option<Fault> {
    faults.lock().expect("a lock").pop_front()
}

fn lost() -> Written {
    Written::Unknown(Error::unavailable("the answer is lost"))
}

fn refused() -> Written {
    Written::Refused(Refusal::Failed(Error::unavailable("the disk is full")))
}

#[async_trait]
impl Journal for FaultyStore {
    fn capability(&self) -> &Capability {
        self.inner.capability()
    }

    fn meta(&self) -> Meta {
        self.inner.meta()
    }

    async fn write(&self, batches: &[ShardBatch]) -> Vec<Written> {
        self.written.fetch_add(1, Ordering::SeqCst);
        self.batches.fetch_add(batches.len(), Ordering::SeqCst);
        let all = |written: Written| vec![written; batches.len()];
        match next(&self.writes) {
            None | Some(Fault::Passes) => self.inner.write(batches).await,
            Some(Fault::AppliedUnknown) => {
                self.inner.write(batches).await;
                all(lost())
            }
            Some(Fault::LostUnknown) => all(lost()),
            Some(Fault::Refused) => all(refused()),
            Some(Fault::Panic) => panic!("the store panics on request"),
        }
    }

    async fn head(&self, shard: ShardId) -> Result<Head> {
        self.inner.head(shard).await
    }

    async fn heads(&self) -> Result<Vec<(ShardId, Head)>> {
        self.inner.heads().await
    }

    async fn raise(&self, claims: &[(ShardId, Head)], owner: Owner) -> Vec<core::result::Result<Head, Written>> {
        match next(&self.raises) {
            None | Some(Fault::Passes) => self.inner.raise(claims, owner).await,
            Some(Fault::AppliedUnknown) => {
                self.inner.raise(claims, owner).await;
                vec![Err(lost()); claims.len()]
            }
            Some(Fault::LostUnknown) => vec![Err(lost()); claims.len()],
            Some(Fault::Refused) => vec![Err(refused()); claims.len()],
            Some(Fault::Panic) => panic!("the store panics on request"),
        }
    }

    async fn tail(&self, shard: ShardId, from: Position, max_bytes: usize) -> Result<TailPage> {
        self.inner.tail(shard, from, max_bytes).await
    }
}

#[async_trait]
impl Entities for FaultyStore {
    async fn load(&self, entity: &EntityId, request: LoadRequest) -> Result<EntityPage> {
        match next(&self.loads) {
            None => self.inner.load(entity, request).await,
            Some(Fault::Panic) => panic!("the store panics on request"),
            Some(_) => Err(Error::unavailable("the store does not answer")),
        }
    }

    async fn keep_snapshot(&self, entity: &EntityId, snapshot: &Snapshot) -> Result<()> {
        self.inner.keep_snapshot(entity, snapshot).await
    }

    async fn keys(&self, entity_type: &str, after: Option<&str>, limit: usize) -> Result<KeyPage> {
        self.inner.keys(entity_type, after, limit).await
    }

    async fn types(&self) -> Result<Vec<String>> {
        self.inner.types().await
    }

    async fn purge(&self, entity: &EntityId, unless_after: Option<Wall>) -> Result<()> {
        self.inner.purge(entity, unless_after).await
    }

    async fn sweep_dedup(&self, now: Wall) -> Result<usize> {
        self.inner.sweep_dedup(now).await
    }
}

#[async_trait]
impl Effects for FaultyStore {
    async fn unfinished(&self, shard: ShardId) -> Result<Unfinished> {
        self.inner.unfinished(shard).await
    }

    async fn with_effects(&self) -> Result<Vec<ShardId>> {
        self.inner.with_effects().await
    }

    async fn trim(&self, shard: ShardId, delivered: &[Position]) -> Result<()> {
        self.inner.trim(shard, delivered).await
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
