// SPDX-License-Identifier: Apache-2.0
//! Folders written by every format so far still open and read back.

use std::collections::BTreeMap;
use std::path::Path;

use adjoin_model::{
    Body, ConsumerId, DeadLetter, Ended, EntityId, Epoch, LoadRequest, Progress, Record, ShardId, Unfinished, shard_of,
};
use adjoin_rocksdb::{RocksStore, Settings, Verified};
use adjoin_storage::{Effects, Entities, Journal};
use futures::executor::block_on;
use tempfile::TempDir;

use crate::given::copy;

#[path = "../../examples/golden/content.rs"]
mod content;

/// A copy, since opening changes a folder.
fn golden(format: u32) -> (TempDir, RocksStore) {
    folder(&format!("format-{format}"))
}

fn folder(name: &str) -> (TempDir, RocksStore) {
    let place = tempfile::tempdir().expect("a folder");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    copy(&kept, place.path());
    let settings = Settings { create: false, ..Settings::new(0) };
    let store = RocksStore::open(place.path(), settings).expect("opens");
    (place, store)
}

fn id(entity_type: &str, key: &str) -> EntityId {
    EntityId::new(entity_type, key).expect("an id")
}

#[test]
fn the_folder_of_format_1_says_what_it_is() {
    let (_place, store) = golden(1);
    let meta = store.meta();
    assert_eq!((meta.format, meta.shards, meta.store_id), (1, content::SHARDS, content::STORE_ID));
    for (_, head) in block_on(store.heads()).expect("heads") {
        assert_eq!((head.epoch, head.owner), (Epoch(1), Some(content::WRITER)));
    }
    assert_eq!(store.report().batches_checked, 6, "three are in the log, each after one that was flushed");
    let verified = Verified { shards: 16, batches: 8, records: 16, payloads: 14, entities: 4 };
    assert_eq!(block_on(store.verify(|_| {})), Ok(verified));
}

#[test]
fn the_folder_of_format_1_reads_back_by_entity() {
    let (_place, store) = golden(1);
    let whole = LoadRequest { after: None, snapshot_below: None, max_bytes: usize::MAX };
    let load = |entity: &EntityId, request| block_on(store.load(entity, request)).expect("loads");
    let ada = load(&id("shop.Cart", "ada"), whole);
    assert_eq!((ada.last, ada.deleted, ada.snapshot), (4, false, Some(content::snapshot())));
    assert_eq!(ada.events.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(&ada.events[1].1.data[..], br#"{"item":"p4"}"#);
    let (flushed, logged) = content::batches();
    let written = flushed.iter().chain(&logged).flatten();
    let dedup =
        written.filter_map(|record| if let Body::Dedup(dedup) = &record.body { Some(dedup.clone()) } else { None });
    assert_eq!(ada.dedup, dedup.collect::<Vec<_>>());
    let profile = load(&id("shop.Profile", "ada"), whole);
    assert_eq!(profile.value.map(|(sequence, value)| (sequence, value.data.to_vec())), Some((4, b"four".to_vec())));
    let gone = load(&id("shop.Cart", "gone"), whole);
    assert_eq!((gone.last, gone.deleted, gone.events.len()), (3, false, 1));
    assert_eq!(load(&id("shop.Cart", "purged"), whole).last, 0);
    let keys = block_on(store.keys("shop.Cart", None, 10)).expect("keys").rows;
    assert_eq!(keys.iter().map(|row| row.entity.key()).collect::<Vec<_>>(), ["a\0b/ü", "ada", "gone"]);
}

#[test]
fn the_folder_of_format_1_reads_back_by_position() {
    let (_place, store) = golden(1);
    let (flushed, logged) = content::batches();
    let mut by_shard: BTreeMap<ShardId, Vec<Record>> = BTreeMap::new();
    for record in flushed.into_iter().chain(logged).flatten() {
        by_shard.entry(shard_of(&record.entity, content::SHARDS)).or_default().push(record);
    }
    for (shard, written) in by_shard {
        let stored = block_on(store.tail(shard, 1, usize::MAX)).expect("a tail").records;
        assert_eq!(stored.len(), written.len());
        for (stored, written) in stored.into_iter().zip(written) {
            let expected = match (&written.body, written.entity.key()) {
                (_, "purged") => None,
                (Body::Value(payload), _) if &payload.data[..] != b"four" => {
                    Some(Record { body: Body::Superseded, ..written })
                }
                _ => Some(written),
            };
            assert_eq!(stored.record, expected);
        }
    }
}

#[test]
fn a_folder_from_before_there_was_an_outbox_has_none_left_to_do() {
    let (_place, store) = golden(1);
    assert_eq!(block_on(store.with_effects()), Ok(vec![]));
}

#[test]
fn the_effects_of_format_1_read_back() {
    let (_place, store) = folder("format-1-effects");
    let (flushed, logged) = content::effects();
    let (ada, eve) = (&flushed[0], &flushed[1]);
    let unfinished = |key| block_on(store.unfinished(shard_of(&id("shop.Cart", key), content::SHARDS)));
    let left = Unfinished { outbox: vec![(3, ada[2].clone())], ..Unfinished::default() };
    assert_eq!(unfinished("ada"), Ok(left), "the first was trimmed");
    let left =
        Unfinished { inbox: vec![(3, eve[2].clone())], watermarks: vec![(ShardId(3), 9)], ..Unfinished::default() };
    assert_eq!(unfinished("eve"), Ok(left), "the first ended, the second in the log");
    let shard = shard_of(&id("shop.Cart", "eve"), content::SHARDS);
    let tail = block_on(store.tail(shard, 1, usize::MAX)).expect("a tail").records;
    let records: Vec<_> = tail.into_iter().map(|stored| stored.record).collect();
    let ends = [&flushed[2][0], &logged[0][0], &logged[0][1]].map(|record| Some(record.clone()));
    assert_eq!(records[..3], [None, None, Some(eve[2].clone())]);
    assert_eq!(records[3..], ends);
}

#[test]
fn the_consumers_of_format_1_read_back() {
    let (_place, store) = folder("format-1-consumers");
    let (flushed, logged) = content::consumers();
    let shard = shard_of(&id("shop.Cart", "ada"), content::SHARDS);
    let letter = DeadLetter {
        entity: id("shop.Cart", "ada"),
        attempts: 11,
        error: "Internal: no 3".into(),
        at: flushed[1][1].at,
    };
    let consumer = |group: &str| ConsumerId::new("shop.Cart", group).expect("a consumer");
    let mail = Progress { passed: 3, dead: [(3, letter)].into(), ahead: [(5, Ended::Dropped)].into() };
    let names = Progress { passed: 1, ahead: [(4, Ended::Ran)].into(), ..Progress::default() };
    let consumers = vec![(consumer("mail/all"), mail), (consumer("names"), names)];
    assert_eq!(block_on(store.unfinished(shard)), Ok(Unfinished { consumers, ..Unfinished::default() }));
    let written = flushed.into_iter().chain(logged).flatten().map(Some).collect::<Vec<_>>();
    let tail = block_on(store.tail(shard, 1, usize::MAX)).expect("a tail").records;
    assert_eq!(tail.into_iter().map(|stored| stored.record).collect::<Vec<_>>(), written);
}

#[test]
fn a_folder_from_before_there_was_eventing_has_no_consumers() {
    let (_place, store) = folder("format-1-effects");
    for (shard, _) in block_on(store.heads()).expect("heads") {
        assert_eq!(block_on(store.unfinished(shard)).expect("read").consumers, []);
    }
}
