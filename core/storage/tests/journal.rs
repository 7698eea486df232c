// SPDX-License-Identifier: Apache-2.0
//! The contract of `Journal`, asked of the memory journal. Each test is named by its bullet in `store.rs`.

use adjoin_model::{Body, CommandId, EntityId, Epoch, Head, Kind, Owner, Payload, Record, ShardBatch, ShardId, Wall};
use adjoin_storage::{Journal, MemoryJournal, Refusal, Written};
use futures::executor::block_on;

const ME: Owner = Owner(1);
const SHARD: ShardId = ShardId(3);

fn event(key: &str, sequence: u64, bytes: usize) -> Record {
    Record {
        entity: EntityId::new("shop.Cart", key).expect("a valid id"),
        sequence,
        command: CommandId(1),
        at: Wall(0),
        body: Body::Event(Payload::new("ItemAdded", vec![0; bytes])),
    }
}

fn claimed() -> MemoryJournal {
    let journal = MemoryJournal::new(16, 9).expect("16 shards");
    let head = block_on(journal.raise(&[(SHARD, Head::EMPTY)], ME)).remove(0).expect("claimed");
    assert_eq!(head, Head { epoch: Epoch(1), owner: Some(ME), position: 0 });
    journal
}

fn batch(epoch: u64, first: u64, records: Vec<Record>) -> ShardBatch {
    ShardBatch { shard: SHARD, epoch: Epoch(epoch), owner: ME, first, records }
}

fn write(journal: &MemoryJournal, batch: ShardBatch) -> Written {
    block_on(journal.write(&[batch])).remove(0)
}

fn position(journal: &MemoryJournal) -> u64 {
    block_on(journal.head(SHARD)).expect("a head").position
}

#[test]
fn batch_applies_on_matching_head() {
    let journal = claimed();
    assert_eq!(write(&journal, batch(1, 1, vec![event("ada", 1, 1), event("ada", 2, 1)])), Written::Durable);
    assert_eq!(position(&journal), 2);
}

#[test]
fn stale_epoch_is_fenced() {
    let journal = claimed();
    let head = block_on(journal.head(SHARD)).expect("a head");
    let taken = block_on(journal.raise(&[(SHARD, head)], Owner(2))).remove(0).expect("taken over");
    assert_eq!(write(&journal, batch(1, 1, vec![event("ada", 1, 1)])), Written::Refused(Refusal::Fenced(taken)));
    assert_eq!(position(&journal), 0);
}

#[test]
fn wrong_position_is_refused() {
    let journal = claimed();
    let refused = write(&journal, batch(1, 2, vec![event("ada", 1, 1)]));
    assert!(matches!(refused, Written::Refused(Refusal::Position(head)) if head.position == 0));
}

#[test]
fn refused_shard_leaves_others_alone() {
    let journal = claimed();
    let stale = ShardBatch { shard: ShardId(4), ..batch(1, 1, vec![event("eve", 1, 1)]) };
    let answers = block_on(journal.write(&[stale, batch(1, 1, vec![event("ada", 1, 1)])]));
    assert!(matches!(answers[0], Written::Refused(Refusal::Fenced(Head::EMPTY))));
    assert_eq!(answers[1], Written::Durable);
}

#[test]
fn oversized_batch_is_refused() {
    let journal = claimed();
    let refused = write(&journal, batch(1, 1, vec![event("ada", 1, 9 << 20)]));
    assert!(matches!(refused, Written::Refused(Refusal::Failed(error)) if error.kind == Kind::Exhausted));
}

#[test]
fn sequence_is_unique() {
    let journal = claimed();
    let refused = write(&journal, batch(1, 1, vec![event("ada", 1, 1), event("bob", 1, 1), event("ada", 1, 1)]));
    assert!(matches!(refused, Written::Refused(Refusal::Failed(error)) if error.kind == Kind::Internal));
    assert_eq!(position(&journal), 0, "batch_is_all_or_nothing");
    assert_eq!(write(&journal, batch(1, 1, vec![event("ada", 1, 1)])), Written::Durable);
}

#[test]
fn raise_is_conditional_on_epoch_and_owner() {
    let journal = claimed();
    let refused = block_on(journal.raise(&[(SHARD, Head::EMPTY)], Owner(2))).remove(0);
    assert!(matches!(refused, Err(Written::Refused(Refusal::Fenced(head))) if head.owner == Some(ME)));
}

#[test]
fn raise_settles_an_unknown_write() {
    let journal = claimed();
    let before = block_on(journal.head(SHARD)).expect("a head");
    let raised = block_on(journal.raise(&[(SHARD, before)], ME)).remove(0).expect("raised");
    let late = write(&journal, batch(1, 1, vec![event("ada", 1, 1)]));
    assert_eq!(late, Written::Refused(Refusal::Fenced(raised)));
    assert_eq!(position(&journal), raised.position);
}

#[test]
fn tail_pages_meet_without_gap_or_overlap() {
    let journal = claimed();
    let records = (1..=5).map(|sequence| event("ada", sequence, 100)).collect();
    assert_eq!(write(&journal, batch(1, 1, records)), Written::Durable);
    let (mut seen, mut from) = (Vec::new(), 1);
    loop {
        let page = block_on(journal.tail(SHARD, from, 300)).expect("a page");
        seen.extend(page.records.iter().map(|stored| stored.position));
        from = seen.len() as u64 + 1;
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    assert!(block_on(journal.tail(SHARD, 6, 300)).expect("a page").records.is_empty(), "tail_past_the_end_is_empty");
}

#[test]
fn shard_out_of_range_is_invalid() {
    let error = block_on(claimed().head(ShardId(16))).expect_err("there are 16");
    assert_eq!(error.kind, Kind::Invalid);
    assert!(MemoryJournal::new(15, 0).is_err() && MemoryJournal::new(65_537, 0).is_err());
}

#[test]
fn heads_lists_touched_shards() {
    let heads = block_on(claimed().heads()).expect("heads");
    assert_eq!(heads.into_iter().map(|(shard, _)| shard).collect::<Vec<_>>(), [SHARD]);
}

#[test]
fn head_of_untouched_shard_is_empty() {
    assert_eq!(block_on(claimed().head(ShardId(0))), Ok(Head::EMPTY));
}

#[test]
fn raise_gives_next_epoch() {
    let journal = claimed();
    write(&journal, batch(1, 1, vec![event("ada", 1, 1)]));
    let before = block_on(journal.head(SHARD)).expect("a head");
    let raised = block_on(journal.raise(&[(SHARD, before)], Owner(2))).remove(0);
    assert_eq!(raised, Ok(Head { epoch: Epoch(2), owner: Some(Owner(2)), position: 1 }));
    assert_eq!(block_on(journal.head(SHARD)).ok(), raised.ok());
}
