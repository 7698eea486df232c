// SPDX-License-Identifier: Apache-2.0
//! The contract of [`Effects`](crate::Effects).

use adjoin_model::{
    Body, CommandId, Consumed, ConsumerId, Consumption, DeadLetter, DurableCall, Ended, EntityId, Incoming, Kind,
    Origin, Position, Progress, Record, ShardId, Unfinished, Wall,
};

use super::{Fixture, Subject, event, id, payload, record, well};
use crate::{Refusal, Written};

/// What an outbox record asks for.
pub(crate) fn durable_call(entity: &EntityId) -> DurableCall {
    DurableCall {
        entity: entity.clone(),
        command: "addItem".into(),
        payload: payload(3, 7),
        caller: "eve".into(),
        metadata: vec![("trace".into(), "t-1".into())],
    }
}

/// The outbox record of a command of `ada` at this sequence.
pub(crate) fn outbox(sequence: u64) -> Record {
    record(&id("ada"), sequence, Body::Outbox(Box::new(durable_call(&id("eve")))))
}

/// The inbox record of `eve` that it becomes when it stood there.
pub(crate) fn inbox(shard: ShardId, position: Position) -> Record {
    let origin = Origin { shard, position };
    let body = Body::Inbox(Incoming { origin, call: Box::new(durable_call(&id("eve"))) });
    Record { entity: id("eve"), sequence: 0, command: origin.command(CommandId(1)), at: Wall(7), body }
}

fn done(inbox: Position) -> Record {
    record(&id("eve"), 0, Body::Done { inbox, ended: Ended::Ran })
}

impl Subject {
    pub(crate) async fn unfinished(&self, key: &str) -> Unfinished {
        well(self.store.unfinished(self.shard(&id(key))).await)
    }
}

/// Outbox records stand where they were written, as they were written, in order.
pub async fn unfinished_lists_outbox_records(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    assert_eq!(subject.unfinished("ada").await, Unfinished::default());
    subject.write(vec![event("ada", 1, 1), outbox(1), outbox(1)]).await;
    subject.write(vec![outbox(1)]).await;
    let listed = subject.unfinished("ada").await;
    assert_eq!(listed.outbox, [2, 3, 4].map(|position| (position, outbox(1))));
    assert!(listed.inbox.is_empty() && listed.watermarks.is_empty());
    assert_eq!(subject.unfinished("eve").await, Unfinished::default());
}

/// Inbox records, and the watermark of their source with them.
pub async fn inbox_records_raise_the_watermark_of_their_source(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let (first, second) = (ShardId(2), ShardId(3));
    subject.write(vec![inbox(first, 5), inbox(first, 9), inbox(second, 4)]).await;
    let listed = subject.unfinished("eve").await;
    assert_eq!(listed.inbox, [(1, inbox(first, 5)), (2, inbox(first, 9)), (3, inbox(second, 4))]);
    assert_eq!(listed.watermarks, [(first, 9), (second, 4)]);
}

/// A refused batch neither leaves records nor raises a watermark.
pub async fn refused_batch_raises_no_watermark(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let half_bad = subject.batch(vec![inbox(ShardId(2), 5), event("eve", 7, 1)]).await;
    assert!(matches!(subject.write_batch(half_bad).await, Written::Refused(Refusal::Failed(_))));
    assert_eq!(subject.unfinished("eve").await, Unfinished::default());
}

/// The end of an inbox record, in its batch or a later one; the watermark stays. An end without a record is none.
pub async fn done_ends_an_inbox_record(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.write(vec![inbox(ShardId(2), 5), inbox(ShardId(2), 6), inbox(ShardId(2), 7)]).await;
    subject.write(vec![event("eve", 1, 1), done(2), done(77)]).await;
    let listed = subject.unfinished("eve").await;
    assert_eq!(listed.inbox, [(1, inbox(ShardId(2), 5)), (3, inbox(ShardId(2), 7))]);
    assert_eq!(listed.watermarks, [(ShardId(2), 7)]);
}

/// Delivered outbox records go; others stay, also when they are named again or were never there.
pub async fn trim_removes_delivered_outbox_records(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let shard = subject.shard(&id("ada"));
    subject.write(vec![outbox(0), outbox(0), event("ada", 1, 1), outbox(1)]).await;
    for _ in 0..2 {
        well(subject.store.trim(shard, &[1, 4, 99]).await);
        assert_eq!(subject.unfinished("ada").await.outbox, [(2, outbox(0))]);
    }
    let outside = subject.store.trim(ShardId(u32::MAX), &[1]).await;
    assert!(outside.as_ref().is_err_and(|error| error.kind == Kind::Invalid), "{outside:?}");
}

/// A consumer of this group.
pub(crate) fn consumer(group: &str) -> ConsumerId {
    ConsumerId::new("shop.Cart", group).expect("a consumer")
}

/// What a consumer notes about `ada`.
pub(crate) fn noted(group: &str, event: Position, what: Consumed) -> Record {
    let body = Body::Consumed(Box::new(Consumption { consumer: consumer(group), event, what }));
    record(&id("ada"), 0, body)
}

fn dead(group: &str, event: Position) -> Record {
    noted(group, event, Consumed::Dead { attempts: 10, error: "Internal: no".into() })
}

/// The dead letter that comes of [`dead`].
pub(crate) fn letter() -> DeadLetter {
    let record = dead("g", 1);
    DeadLetter { entity: record.entity, attempts: 10, error: "Internal: no".into(), at: record.at }
}

/// Each consumer of a shard has its own position and dead letters.
pub async fn consumers_keep_their_positions(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.write(vec![event("ada", 1, 1), noted("a", 1, Consumed::Passed)]).await;
    subject.write(vec![dead("b", 1), dead("b", 3), noted("b", 3, Consumed::Passed)]).await;
    subject.write(vec![noted("a", 9, Consumed::Passed)]).await;
    let listed = subject.unfinished("ada").await;
    let a = Progress { passed: 9, ..Progress::default() };
    let b = Progress { passed: 3, dead: [(1, letter()), (3, letter())].into(), ..Progress::default() };
    assert_eq!(listed.consumers, [(consumer("a"), a), (consumer("b"), b)]);
    assert!(listed.outbox.is_empty() && listed.inbox.is_empty() && listed.watermarks.is_empty());
    assert_eq!(subject.unfinished("eve").await, Unfinished::default());
    let tail = well(subject.store.tail(subject.shard(&id("ada")), 2, usize::MAX).await).records;
    let records: Vec<_> = tail.into_iter().filter_map(|stored| stored.record).collect();
    assert_eq!(records[..2], [noted("a", 1, Consumed::Passed), dead("b", 1)], "notes stand in the tail");
}

/// A dead letter that has ended is no more; what else the consumer has stays.
pub async fn a_settled_dead_letter_is_gone(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.write(vec![dead("b", 1), dead("b", 3), dead("c", 1), noted("b", 3, Consumed::Passed)]).await;
    subject
        .write(vec![noted("b", 1, Consumed::Settled(Ended::Ran)), noted("b", 7, Consumed::Settled(Ended::Dropped))])
        .await;
    let listed = subject.unfinished("ada").await.consumers;
    let b = Progress { passed: 3, dead: [(3, letter())].into(), ..Progress::default() };
    let c = Progress { dead: [(1, letter())].into(), ..Progress::default() };
    assert_eq!(listed, [(consumer("b"), b), (consumer("c"), c)]);
}

/// A dead letter that ended ahead of its consumer's position is known for it until that is said to be over.
pub async fn a_dead_letter_that_ended_ahead_is_remembered(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.write(vec![dead("b", 5), dead("b", 7), noted("b", 3, Consumed::Passed)]).await;
    subject
        .write(vec![noted("b", 5, Consumed::Ahead(Ended::Dropped)), noted("b", 7, Consumed::Ahead(Ended::Ran))])
        .await;
    let ahead = [(5, Ended::Dropped), (7, Ended::Ran)].into();
    let listed = subject.unfinished("ada").await.consumers;
    assert_eq!(listed, [(consumer("b"), Progress { passed: 3, ahead, ..Progress::default() })]);
    subject.write(vec![noted("b", 6, Consumed::Passed), noted("b", 5, Consumed::Settled(Ended::Dropped))]).await;
    let listed = subject.unfinished("ada").await.consumers;
    let left = Progress { passed: 6, ahead: [(7, Ended::Ran)].into(), ..Progress::default() };
    assert_eq!(listed, [(consumer("b"), left)]);
}

/// Their places in the tail stay, with the record or without; ends are always there.
pub async fn effects_keep_their_places_in_the_tail(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.write(vec![inbox(ShardId(2), 5), inbox(ShardId(2), 6)]).await;
    subject.write(vec![done(1)]).await;
    let shard = subject.shard(&id("eve"));
    let tail = well(subject.store.tail(shard, 1, usize::MAX).await).records;
    let at = |index: usize| tail.get(index).and_then(|stored| stored.record.clone());
    assert!(at(0).is_none_or(|record| record == inbox(ShardId(2), 5)));
    assert_eq!((at(1), at(2), tail.len()), (Some(inbox(ShardId(2), 6)), Some(done(1)), 3));
}

/// Outbox, inbox and ends say nothing of an entity: it is not known by them, nor is its sequence.
pub async fn effects_make_no_entity(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.write(vec![outbox(0)]).await;
    subject.write(vec![inbox(ShardId(2), 5)]).await;
    subject.write(vec![done(1)]).await;
    for key in ["ada", "eve"] {
        assert_eq!(subject.load(&id(key)).await, adjoin_model::EntityPage::default(), "{key}");
    }
    assert!(well(subject.store.keys("shop.Cart", None, 9).await).rows.is_empty());
    subject.events("eve", 1..=1).await;
}

/// A purge of the entity that asked leaves what it asked for.
pub async fn purge_leaves_effects(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.write(vec![event("ada", 1, 1), outbox(1), record(&id("ada"), 2, Body::Delete)]).await;
    well(subject.store.purge(&id("ada"), None).await);
    assert_eq!(subject.unfinished("ada").await.outbox, [(2, outbox(1))]);
}

/// Every shard that `unfinished` has something of, ordered.
pub async fn shards_with_effects_are_listed(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    assert_eq!(subject.store.with_effects().await, Ok(vec![]));
    subject.write(vec![outbox(0)]).await;
    subject.write(vec![inbox(ShardId(2), 5), done(1)]).await;
    let mut expected = vec![subject.shard(&id("ada")), subject.shard(&id("eve"))];
    expected.sort_unstable();
    assert_eq!(subject.store.with_effects().await, Ok(expected), "also where only a watermark is left");
    let other = (0..)
        .map(|n| id(&format!("k{n}")))
        .find(|other| !["ada", "eve"].iter().any(|known| subject.shard(&id(known)) == subject.shard(other)));
    let other = other.expect("another shard");
    subject.write(vec![Record { entity: other.clone(), ..noted("g", 1, Consumed::Passed) }]).await;
    let listed = well(subject.store.with_effects().await);
    assert!(listed.contains(&subject.shard(&other)), "also where only a consumer is");
}
