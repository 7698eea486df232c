// SPDX-License-Identifier: Apache-2.0
//! What only a fault inside the store shows: a sync that fails after the write, or with it.

use adjoin_model::{
    Body, CommandId, EntityId, Epoch, Head, Kind, LoadRequest, Owner, Payload, Record, ShardBatch, ShardId, Wall,
};
use adjoin_storage::{Entities, Journal, Refusal, Written};
use futures::executor::block_on;
use rocksdb::WriteBatch;

use crate::db::Db;
use crate::{RocksStore, Settings};

/// What goes wrong at the next write.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The write is applied, and said to have failed.
    Applied,
    /// The write is not applied.
    Lost,
}

impl Fault {
    pub(crate) fn apply(self, db: &Db, batch: WriteBatch) -> Result<(), rocksdb::Error> {
        if matches!(self, Self::Applied) {
            db.apply(batch, true)?;
        }
        db.fail()
    }
}

const ME: Owner = Owner(1);
const SHARD: ShardId = ShardId(3);
const OTHER: ShardId = ShardId(4);

fn event(key: &str, sequence: u64) -> Record {
    let entity = EntityId::new("shop.Cart", key).expect("an id");
    let body = Body::Event(Payload::new("ItemAdded", vec![7; 10]));
    Record { entity, sequence, command: CommandId(1), at: Wall(0), body }
}

fn batch(shard: ShardId, epoch: u64, first: u64, record: Record) -> ShardBatch {
    ShardBatch { shard, epoch: Epoch(epoch), owner: ME, first, records: vec![record] }
}

struct Subject {
    store: RocksStore,
    _place: tempfile::TempDir,
}

impl Subject {
    /// A store whose two shards are claimed, and the next write of which goes wrong.
    fn with(fault: Fault) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let store = RocksStore::open(place.path(), Settings { shards: Some(16), ..Settings::new(1) }).expect("opens");
        let subject = Self { store, _place: place };
        for shard in [SHARD, OTHER] {
            assert!(subject.raise(shard, Head::EMPTY).is_ok());
        }
        subject.fail(fault);
        subject
    }

    fn fail(&self, fault: Fault) {
        *self.store.fault().lock().expect("not poisoned") = Some(fault);
    }

    fn raise(&self, shard: ShardId, expected: Head) -> Result<Head, Written> {
        block_on(self.store.raise(&[(shard, expected)], ME)).remove(0)
    }

    fn write(&self, batch: ShardBatch) -> Written {
        block_on(self.store.write(&[batch])).remove(0)
    }

    fn sequences(&self, key: &str) -> Vec<u64> {
        let request = LoadRequest { after: None, snapshot_below: None, max_bytes: 1000 };
        let entity = EntityId::new("shop.Cart", key).expect("an id");
        let page = block_on(self.store.load(&entity, request)).expect("loads");
        page.events.into_iter().map(|(sequence, _)| sequence).collect()
    }
}

const CLAIMED: Head = Head { epoch: Epoch(1), owner: Some(ME), position: 0 };

#[test]
fn a_failed_sync_is_unknown_until_raised() {
    let subject = Subject::with(Fault::Lost);
    assert!(matches!(subject.write(batch(SHARD, 1, 1, event("ada", 1))), Written::Unknown(_)));
    let error = block_on(subject.store.head(SHARD)).expect_err("not known");
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(subject.sequences("ada").is_empty(), "reads are served meanwhile");
}

#[test]
fn raise_finds_an_unknown_write_that_was_applied() {
    let subject = Subject::with(Fault::Applied);
    assert!(matches!(subject.write(batch(SHARD, 1, 1, event("ada", 1))), Written::Unknown(_)));
    let raised = subject.raise(SHARD, CLAIMED);
    assert_eq!(raised, Ok(Head { epoch: Epoch(2), owner: Some(ME), position: 1 }));
    assert_eq!(subject.sequences("ada"), [1]);
    assert_eq!(subject.write(batch(SHARD, 2, 2, event("ada", 2))), Written::Durable);
}

#[test]
fn raise_finds_that_an_unknown_write_was_lost() {
    let subject = Subject::with(Fault::Lost);
    assert!(matches!(subject.write(batch(SHARD, 1, 1, event("ada", 1))), Written::Unknown(_)));
    let raised = subject.raise(SHARD, CLAIMED).expect("raised");
    assert_eq!(raised, Head { epoch: Epoch(2), owner: Some(ME), position: 0 });
    let late = subject.write(batch(SHARD, 1, 1, event("ada", 1)));
    assert_eq!(late, Written::Refused(Refusal::Fenced(raised)));
    assert_eq!(subject.write(batch(SHARD, 2, 1, event("ada", 1))), Written::Durable);
}

#[test]
fn other_shards_go_on_after_an_unknown_write() {
    for fault in [Fault::Applied, Fault::Lost] {
        let subject = Subject::with(fault);
        assert!(matches!(subject.write(batch(SHARD, 1, 1, event("ada", 1))), Written::Unknown(_)));
        assert_eq!(subject.write(batch(OTHER, 1, 1, event("eve", 1))), Written::Durable, "{fault:?}");
        assert_eq!(subject.sequences("eve"), [1]);
    }
}

#[test]
fn an_unknown_raise_is_settled_by_the_next() {
    let subject = Subject::with(Fault::Applied);
    assert!(matches!(subject.raise(SHARD, CLAIMED), Err(Written::Unknown(_))));
    let there = Head { epoch: Epoch(2), ..CLAIMED };
    assert_eq!(subject.raise(SHARD, CLAIMED), Err(Written::Refused(Refusal::Fenced(there))));
    assert_eq!(subject.raise(SHARD, there), Ok(Head { epoch: Epoch(3), ..CLAIMED }));
}

#[test]
fn several_batches_of_one_call_share_an_outcome() {
    let subject = Subject::with(Fault::Lost);
    let batches = [batch(SHARD, 1, 1, event("ada", 1)), batch(OTHER, 9, 1, event("eve", 1))];
    let answers = block_on(subject.store.write(&batches));
    assert!(matches!(answers[0], Written::Unknown(_)));
    assert_eq!(answers[1], Written::Refused(Refusal::Fenced(CLAIMED)), "a refusal is known in any case");
}
