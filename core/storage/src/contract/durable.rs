// SPDX-License-Identifier: Apache-2.0
//! What durable stores keep besides.

use adjoin_model::{Body, Consumed, Ended, Epoch, Head, Owner, Progress, ShardId, Snapshot};

use super::effects::{consumer, inbox, letter, noted, outbox};
use super::{Fixture, Subject, dedup, event, id, named, payload, record, sequences, well};

async fn reopened(subject: Subject, fixture: &dyn Fixture) -> Subject {
    well(subject.store.close().await);
    drop(subject);
    Subject { store: fixture.open() }
}

/// What was durable is read back after close and open, and the head goes on.
pub async fn durable_survives_reopen(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let meta = subject.store.meta();
    subject.events("ada", 1..=3).await;
    let subject = reopened(subject, fixture).await;
    assert_eq!(subject.store.meta(), meta);
    assert_eq!(sequences(&subject.load(&id("ada")).await), [1, 2, 3]);
    assert_eq!(subject.head(subject.shard(&id("ada"))).await.position, 3);
    subject.events("ada", 4..=4).await;
}

/// A raise survives close and open.
pub async fn raise_is_durable(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let head = subject.head(ShardId(4)).await;
    well(subject.store.raise(&[(ShardId(4), head)], Owner(8)).await.remove(0));
    let subject = reopened(subject, fixture).await;
    assert_eq!(subject.head(ShardId(4)).await, Head { epoch: Epoch(2), owner: Some(Owner(8)), position: 0 });
}

/// Values, deletes, snapshots, idempotency records and the second guard survive too.
pub async fn everything_survives_reopen(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let profile = named("shop.Profile", "ada");
    subject.write(vec![record(&profile, 1, Body::Value(payload(1, 9)))]).await;
    let kept = record(&id("ada"), 2, Body::Dedup(dedup("k", 100)));
    subject.write(vec![event("ada", 1, 1), event("ada", 2, 1), kept]).await;
    well(subject.store.keep_snapshot(&id("ada"), &Snapshot { sequence: 1, state: payload(1, 2) }).await);
    subject.write(vec![event("eve", 1, 1), record(&id("eve"), 2, Body::Delete)]).await;
    let subject = reopened(subject, fixture).await;
    let page = subject.load(&id("ada")).await;
    assert_eq!(page.snapshot.as_ref().map(|snapshot| snapshot.sequence), Some(1));
    assert_eq!((sequences(&page), page.dedup), (vec![2], vec![dedup("k", 100)]));
    assert_eq!(subject.load(&profile).await.value, Some((1, payload(1, 9))));
    assert!(subject.load(&id("eve")).await.deleted);
    let wrong = subject.batch(vec![event("ada", 2, 1)]).await;
    assert!(matches!(subject.write_batch(wrong).await, crate::Written::Refused(_)));
}

/// Outbox and inbox records, ends, watermarks and what consumers noted survive too.
pub async fn effects_survive_reopen(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.write(vec![event("ada", 1, 1), outbox(1)]).await;
    subject.write(vec![inbox(ShardId(2), 5), inbox(ShardId(2), 6)]).await;
    subject.write(vec![record(&id("eve"), 0, Body::Done { inbox: 1, ended: Ended::Refused })]).await;
    let dead = Consumed::Dead { attempts: 10, error: "Internal: no".into() };
    subject.write(vec![noted("g", 1, Consumed::Passed), noted("g", 1, dead)]).await;
    let subject = reopened(subject, fixture).await;
    let progress = Progress { passed: 1, dead: [(1, letter())].into(), ..Progress::default() };
    assert_eq!(subject.unfinished("ada").await.consumers, [(consumer("g"), progress)]);
    assert_eq!(subject.unfinished("ada").await.outbox, [(2, outbox(1))]);
    let eve = subject.unfinished("eve").await;
    assert_eq!((eve.inbox, eve.watermarks), (vec![(2, inbox(ShardId(2), 6))], vec![(ShardId(2), 6)]));
}
