// SPDX-License-Identifier: Apache-2.0
//! The contract of [`Journal`](crate::Journal) where several do something at once: threads of their own, so that a store
//! is really used from many sides.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use adjoin_model::{Body, Head, Record, Sequence, ShardBatch, ShardId};
use futures::FutureExt as _;
use futures::executor::block_on;

use super::{Fixture, ME, Subject, dedup, event, id, record, sequences, well};
use crate::{Refusal, Store, Written};

/// Records of a batch that is read while it is written: events, and an idempotency record among them.
const BATCH: u64 = 4;
/// Looks of the readers that go with writing: enough to meet a batch in the middle if there is one.
const LOOKS: u64 = 300;
/// Batches that are written at least and at most, whatever the readers do.
const BATCHES: RangeInclusive<u64> = 20..=2000;
/// Raises that come upon a writer.
const RACES: u64 = 30;
/// Events of a batch of that writer.
const RACING: u64 = 5;

/// No reader sees part of a batch while it is written, and a refused one leaves nothing.
pub async fn batch_is_all_or_nothing(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let (ended, looks) = (AtomicBool::new(false), AtomicU64::new(0));
    let written = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| read_until(&subject, &ended, &looks));
        }
        let writer = scope.spawn(|| {
            let written = write_while(&subject, || looks.load(Ordering::SeqCst) < LOOKS);
            ended.store(true, Ordering::SeqCst);
            written
        });
        // Readers must end, however the writer does.
        let written = writer.join();
        ended.store(true, Ordering::SeqCst);
        written
    });
    let written = joined(written);
    assert_eq!(look(&subject).await, written * BATCH);
    assert_eq!(subject.store.head(subject.shard(&id("ada"))).await.map(|head| head.position), Ok(written * BATCH));
}

/// Writes whole batches, and a refused one after each, as long as `more` says; answers how many were applied.
fn write_while(subject: &Subject, more: impl Fn() -> bool) -> u64 {
    let mut written = 0;
    while written < *BATCHES.start() || (more() && written < *BATCHES.end()) {
        block_on(subject.write(whole_batch(written)));
        written += 1;
        let next = written * (BATCH - 1) + 1;
        let half_bad = block_on(subject.batch(vec![event("ada", next, 1), event("ada", next + 2, 1)]));
        assert!(matches!(block_on(subject.write_batch(half_bad)), Written::Refused(Refusal::Failed(_))));
    }
    written
}

fn whole_batch(number: u64) -> Vec<Record> {
    let first = number * (BATCH - 1) + 1;
    let kept = record(&id("ada"), first, Body::Dedup(dedup(&format!("k{number}"), 100)));
    vec![event("ada", first, 50), kept, event("ada", first + 1, 50), event("ada", first + 2, 50)]
}

fn read_until(subject: &Subject, ended: &AtomicBool, looks: &AtomicU64) {
    let mut before = 0;
    while !ended.load(Ordering::SeqCst) {
        let now = block_on(look(subject));
        assert!(now >= before, "the journal went back from {before} to {now}");
        before = now;
        looks.fetch_add(1, Ordering::SeqCst);
    }
}

/// Looks at the entity, the head and the tail, each of which must show whole batches; answers how many records there
/// were at least.
async fn look(subject: &Subject) -> u64 {
    let page = subject.load(&id("ada")).await;
    let batches = page.dedup.len() as u64;
    let expected: Vec<Sequence> = (1..=batches * (BATCH - 1)).collect();
    assert_eq!((sequences(&page), page.last), (expected, batches * (BATCH - 1)), "part of a batch is loaded");
    let shard = subject.shard(&id("ada"));
    let position = subject.head(shard).await.position;
    assert!(position.is_multiple_of(BATCH), "the head stands in a batch: {position}");
    let tail = well(subject.store.tail(shard, 1, usize::MAX).await).records;
    assert!((tail.len() as u64).is_multiple_of(BATCH), "the tail ends in a batch: {}", tail.len());
    tail.len() as u64
}

/// Once raised, a write of an older epoch is never applied: the position that the raise gave is final. So it is for a
/// write that comes late, for one whose caller has hung up, and for one that is under way while the raise runs.
pub async fn raise_settles_an_unknown_write(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let late = next(&subject).await;
    let raised = raise(&subject, late.shard).await;
    assert_eq!(subject.write_batch(late.clone()).await, Written::Refused(Refusal::Fenced(raised)));
    settled(&subject, late.shard, raised).await;

    let abandoned = next(&subject).await;
    drop(subject.store.write(std::slice::from_ref(&abandoned)).now_or_never());
    let raised = raise(&subject, abandoned.shard).await;
    settled(&subject, abandoned.shard, raised).await;

    for round in 0..RACES {
        race(&subject, round % 4).await;
    }
}

/// Raises while somebody writes batch after batch and has written so many: what the raise says holds, and the writer is
/// told the same.
async fn race(subject: &Subject, batches: u64) {
    let first = next(subject).await;
    let (shard, before) = (first.shard, subject.head(first.shard).await);
    let written = AtomicU64::new(0);
    let (told, raised) = thread::scope(|scope| {
        let writer = scope.spawn(|| write_until_fenced(&subject.store, first, &written));
        while written.load(Ordering::SeqCst) < batches && !writer.is_finished() {
            thread::yield_now();
        }
        // A thread of its own: this one runs a future already.
        let raiser = scope.spawn(|| {
            let raised = well(block_on(subject.store.raise(&[(shard, before)], ME)).remove(0));
            // A write may be under way still: what is there now is what there will be.
            assert_eq!(well(block_on(subject.store.head(shard))), raised);
            raised
        });
        (joined(writer.join()), joined(raiser.join()))
    });
    assert_eq!(told, raised);
    assert_eq!(raised.position, before.position + written.into_inner() * RACING, "as many as were called durable");
    settled(subject, shard, raised).await;
}

/// Writes one batch after the other; answers the head by which the last one is refused.
fn write_until_fenced(store: &Arc<dyn Store>, mut batch: ShardBatch, written: &AtomicU64) -> Head {
    loop {
        match block_on(store.write(std::slice::from_ref(&batch))).remove(0) {
            Written::Durable => {
                written.fetch_add(1, Ordering::SeqCst);
                batch = ShardBatch { first: batch.last() + 1, records: events_after(batch.last()), ..batch };
            }
            Written::Refused(Refusal::Fenced(head)) => return head,
            other => panic!("neither written nor fenced: {other:?}"),
        }
    }
}

/// What a thread answered; its panic goes on here.
fn joined<T>(result: thread::Result<T>) -> T {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The next events of the one entity whose shard this is, so that sequences are positions.
fn events_after(last: Sequence) -> Vec<Record> {
    (last + 1..=last + RACING).map(|sequence| event("ada", sequence, 100)).collect()
}

/// A batch of them, on the present head.
async fn next(subject: &Subject) -> ShardBatch {
    let last = subject.head(subject.shard(&id("ada"))).await.position;
    subject.batch(events_after(last)).await
}

async fn raise(subject: &Subject, shard: ShardId) -> Head {
    let before = subject.head(shard).await;
    well(subject.store.raise(&[(shard, before)], ME).await.remove(0))
}

/// The journal stands where the raise said, and nothing is behind that.
async fn settled(subject: &Subject, shard: ShardId, raised: Head) {
    assert_eq!(subject.head(shard).await, raised);
    assert_eq!(well(subject.store.tail(shard, raised.position + 1, usize::MAX).await).records, []);
    assert_eq!(subject.load_page(&id("ada"), Some(raised.position), None, usize::MAX).await.last, raised.position);
}
