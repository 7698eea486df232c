// SPDX-License-Identifier: Apache-2.0
//! The one writer: it takes every batch that waits in any loop and has the store write them at once.

use std::sync::Arc;

use adjoin_entity::ShardInput;
use adjoin_model::{Error, Record, ShardBatch, ShardId};
use adjoin_storage::{Refusal, Store, Written};
use metrics::{Counter, Histogram};
use tokio::sync::mpsc;

use crate::guard::guarded;
use crate::message::Message;
use crate::shared::Shared;

/// Bytes that are handed to the store at once.
const WRITE_BYTES: usize = 32 << 20;

/// Batches that are handed to the store at once.
const BATCHES: usize = 4096;

/// A loop's way to the writer.
#[derive(Clone)]
pub(crate) struct Writes(mpsc::UnboundedSender<(u8, ShardBatch)>);

impl Writes {
    /// Asks for a batch to be written. At most one per shard is under way, which bounds the queue.
    pub(crate) fn send(&self, home: u8, batch: ShardBatch) {
        // The writer ends only after every loop has.
        drop(self.0.send((home, batch)));
    }
}

/// The writer's end of [`Writes`].
pub(crate) struct Waiting(mpsc::UnboundedReceiver<(u8, ShardBatch)>);

pub(crate) fn channel() -> (Writes, Waiting) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Writes(sender), Waiting(receiver))
}

/// The task.
pub(crate) struct Writer {
    store: Arc<dyn Store>,
    shared: Arc<Shared>,
    appends: Histogram,
    batches: Histogram,
    seconds: Histogram,
    records: Counter,
    bytes: Counter,
}

impl Writer {
    pub(crate) fn new(store: Arc<dyn Store>, shared: Arc<Shared>) -> Self {
        Self {
            store,
            shared,
            appends: metrics::histogram!("adjoin_append_records"),
            batches: metrics::histogram!("adjoin_append_batches"),
            seconds: metrics::histogram!("adjoin_append_seconds"),
            records: metrics::counter!("adjoin_appended_records_total"),
            bytes: metrics::counter!("adjoin_appended_bytes_total"),
        }
    }

    /// Writes until every loop has ended.
    pub(crate) async fn run(self, Waiting(mut queue): Waiting) {
        let mut taken = Vec::new();
        while queue.recv_many(&mut taken, BATCHES).await > 0 {
            let mut left = std::mem::take(&mut taken).into_iter().peekable();
            while left.peek().is_some() {
                let (homes, batches) = next_write(&mut left);
                self.write(&homes, batches).await;
            }
        }
    }

    async fn write(&self, homes: &[u8], batches: Vec<ShardBatch>) {
        let before = self.shared.clock.now().mono;
        let written = self.store_write(&batches).await;
        let micros = self.shared.clock.now().mono.since(before);
        self.count(&batches, micros);
        let mut settled: Vec<Vec<(ShardId, ShardInput)>> = Vec::new();
        settled.resize_with(self.shared.inboxes.len(), Vec::new);
        for ((home, batch), written) in homes.iter().zip(&batches).zip(written) {
            if let Some(own) = settled.get_mut(usize::from(*home)) {
                own.push((batch.shard, meaning(batch.shard, written)));
            }
        }
        for (home, own) in (0_u8..).zip(settled).filter(|(_, own)| !own.is_empty()) {
            // A loop that has stopped has answered its callers already, as unknown.
            drop(self.shared.send(home, Message::Written(own)));
        }
    }

    /// A store that panics or miscounts leaves every outcome unknown.
    async fn store_write(&self, batches: &[ShardBatch]) -> Vec<Written> {
        let unknown = |said: &str| vec![Written::Unknown(Error::internal(said)); batches.len()];
        match guarded(self.store.write(batches)).await {
            Ok(written) if written.len() == batches.len() => written,
            Ok(_) => unknown("the store answered for another number of batches than it was given"),
            Err(said) => unknown(&said),
        }
    }

    fn count(&self, batches: &[ShardBatch], micros: u64) {
        let records: usize = batches.iter().map(|batch| batch.records.len()).sum();
        let bytes: usize = batches.iter().map(bytes_of).sum();
        self.appends.record(records as f64);
        self.batches.record(batches.len() as f64);
        self.seconds.record(micros as f64 / 1e6);
        self.records.increment(records as u64);
        self.bytes.increment(bytes as u64);
        tracing::trace!(target: "adjoin::append", batches = batches.len(), records, bytes, micros, "written");
    }
}

fn bytes_of(batch: &ShardBatch) -> usize {
    batch.records.iter().map(Record::size).sum()
}

/// As many batches as make one write.
fn next_write(left: &mut std::iter::Peekable<impl Iterator<Item = (u8, ShardBatch)>>) -> (Vec<u8>, Vec<ShardBatch>) {
    let (mut homes, mut batches, mut bytes) = (Vec::new(), Vec::new(), 0);
    while let Some((home, batch)) = left.next_if(|_| bytes < WRITE_BYTES) {
        bytes += bytes_of(&batch);
        homes.push(home);
        batches.push(batch);
    }
    (homes, batches)
}

/// What the store's answer means to the shard.
fn meaning(shard: ShardId, written: Written) -> ShardInput {
    match written {
        Written::Durable => ShardInput::Durable,
        Written::Refused(Refusal::Failed(error)) => ShardInput::Refused(error),
        Written::Refused(Refusal::Fenced(head)) => {
            tracing::warn!(%shard, ?head, "another owner has taken the shard");
            ShardInput::Fenced
        }
        // Either our own write is there already or the journal is not what we know: the raise that follows an unknown
        // outcome reads the head and tells the two apart.
        Written::Refused(Refusal::Position(head)) => {
            tracing::error!(%shard, ?head, "the head is not where this host left it");
            ShardInput::Unknown
        }
        Written::Unknown(error) => {
            tracing::warn!(%shard, %error, "a write's outcome is unknown");
            ShardInput::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::{Body, CommandId, EntityId, Epoch, Head, Owner, Payload, Wall};

    fn batch(shard: u32, bytes: usize) -> (u8, ShardBatch) {
        let record = Record {
            entity: EntityId::new("T", "k").expect("an id"),
            sequence: 1,
            command: CommandId(1),
            at: Wall(0),
            body: Body::Event(Payload::new("E", vec![0; bytes])),
        };
        let shard = ShardId(shard);
        (0, ShardBatch { shard, epoch: Epoch(1), owner: Owner(1), first: 1, records: vec![record] })
    }

    #[test]
    fn a_write_is_bounded_in_bytes_and_takes_at_least_one_batch() {
        let mut left = vec![batch(0, WRITE_BYTES), batch(1, 10), batch(2, 10)].into_iter().peekable();
        let shards = |(_, batches): (Vec<u8>, Vec<ShardBatch>)| batches.iter().map(|b| b.shard.0).collect::<Vec<_>>();
        assert_eq!(shards(next_write(&mut left)), [0]);
        assert_eq!(shards(next_write(&mut left)), [1, 2]);
    }

    #[test]
    fn a_lost_position_is_settled_by_a_raise() {
        let refused = Written::Refused(Refusal::Position(Head::EMPTY));
        assert_eq!(meaning(ShardId(1), refused), ShardInput::Unknown);
        assert_eq!(meaning(ShardId(1), Written::Refused(Refusal::Fenced(Head::EMPTY))), ShardInput::Fenced);
    }
}
