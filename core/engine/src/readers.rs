// SPDX-License-Identifier: Apache-2.0
//! Tasks that ask the store for everything but batches: loads, raises, snapshots, sweeps. A bounded number at once.

use std::sync::Arc;

use adjoin_entity::{ConsumerPlace, EventPage, Input, LoadId, ShardInput};
use adjoin_model::{EntityId, Error, Head, LoadRequest, Owner, Position, ShardId, Snapshot, Wall};
use adjoin_storage::{Refusal, Store, Written};
use tokio::sync::Semaphore;

use crate::guard::guarded;
use crate::message::Message;
use crate::shared::Shared;
use crate::start::Alive;

/// What is asked of the store.
pub(crate) enum Job {
    /// A page of an entity; answered to the loop `home`.
    Load { home: u8, load: LoadId, entity: EntityId, request: LoadRequest },
    /// A higher epoch, then the head; answered to the loop `home`.
    Raise { home: u8, shard: ShardId, expected: Head },
    /// A snapshot to keep. Not answered.
    Keep { entity: EntityId, snapshot: Snapshot },
    /// Outbox records that were delivered go. Not answered.
    Trim { shard: ShardId, delivered: Vec<Position> },
    /// A part of a shard's journal, for a consumer; answered to the loop `home`.
    Events { home: u8, shard: ShardId, consumer: ConsumerPlace, from: Position, max_bytes: usize },
    /// Idempotency records that have expired go. Not answered.
    Sweep { now: Wall },
}

/// The loops' way to the store for everything but batches.
///
/// Jobs that wait are bounded by the loops: loads by their activations under way, raises by their shards, snapshots by
/// their commands, events by their consumers.
#[derive(Clone)]
pub(crate) struct Asks {
    asker: Arc<Asker>,
    places: Arc<Semaphore>,
    alive: Alive,
}

impl Asks {
    pub(crate) fn new(asker: Asker, places: usize, alive: Alive) -> Self {
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self { asker: Arc::new(asker), places, alive }
    }

    /// Asks. Within the engine's runtime only.
    pub(crate) fn send(&self, job: Job) {
        let Self { asker, places, alive } = self.clone();
        tokio::spawn(async move {
            // A raise never waits behind loads: its shard writes nothing until it is done.
            let place = if matches!(job, Job::Raise { .. }) { None } else { places.acquire().await.ok() };
            asker.run(job).await;
            drop((place, alive));
        });
    }
}

/// Asks the store.
pub(crate) struct Asker {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) owner: Owner,
}

impl Asker {
    async fn run(&self, job: Job) {
        match job {
            Job::Load { home, load, entity, request } => {
                let page = guarded(self.store.load(&entity, request)).await;
                let page = page.unwrap_or_else(|said| Err(Error::internal(said).at("entity", &entity)));
                self.tell(home, Input::Loaded { load, page });
            }
            Job::Raise { home, shard, expected } => {
                let input = guarded(self.raise(shard, expected)).await.unwrap_or(ShardInput::RaiseFailed);
                self.tell(home, Input::Shard { shard, input });
            }
            Job::Keep { entity, snapshot } => {
                let kept = guarded(self.store.keep_snapshot(&entity, &snapshot)).await;
                if let Err(error) = kept.unwrap_or_else(|said| Err(Error::internal(said))) {
                    tracing::warn!(%entity, %error, "a snapshot was not kept: the next activation replays more events");
                }
            }
            Job::Trim { shard, delivered } => {
                let trimmed = guarded(self.store.trim(shard, &delivered)).await;
                if let Err(error) = trimmed.unwrap_or_else(|said| Err(Error::internal(said))) {
                    tracing::warn!(%shard, %error, "delivered effects stay in the outbox; the next start sends them again");
                }
            }
            Job::Events { home, shard, consumer, from, max_bytes } => {
                let page = guarded(self.events(shard, from, max_bytes)).await;
                let page = page.unwrap_or_else(|said| Err(Error::internal(said)));
                if let Err(error) = &page {
                    tracing::warn!(%shard, from, %error, "events could not be read; it is tried again");
                }
                self.tell(home, Input::EventsRead { shard, consumer, from, page });
            }
            Job::Sweep { now } => match guarded(self.store.sweep_dedup(now)).await {
                Ok(Ok(swept)) => tracing::debug!(swept, "expired idempotency records have gone"),
                Ok(Err(error)) => tracing::warn!(%error, "expired idempotency records could not be swept"),
                Err(said) => tracing::warn!(said, "expired idempotency records could not be swept"),
            },
        }
    }

    async fn events(&self, shard: ShardId, from: Position, max_bytes: usize) -> adjoin_model::Result<EventPage> {
        let page = self.store.tail(shard, from, max_bytes).await?;
        Ok(EventPage { records: page.records.into_iter().map(|stored| (stored.position, stored.record)).collect() })
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
