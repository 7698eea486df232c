// SPDX-License-Identifier: Apache-2.0
//! The contract of [`Journal`](crate::Journal).

use adjoin_model::{Body, Epoch, Head, Kind, Owner, ShardBatch, ShardId};

use super::{Fixture, ME, Subject, event, id, named, payload, record, well};
use crate::{Refusal, Written};

/// Applied iff epoch, owner and position match the head.
pub async fn batch_applies_on_matching_head(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.write(vec![event("ada", 1, 1), event("ada", 2, 1)]).await;
    assert_eq!(subject.load(&id("ada")).await.events.len(), 2);
}

/// The head's position is that of the batch's last record.
pub async fn batch_updates_head_atomically(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let batch = subject.batch(vec![event("ada", 1, 1), event("ada", 2, 1), event("ada", 3, 1)]).await;
    let (shard, last) = (batch.shard, batch.last());
    assert_eq!(subject.write_batch(batch).await, Written::Durable);
    assert_eq!(subject.head(shard).await, Head { epoch: Epoch(1), owner: Some(ME), position: last });
}

/// Of several calls at once for one position, exactly one is applied.
pub async fn concurrent_writes_keep_the_chain(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let batch = subject.batch(vec![event("ada", 1, 1)]).await;
    let calls = (0..8).map(|_| subject.write_batch(batch.clone()));
    let answers = futures::future::join_all(calls).await;
    let durable = answers.iter().filter(|answer| **answer == Written::Durable).count();
    assert_eq!(durable, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| !matches!(answer, Written::Unknown(_))), "{answers:?}");
    assert_eq!(subject.head(batch.shard).await.position, 1);
}

/// Refused as Invalid.
pub async fn batch_without_records_is_refused(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let batch = ShardBatch { records: Vec::new(), ..subject.batch(vec![event("ada", 1, 1)]).await };
    let refused = subject.write_batch(batch).await;
    assert!(matches!(&refused, Written::Refused(Refusal::Failed(e)) if e.kind == Kind::Invalid), "{refused:?}");
}

/// Another epoch or owner is fenced, and nothing changes.
pub async fn stale_epoch_is_fenced(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let stale = subject.batch(vec![event("ada", 1, 1)]).await;
    let foreign = ShardBatch { owner: Owner(9), ..stale.clone() };
    let before = subject.head(stale.shard).await;
    assert_eq!(subject.write_batch(foreign).await, Written::Refused(Refusal::Fenced(before)));
    let taken = well(subject.store.raise(&[(stale.shard, before)], Owner(2)).await.remove(0));
    assert_eq!(subject.write_batch(stale.clone()).await, Written::Refused(Refusal::Fenced(taken)));
    assert_eq!(subject.head(stale.shard).await.position, 0);
    assert_eq!(subject.load(&id("ada")).await.last, 0);
}

/// Right epoch and owner, other position: refused with the head.
pub async fn wrong_position_is_refused(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let ahead = ShardBatch { first: 2, ..subject.batch(vec![event("ada", 1, 1)]).await };
    let refused = subject.write_batch(ahead).await;
    assert!(matches!(refused, Written::Refused(Refusal::Position(head)) if head.position == 0), "{refused:?}");
}

/// Batches of other shards in the same call are applied.
pub async fn refused_shard_leaves_others_alone(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let good = subject.batch(vec![event("ada", 1, 1)]).await;
    let stale = ShardBatch { epoch: Epoch(9), ..subject.batch(vec![event("eve", 1, 1)]).await };
    assert_ne!(good.shard, stale.shard);
    let answers = subject.store.write(&[stale, good]).await;
    assert!(matches!(answers[0], Written::Refused(Refusal::Fenced(_))));
    assert_eq!(answers[1], Written::Durable);
}

/// Above the capability's bytes: refused as Exhausted, and the head is as before.
pub async fn oversized_batch_is_refused(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let bytes = subject.store.capability().max_batch_bytes + 1;
    let batch = subject.batch(vec![event("ada", 1, bytes)]).await;
    let refused = subject.write_batch(batch).await;
    assert!(matches!(&refused, Written::Refused(Refusal::Failed(e)) if e.kind == Kind::Exhausted), "{refused:?}");
    subject.write(vec![event("ada", 1, 1)]).await;
}

/// A sequence that does not continue its entity is refused, whatever the head says.
pub async fn sequence_is_unique(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    for sequences in [vec![2], vec![1, 1], vec![1, 3]] {
        let batch = subject.batch(sequences.iter().map(|sequence| event("ada", *sequence, 1)).collect()).await;
        let refused = subject.write_batch(batch).await;
        assert!(matches!(&refused, Written::Refused(Refusal::Failed(e)) if e.kind == Kind::Internal), "{sequences:?}");
    }
    subject.events("ada", 1..=2).await;
    let again = subject.batch(vec![event("ada", 2, 1)]).await;
    assert!(matches!(subject.write_batch(again).await, Written::Refused(Refusal::Failed(_))));
    subject.events("ada", 3..=3).await;
}

/// A shard nobody has claimed has the empty head.
pub async fn head_of_untouched_shard_is_empty(fixture: &dyn Fixture) {
    assert_eq!(fixture.open().head(ShardId(3)).await, Ok(Head::EMPTY));
}

/// A shard that is not there is Invalid, also at the end of the range.
pub async fn shard_out_of_range_is_invalid(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let shards = subject.store.meta().shards;
    let errors =
        [subject.store.head(ShardId(shards)).await.err(), subject.store.tail(ShardId(u32::MAX), 1, 1).await.err()];
    for error in errors {
        assert!(error.as_ref().is_some_and(|error| error.kind == Kind::Invalid), "{error:?}");
    }
    let outside = ShardBatch { shard: ShardId(shards), ..subject.batch(vec![event("ada", 1, 1)]).await };
    let refused = subject.write_batch(outside).await;
    assert!(matches!(&refused, Written::Refused(Refusal::Failed(e)) if e.kind == Kind::Invalid), "{refused:?}");
}

/// Every claimed shard once, ordered.
pub async fn heads_lists_touched_shards(fixture: &dyn Fixture) {
    let store = fixture.open();
    assert_eq!(store.heads().await, Ok(vec![]));
    for shard in [ShardId(5), ShardId(2)] {
        well(store.raise(&[(shard, Head::EMPTY)], ME).await.remove(0));
    }
    let listed: Vec<ShardId> = well(store.heads().await).into_iter().map(|(shard, _)| shard).collect();
    assert_eq!(listed, [ShardId(2), ShardId(5)]);
}

/// Epoch + 1, the new owner, the same position.
pub async fn raise_gives_next_epoch(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.events("ada", 1..=1).await;
    let shard = subject.shard(&id("ada"));
    let before = subject.head(shard).await;
    let raised = subject.store.raise(&[(shard, before)], Owner(2)).await.remove(0);
    assert_eq!(raised, Ok(Head { epoch: Epoch(2), owner: Some(Owner(2)), position: 1 }));
    assert_eq!(subject.store.head(shard).await.ok(), raised.ok());
}

/// Another epoch or owner than expected: fenced with the head, nothing changes, other claims are served.
pub async fn raise_is_conditional_on_epoch_and_owner(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let head = subject.head(ShardId(1)).await;
    for wrong in [Head { epoch: Epoch(9), ..head }, Head { owner: Some(Owner(9)), ..head }] {
        let two = subject.head(ShardId(2)).await;
        let answers = subject.store.raise(&[(ShardId(1), wrong), (ShardId(2), two)], ME).await;
        assert_eq!(answers[0], Err(Written::Refused(Refusal::Fenced(head))));
        assert_eq!(answers[1], Ok(Head { epoch: Epoch(two.epoch.0 + 1), ..two }));
        assert_eq!(subject.head(ShardId(1)).await, head);
    }
}

/// Gapless from where it was asked, with the epoch that wrote each record.
pub async fn tail_returns_records_in_position_order(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.events("ada", 1..=3).await;
    let shard = subject.shard(&id("ada"));
    let tail = well(subject.store.tail(shard, 2, usize::MAX).await);
    let seen: Vec<_> = tail.records.iter().map(|stored| (stored.position, stored.epoch)).collect();
    assert_eq!((seen, tail.more), (vec![(2, Epoch(1)), (3, Epoch(1))], false));
    assert_eq!(tail.records[0].record, Some(event("ada", 2, 100)));
}

/// Pages of any size join.
pub async fn tail_pages_meet_without_gap_or_overlap(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.events("ada", 1..=5).await;
    let shard = subject.shard(&id("ada"));
    let mut seen = Vec::new();
    loop {
        let page = well(subject.store.tail(shard, seen.len() as u64 + 1, 300).await);
        assert!(!page.records.is_empty());
        seen.extend(page.records.iter().map(|stored| stored.position));
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
}

/// Nothing follows the end, and asking is no error.
pub async fn tail_past_the_end_is_empty(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.events("ada", 1..=1).await;
    let tail = well(subject.store.tail(subject.shard(&id("ada")), 2, 300).await);
    assert_eq!((tail.records.len(), tail.more), (0, false));
}

/// The place stays; the payload of a replaced value goes.
pub async fn replaced_value_keeps_its_place_in_the_tail(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let profile = named("shop.Profile", "ada");
    for sequence in 1..=2 {
        subject.write(vec![record(&profile, sequence, Body::Value(payload(sequence, 10)))]).await;
    }
    let tail = well(subject.store.tail(subject.shard(&profile), 1, usize::MAX).await);
    let bodies: Vec<_> = tail.records.into_iter().map(|stored| stored.record.map(|record| record.body)).collect();
    assert!(matches!(bodies[0], None | Some(Body::Superseded)), "{bodies:?}");
    assert_eq!(bodies[1], Some(Body::Value(payload(2, 10))));
}
