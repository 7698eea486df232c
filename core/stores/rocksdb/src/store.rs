// SPDX-License-Identifier: Apache-2.0
//! The store's face: calls become requests to the writer or jobs of a reader.

use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use adjoin_model::{
    EntityId, EntityPage, Error, Head, LoadRequest, Outcome, Owner, Position, Result, ShardBatch, ShardId, Snapshot,
    Unfinished, Wall,
};
use adjoin_storage::{Capability, Effects, Entities, Journal, KeyPage, Meta, Store, TailPage, Written, guard};
use async_trait::async_trait;
use futures::channel::oneshot::{Sender, channel};

use crate::folder::Folder;
use crate::open::OpenReport;
use crate::read;
use crate::readers::{Readers, not_started};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::verify::{self, Findings, Verified};
use crate::write::{Raised, Request, Writer, refuse};

/// A store in a folder of this machine. One process has the folder open at a time.
///
/// Dropping it closes it; [`Store::close`] besides leaves nothing to replay for the next open.
pub struct RocksStore {
    /// Taken by drop only, to be left alone in a forked child: the threads that they belong to are missing there.
    parts: Option<Parts>,
    report: OpenReport,
}

struct Parts {
    shared: Arc<Shared>,
    requests: SyncSender<Request>,
    writer: JoinHandle<()>,
    readers: Readers,
}

impl RocksStore {
    /// Opens the store in a folder, or makes it. Blocks while the log of a process that crashed is replayed.
    ///
    /// # Errors
    /// `Unavailable` when the folder is open elsewhere or cannot be read; `NotFound` when there is no store and
    /// [`Settings::create`] is false; `Invalid` when settings and folder disagree or the folder is of a later version;
    /// `Corrupt` when what is there cannot be read.
    pub fn open(path: impl AsRef<Path>, settings: Settings) -> Result<Self> {
        let folder = Folder::take(path.as_ref(), settings.create)?;
        let (readers, queue) = (settings.readers, settings.queue);
        let (shared, report) = Shared::open(folder, settings)?;
        let shared = Arc::new(shared);
        let readers = Readers::start(readers, queue)?;
        let (requests, waiting) = sync_channel(queue);
        let writer = Writer::new(shared.clone());
        let writer = thread::Builder::new().name("adjoin-write".into()).spawn(move || writer.run(&waiting));
        let parts = Parts { shared, requests, writer: writer.map_err(not_started)?, readers };
        Ok(Self { parts: Some(parts), report })
    }

    #[cfg(test)]
    pub(crate) fn fault(&self) -> &std::sync::Mutex<Option<crate::tests::Fault>> {
        &self.parts().shared.fault
    }

    fn parts(&self) -> &Parts {
        let Some(parts) = &self.parts else { unreachable!("taken by drop only") };
        parts
    }

    /// What opening found.
    #[must_use]
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// Reads everything and checks it: that each shard's batches follow one another up to the head, that what they
    /// point to is there, and that every entity can be read. `progress` hears of each turn. Commands may go on.
    ///
    /// # Errors
    /// `Corrupt` for the first damage, with shard and position, entity and sequence, or file and offset.
    pub async fn verify(&self, progress: impl FnMut(Verified) + Send) -> Result<Verified> {
        let Findings { verified, damages, .. } = self.survey(1, progress).await?;
        damages.into_iter().next().map_or(Ok(verified), Err)
    }

    /// The same, going on behind what is damaged; names the first `limit` damaged places and counts the others. One
    /// place may show twice: where it stands, and where something points to it.
    ///
    /// # Errors
    /// What keeps from reading without being damage.
    pub async fn survey(&self, limit: usize, mut progress: impl FnMut(Verified) + Send) -> Result<Findings> {
        let mut found = Findings::at_most(limit);
        for shard in (0..self.meta().shards).map(ShardId) {
            let mut from = Some(1);
            while let Some(position) = from {
                let turn = move |db: &crate::db::Db| {
                    let next = verify::shard(db, shard, position, &mut found)?;
                    Ok((next, found))
                };
                (from, found) = self.parts().readers.run(&self.parts().shared, turn).await?;
                progress(found.verified);
            }
        }
        let mut from = Some(Vec::new());
        while let Some(key) = from {
            let turn = move |db: &crate::db::Db| {
                let next = verify::entities(db, &key, &mut found)?;
                Ok((next, found))
            };
            (from, found) = self.parts().readers.run(&self.parts().shared, turn).await?;
            progress(found.verified);
        }
        Ok(found)
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&crate::db::View<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.parts().readers.run(&self.parts().shared, move |db| read(&db.view())).await
    }

    /// Sends a request; it is refused at once when it cannot be sent.
    fn send(&self, request: Request) {
        if let Err(error) = self.parts().shared.opener().check() {
            return refuse(request, &error);
        }
        match self.parts().requests.try_send(request) {
            Ok(()) => {}
            Err(TrySendError::Full(request)) => {
                refuse(request, &Error::exhausted("too many writes wait for the store").retry_after(100));
            }
            Err(TrySendError::Disconnected(request)) => {
                refuse(request, &Error::unavailable("the store's writer has ended"));
            }
        }
    }

    /// Sends a request and waits for its answer; `None` when the writer ended in a panic.
    async fn ask<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> Option<T> {
        let (to, answer) = channel();
        self.send(request(to));
        answer.await.ok()
    }
}

/// The answer that never came.
fn lost() -> Error {
    Error::internal("the store's writer ended in a panic; the log has it").with_outcome(Outcome::Unknown)
}

impl Drop for RocksStore {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else { return };
        if !parts.shared.opener().is_this() {
            mem::forget(parts);
            return;
        }
        drop(parts.requests);
        // A thread that panicked has said so.
        let _ = parts.writer.join();
        parts.readers.stop();
    }
}

#[async_trait]
impl Journal for RocksStore {
    fn capability(&self) -> &Capability {
        &self.parts().shared.capability
    }

    fn meta(&self) -> Meta {
        self.parts().shared.meta
    }

    async fn write(&self, batches: &[ShardBatch]) -> Vec<Written> {
        let answer = self.ask(|to| Request::Write { batches: batches.to_vec(), to }).await;
        answer.unwrap_or_else(|| vec![Written::Unknown(lost()); batches.len()])
    }

    async fn head(&self, shard: ShardId) -> Result<Head> {
        let shared = &self.parts().shared;
        guard::shard_exists(&shared.meta, shard)?;
        shared.with_heads(|heads| heads.get(shard.0 as usize).copied().unwrap_or(Head::EMPTY))
    }

    async fn heads(&self) -> Result<Vec<(ShardId, Head)>> {
        let touched = |(shard, head): (u32, &Head)| (*head != Head::EMPTY).then_some((ShardId(shard), *head));
        self.parts().shared.with_heads(|heads| (0..).zip(heads).filter_map(touched).collect())
    }

    async fn raise(&self, claims: &[(ShardId, Head)], owner: Owner) -> Raised {
        let answer = self.ask(|to| Request::Raise { claims: claims.to_vec(), owner, to }).await;
        answer.unwrap_or_else(|| vec![Err(Written::Unknown(lost())); claims.len()])
    }

    async fn tail(&self, shard: ShardId, from: Position, max_bytes: usize) -> Result<TailPage> {
        guard::shard_exists(&self.meta(), shard)?;
        self.read(move |view| read::tail(view, shard, from, max_bytes)).await
    }
}

#[async_trait]
impl Entities for RocksStore {
    async fn load(&self, entity: &EntityId, request: LoadRequest) -> Result<EntityPage> {
        let entity = entity.clone();
        self.read(move |view| read::load(view, &entity, request)).await
    }

    async fn keep_snapshot(&self, entity: &EntityId, snapshot: &Snapshot) -> Result<()> {
        let (entity, snapshot) = (entity.clone(), snapshot.clone());
        self.ask(|to| Request::Snapshot { entity, snapshot, to }).await.unwrap_or_else(|| Err(lost()))
    }

    async fn keys(&self, entity_type: &str, after: Option<&str>, limit: usize) -> Result<KeyPage> {
        let (entity_type, after) = (entity_type.to_owned(), after.map(str::to_owned));
        self.read(move |view| read::keys(view, &entity_type, after.as_deref(), limit)).await
    }

    async fn types(&self) -> Result<Vec<String>> {
        self.read(read::types).await
    }

    async fn purge(&self, entity: &EntityId, unless_after: Option<Wall>) -> Result<()> {
        let entity = entity.clone();
        self.ask(|to| Request::Purge { entity, unless_after, to }).await.unwrap_or_else(|| Err(lost()))
    }

    async fn sweep_dedup(&self, now: Wall) -> Result<usize> {
        self.ask(|to| Request::Sweep { now, to }).await.unwrap_or_else(|| Err(lost()))
    }
}

#[async_trait]
impl Effects for RocksStore {
    async fn unfinished(&self, shard: ShardId) -> Result<Unfinished> {
        guard::shard_exists(&self.meta(), shard)?;
        self.read(move |view| read::unfinished(view, shard)).await
    }

    async fn with_effects(&self) -> Result<Vec<ShardId>> {
        self.read(read::shards).await
    }

    async fn trim(&self, shard: ShardId, delivered: &[Position]) -> Result<()> {
        guard::shard_exists(&self.meta(), shard)?;
        let delivered = delivered.to_vec();
        self.ask(|to| Request::Trim { shard, delivered, to }).await.unwrap_or_else(|| Err(lost()))
    }
}

#[async_trait]
impl Store for RocksStore {
    async fn close(&self) -> Result<()> {
        self.ask(|to| Request::Close { to }).await.unwrap_or_else(|| Err(lost()))
    }
}
