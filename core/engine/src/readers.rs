// SPDX-License-Identifier: Apache-2.0
//! A bounded number of threads that ask the store for everything but batches: loads, raises, snapshots, sweeps.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use adjoin_entity::{Input, LoadId, ShardInput};
use adjoin_model::{EntityId, Error, Head, LoadRequest, Owner, Result, ShardId, Snapshot, Wall};
use adjoin_storage::{Refusal, Store, Written};
use tokio::runtime::Handle;

use crate::message::Message;
use crate::shared::Shared;
use crate::threads::{self, Ended};

/// What is asked of the store.
pub(crate) enum Job {
    /// A page of an entity; answered to the loop `home`.
    Load { home: u8, load: LoadId, entity: EntityId, request: LoadRequest },
    /// A higher epoch, then the head; answered to the loop `home`.
    Raise { home: u8, shard: ShardId, expected: Head },
    /// A snapshot to keep. Not answered.
    Keep { entity: EntityId, snapshot: Snapshot },
    /// Idempotency records that have expired go. Not answered.
    Sweep { now: Wall },
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

/// The queue in front of the threads. Loads are bounded by the activations that a loop has under way.
#[derive(Default)]
pub(crate) struct Readers {
    queue: Mutex<Queue>,
    news: Condvar,
}

/// The loops' way to the readers, shared by all of them: its end is theirs.
pub(crate) struct Asks(Arc<Readers>);

impl Asks {
    pub(crate) fn send(&self, job: Job) {
        self.0.lock().jobs.push_back(job);
        self.0.news.notify_one();
    }
}

impl Drop for Asks {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.news.notify_all();
    }
}

impl Readers {
    /// Starts so many threads.
    ///
    /// # Errors
    /// `Exhausted` when the system has no thread left.
    pub(crate) fn start(threads: usize, asker: &Asker, ended: &Ended) -> Result<Asks> {
        let asks = Asks(Arc::default());
        for index in 0..threads {
            let (readers, asker, runtime) = (asks.0.clone(), asker.clone(), Handle::current());
            threads::spawn(&format!("adjoin-read-{index}"), ended.clone(), move || {
                while let Some(job) = readers.next() {
                    runtime.block_on(asker.run(job));
                }
            })?;
        }
        Ok(asks)
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Pushing and popping leave the queue whole at any time.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the store on one of the threads.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) owner: Owner,
}

impl Asker {
    async fn run(&self, job: Job) {
        match job {
            Job::Load { home, load, entity, request } => {
                let page = threads::guarded(self.store.load(&entity, request)).await;
                let page = page.unwrap_or_else(|said| Err(Error::internal(said).at("entity", &entity)));
                self.tell(home, Input::Loaded { load, page });
            }
            Job::Raise { home, shard, expected } => {
                let input = threads::guarded(self.raise(shard, expected)).await.unwrap_or(ShardInput::RaiseFailed);
                self.tell(home, Input::Shard { shard, input });
            }
            Job::Keep { entity, snapshot } => {
                let kept = threads::guarded(self.store.keep_snapshot(&entity, &snapshot)).await;
                if let Err(error) = kept.unwrap_or_else(|said| Err(Error::internal(said))) {
                    tracing::warn!(%entity, %error, "a snapshot was not kept: the next activation replays more events");
                }
            }
            Job::Sweep { now } => match threads::guarded(self.store.sweep_dedup(now)).await {
                Ok(Ok(swept)) => tracing::debug!(swept, "expired idempotency records have gone"),
                Ok(Err(error)) => tracing::warn!(%error, "expired idempotency records could not be swept"),
                Err(said) => tracing::warn!(said, "expired idempotency records could not be swept"),
            },
        }
    }

    fn tell(&self, home: u8, input: Input) {
        // A loop that has stopped asks no more.
        drop(self.shared.send(home, Message::Input(input)));
    }

    /// Raises, and only then reads: what the head says now is final for every older epoch.
    async fn raise(&self, shard: ShardId, expected: Head) -> ShardInput {
        let raised = self.store.raise(&[(shard, expected)], self.owner).await.pop();
        match raised {
            Some(Ok(_)) => self.read_head(shard).await,
            // An earlier raise of ours, whose outcome was unknown, has been applied after all.
            Some(Err(Written::Refused(Refusal::Fenced(head)))) if head.owner == Some(self.owner) => {
                self.read_head(shard).await
            }
            Some(Err(Written::Refused(Refusal::Fenced(head)))) => {
                tracing::warn!(%shard, ?head, "another owner has taken the shard");
                ShardInput::Fenced
            }
            Some(Err(why)) => {
                tracing::warn!(%shard, ?why, "the shard's epoch could not be raised; it is tried again");
                ShardInput::RaiseFailed
            }
            None => ShardInput::RaiseFailed,
        }
    }

    async fn read_head(&self, shard: ShardId) -> ShardInput {
        match self.store.head(shard).await {
            Ok(head) if head.owner == Some(self.owner) => ShardInput::Raised(head),
            Ok(head) => {
                tracing::warn!(%shard, ?head, "another owner has taken the shard");
                ShardInput::Fenced
            }
            Err(error) => {
                tracing::warn!(%shard, %error, "the shard's head could not be read; it is tried again");
                ShardInput::RaiseFailed
            }
        }
    }
}
