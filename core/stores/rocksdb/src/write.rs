// SPDX-License-Identifier: Apache-2.0
//! The writer: one thread that owns every change, so that heads are checked and raised in one order.
//!
//! Everything that waits is staged into one RocksDB batch and synced once; then all callers are answered.

mod cache;
mod stage;
mod upkeep;

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use adjoin_model::{EntityId, Error, Head, Owner, Position, Result, ShardBatch, ShardId, Snapshot, Wall};
use adjoin_storage::{Refusal, Written};
use futures::channel::oneshot::Sender;
use rocksdb::WriteBatch;

use crate::db::Db;
use crate::shared::Shared;
use cache::Rows;
use stage::Stage;

/// Bytes of records after which a group takes no more: a group is one write-ahead record and waits for one sync.
const GROUP_BYTES: usize = 16 << 20;

/// What a raise is answered, shard by shard.
pub(crate) type Raised = Vec<core::result::Result<Head, Written>>;

/// What the writer is asked.
pub(crate) enum Request {
    /// Shard batches.
    Write { batches: Vec<ShardBatch>, to: Sender<Vec<Written>> },
    /// A raise of epochs.
    Raise { claims: Vec<(ShardId, Head)>, owner: Owner, to: Sender<Raised> },
    /// A snapshot to keep.
    Snapshot { entity: EntityId, snapshot: Snapshot, to: Sender<Result<()>> },
    /// An entity to forget.
    Purge { entity: EntityId, unless_after: Option<Wall>, to: Sender<Result<()>> },
    /// Expired dedup records to forget.
    Sweep { now: Wall, to: Sender<Result<usize>> },
    /// Outbox records to forget.
    Trim { shard: ShardId, delivered: Vec<Position>, to: Sender<Result<()>> },
    /// The end.
    Close { to: Sender<Result<()>> },
}

/// A staged request that waits for the sync.
enum Waiting {
    Write(Vec<Written>, Sender<Vec<Written>>),
    Raise(Raised, Sender<Raised>),
}

/// What became of a group.
enum Outcome {
    Durable,
    /// RocksDB says so, and why it cannot have been.
    NotApplied(Error),
    Unknown(Error),
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    rows: Rows,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, rows: Rows::default() }
    }

    /// Serves requests until nobody can send any more.
    pub(crate) fn run(mut self, queue: &Receiver<Request>) {
        let mut next = queue.recv().ok();
        while let Some(request) = next.take() {
            next = match request {
                Request::Write { .. } | Request::Raise { .. } => self.group(request, queue),
                Request::Snapshot { entity, snapshot, to } => {
                    let _ = to.send(self.keep_snapshot(&entity, &snapshot));
                    None
                }
                Request::Purge { entity, unless_after, to } => {
                    let _ = to.send(self.purge(&entity, unless_after));
                    None
                }
                Request::Sweep { now, to } => {
                    let _ = to.send(self.sweep(now));
                    None
                }
                Request::Trim { shard, delivered, to } => {
                    let _ = to.send(self.trim(shard, &delivered));
                    None
                }
                Request::Close { to } => {
                    self.shared.close();
                    let _ = to.send(Ok(()));
                    None
                }
            };
            next = next.or_else(|| queue.recv().ok());
        }
    }

    /// Serves this and every write and raise that waits now; answers a request that came after them, of another kind.
    fn group(&mut self, first: Request, queue: &Receiver<Request>) -> Option<Request> {
        if let Err(error) = self.shared.usable() {
            refuse(first, &error);
            return None;
        }
        let shared = self.shared.clone();
        let outcome = shared.with_db(|db| Ok(self.serve(db, first, queue)));
        outcome.ok().flatten()
    }

    fn serve(&mut self, db: &Db, first: Request, queue: &Receiver<Request>) -> Option<Request> {
        let heads = self.shared.heads_now();
        let mut stage = Stage::new(db, &self.shared, &heads, &self.rows);
        let (mut waiting, mut next) = (Vec::new(), Some(first));
        let mut after = None;
        while let Some(request) = next.take() {
            match request {
                Request::Write { batches, to } => {
                    let staged = |batch| stage.write(batch).map_or_else(Written::Refused, |()| Written::Durable);
                    waiting.push(Waiting::Write(batches.iter().map(staged).collect(), to));
                }
                Request::Raise { claims, owner, to } => {
                    let staged = |(shard, expected): &(ShardId, Head)| {
                        stage.raise(*shard, *expected, owner).map_err(Written::Refused)
                    };
                    waiting.push(Waiting::Raise(claims.iter().map(staged).collect(), to));
                }
                other => after = Some(other),
            }
            if after.is_none() && stage.bytes() < GROUP_BYTES {
                next = queue.try_recv().ok();
            }
        }
        let staged = stage.finish();
        drop(heads);
        let outcome = match staged.batch {
            None => Outcome::Durable,
            Some(batch) => self.commit(db, batch),
        };
        match &outcome {
            Outcome::Durable => {
                self.shared.set_heads(&staged.heads);
                self.rows.keep(staged.rows);
            }
            Outcome::NotApplied(_) => self.shared.full(),
            Outcome::Unknown(error) => self.doubt(error),
        }
        waiting.into_iter().for_each(|waiting| waiting.answer(&outcome));
        after
    }

    fn commit(&self, db: &Db, batch: WriteBatch) -> Outcome {
        match self.shared.apply(db, batch, true) {
            Ok(()) => Outcome::Durable,
            Err(error) => outcome_of(&error),
        }
    }

    /// Something may or may not be written: nothing is believed until RocksDB was opened again.
    fn doubt(&mut self, error: &Error) {
        tracing::error!(%error, "a write's outcome is unknown; the store is opened again before the next one");
        self.rows.forget_all();
        self.shared.doubt();
    }
}

impl Waiting {
    fn answer(self, outcome: &Outcome) {
        // A caller that has gone is told nothing.
        match self {
            Self::Write(mut answers, to) => {
                let applied = answers.iter_mut().filter(|answer| **answer == Written::Durable);
                applied.for_each(|answer| *answer = outcome.written());
                let _ = to.send(answers);
            }
            Self::Raise(mut answers, to) => {
                if !matches!(outcome, Outcome::Durable) {
                    let applied = answers.iter_mut().filter(|answer| answer.is_ok());
                    applied.for_each(|answer| *answer = Err(outcome.written()));
                }
                let _ = to.send(answers);
            }
        }
    }
}

impl Outcome {
    fn written(&self) -> Written {
        match self {
            Self::Durable => Written::Durable,
            Self::NotApplied(error) => Written::Refused(Refusal::Failed(error.clone())),
            Self::Unknown(error) => Written::Unknown(error.clone()),
        }
    }
}

/// A write that RocksDB failed is not known to be absent, but for one case: the log could not be extended because
/// the disk is full. The record is then incomplete for certain, and RocksDB writes nothing behind it until it has room
/// and begins a new log.
fn outcome_of(error: &rocksdb::Error) -> Outcome {
    let text = error.as_ref();
    if text.contains("No space left on device") && !text.contains("sync") {
        let said = format!("the disk is full; nothing was written, and writing goes on when there is room ({text})");
        return Outcome::NotApplied(Error::exhausted(said).retry_after(1000));
    }
    Outcome::Unknown(crate::db::failed(error.clone()).with_outcome(adjoin_model::Outcome::Unknown))
}

/// Answers a request that cannot be served.
pub(crate) fn refuse(request: Request, error: &Error) {
    let refused = || Written::Refused(Refusal::Failed(error.clone()));
    match request {
        Request::Write { batches, to } => drop(to.send(batches.iter().map(|_| refused()).collect())),
        Request::Raise { claims, to, .. } => drop(to.send(claims.iter().map(|_| Err(refused())).collect())),
        Request::Snapshot { to, .. } | Request::Purge { to, .. } | Request::Trim { to, .. } | Request::Close { to } => {
            drop(to.send(Err(error.clone())));
        }
        Request::Sweep { to, .. } => drop(to.send(Err(error.clone()))),
    }
}
