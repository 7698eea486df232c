// SPDX-License-Identifier: Apache-2.0
//! Damaged files and missing rows: found, located, never skipped.

use std::fs;
use std::path::Path;

use adjoin_model::{Body, Dedup, DedupKey, EntityPage, Error, Kind, Payload, Snapshot, Wall};
use adjoin_rocksdb::{RocksStore, Verified};
use adjoin_storage::{Entities, Store, StoredRecord, Written};
use futures::executor::block_on;
use rocksdb::{DB, Options, WriteBatch};
use tempfile::TempDir;

use crate::given::{context, copy, event, events, files, id, load, open, record, shard, tail, verify, write};

/// A closed folder: events, a snapshot and an answer of `ada`, a value of `eve`.
fn closed() -> TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let store = open(place.path()).expect("opens");
    events(&store, "ada", 1..=40);
    let answer = adjoin_model::Answer::Reply { payload: None, sequence: 41 };
    let dedup = Dedup { key: DedupKey::Command(adjoin_model::CommandId(5)), digest: 1, expires: Wall(9), answer };
    let last = vec![event("ada", 41, 100), record("ada", 41, Body::Dedup(dedup))];
    assert_eq!(write(&store, "ada", last), Written::Durable);
    let state = Payload::new("Cart", crate::given::bytes(3, 200));
    block_on(store.keep_snapshot(&id("ada"), &Snapshot { sequence: 20, state })).expect("kept");
    for sequence in 1..=3 {
        let value = Body::Value(Payload::new("Profile", crate::given::bytes(sequence, 300)));
        assert_eq!(write(&store, "eve", vec![record("eve", sequence, value)]), Written::Durable);
    }
    block_on(store.close()).expect("closes");
    place
}

/// Everything that can be read.
type Content = (EntityPage, EntityPage, Vec<StoredRecord>, Vec<StoredRecord>, Verified);

fn read(store: &RocksStore) -> Result<Content, Error> {
    let verified = verify(store);
    let read = (load(store, "ada")?, load(store, "eve")?, tail(store, "ada")?, tail(store, "eve")?, verified?);
    Ok(read)
}

#[test]
fn a_whole_folder_verifies() {
    let place = closed();
    let verified = verify(&open(place.path()).expect("opens")).expect("in order");
    let expected = Verified { shards: 16, batches: 44, records: 45, payloads: 45, entities: 2 };
    assert_eq!(verified, expected);
}

/// Every file, at some places: either the data is the same, because the bit has no meaning or a copy, or it is an error.
/// `ADJOIN_PLACES` is how many in each file; every byte's turn takes long, since each opens a store.
#[test]
fn a_flipped_bit_in_any_file_never_changes_what_is_read() {
    let place = closed();
    let whole = read(&open(place.path()).expect("opens")).expect("in order");
    let places = std::env::var("ADJOIN_PLACES").map_or(5, |places| places.parse().expect("a number of places"));
    let (mut found, mut harmless) = (0, 0);
    let all = fs::read_dir(place.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
    for file in all.filter(|file| file.is_file()) {
        let length = fs::metadata(&file).expect("a file").len() as usize;
        for at in (0..length).step_by(length.div_ceil(places).max(1)) {
            let damaged = tempfile::tempdir().expect("a folder");
            copy(place.path(), damaged.path());
            flip(&damaged.path().join(file.file_name().expect("a name")), at);
            match open(damaged.path()).and_then(|store| read(&store)) {
                Err(error) => {
                    let expected = matches!(error.kind, Kind::Corrupt | Kind::Unavailable | Kind::Invalid);
                    assert!(expected, "{} byte {at}: {error}", file.display());
                    found += 1;
                }
                Ok(read) => {
                    assert_eq!(read, whole, "{} byte {at}", file.display());
                    harmless += 1;
                }
            }
        }
    }
    assert!(found > 20 && harmless > 0, "{found} found, {harmless} harmless");
}

fn flip(file: &Path, at: usize) {
    let mut content = fs::read(file).expect("a file");
    content[at] ^= 0x04;
    fs::write(file, content).expect("written");
}

#[test]
fn a_missing_file_is_never_taken_for_a_new_store() {
    let place = closed();
    let all = fs::read_dir(place.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let named = |name: &str| ["CURRENT", "MANIFEST"].iter().any(|start| name.starts_with(start));
    for name in all.map(|name| name.to_string_lossy().into_owned()) {
        if !named(&name) && !name.ends_with(".sst") && !name.ends_with(".log") {
            continue;
        }
        let damaged = tempfile::tempdir().expect("a folder");
        copy(place.path(), damaged.path());
        fs::remove_file(damaged.path().join(&name)).expect("removed");
        let opened = open(damaged.path()).and_then(|store| read(&store));
        assert!(opened.is_err(), "{name}");
    }
}

#[test]
fn a_flipped_bit_in_an_event_is_corrupt_with_entity_and_file() {
    let place = closed();
    let wanted = crate::given::bytes(17, 100);
    let holds = |file: &&std::path::PathBuf| position(&fs::read(file).expect("a file"), &wanted).is_some();
    let sorted = files(place.path(), "sst");
    let file = sorted.iter().find(holds).expect("the event stands in a file");
    let at = position(&fs::read(file).expect("a file"), &wanted).expect("stands there");
    flip(file, at + 50);
    let store = open(place.path()).expect("opens");
    // The whole block that the event stands in is unreadable, so replay ends at the first event that it wanted there.
    let error = load(&store, "ada").expect_err("unreadable");
    assert_eq!((error.kind, context(&error, "entity")), (Kind::Corrupt, Some("shop.Cart/ada")), "{error}");
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(error.message.contains(name) && error.message.contains("offset"), "{error}");
    assert_eq!(verify(&store).expect_err("unreadable").kind, Kind::Corrupt);
    assert!(load(&store, "eve").is_ok(), "other entities are served");
}

fn position(content: &[u8], wanted: &[u8]) -> Option<usize> {
    content.windows(wanted.len()).position(|window| window == wanted)
}

/// Changes the folder with RocksDB itself, whose checksums are then right.
fn edit(folder: &Path, change: impl FnOnce(&DB, &mut WriteBatch)) {
    let options = Options::default();
    let families = DB::list_cf(&options, folder).expect("families");
    let db = DB::open_cf(&options, folder, families).expect("opens");
    let mut batch = WriteBatch::default();
    change(&db, &mut batch);
    db.write(batch).expect("written");
}

fn family<'a>(db: &'a DB, name: &str) -> &'a rocksdb::ColumnFamily {
    db.cf_handle(name).expect("a family")
}

fn event_key(sequence: u64) -> Vec<u8> {
    [b"shop.Cart\0ada\0\x01".as_slice(), &sequence.to_be_bytes()].concat()
}

fn batch_key(key: &str, first: u64) -> Vec<u8> {
    [shard(&id(key)).0.to_be_bytes().as_slice(), &first.to_be_bytes()].concat()
}

#[test]
fn a_missing_event_is_corrupt_with_entity_and_sequence() {
    for sequence in [21, 30, 41] {
        let place = closed();
        edit(place.path(), |db, batch| batch.delete_cf(family(db, "events"), event_key(sequence)));
        let store = open(place.path()).expect("opens");
        let error = load(&store, "ada").expect_err("a gap");
        assert_eq!((error.kind, context(&error, "entity")), (Kind::Corrupt, Some("shop.Cart/ada")));
        assert_eq!(context(&error, "sequence"), Some(sequence.to_string().as_str()), "{error}");
        for error in [tail(&store, "ada").expect_err("a gap"), verify(&store).expect_err("a gap")] {
            assert_eq!(context(&error, "position"), Some(sequence.to_string().as_str()), "{error}");
        }
    }
}

#[test]
fn a_missing_batch_is_corrupt_with_shard_and_position() {
    for first in [1, 20, 41] {
        let place = closed();
        edit(place.path(), |_, batch| batch.delete(batch_key("ada", first)));
        let store = open(place.path()).expect("opens");
        for error in [tail(&store, "ada").expect_err("a gap"), verify(&store).expect_err("a gap")] {
            assert_eq!((error.kind, context(&error, "position")), (Kind::Corrupt, Some(first.to_string().as_str())));
            assert_eq!(context(&error, "shard"), Some(shard(&id("ada")).to_string().as_str()), "{error}");
        }
    }
}

#[test]
fn a_batch_missing_from_what_the_log_brings_is_corrupt_at_open() {
    let place = tempfile::tempdir().expect("a folder");
    let store = open(place.path()).expect("opens");
    events(&store, "ada", 1..=3);
    block_on(store.close()).expect("closes");
    drop(store);
    let store = open(place.path()).expect("opens");
    events(&store, "ada", 4..=6);
    drop(store);
    // Batch 3 is in a sorted file, so this deletion is what the log adds to batches 4 to 6.
    let deletion = batch_key("ada", 3);
    append(&crate::given::log(place.path()), &deletion);
    let error = open(place.path()).err().expect("a gap");
    assert_eq!((error.kind, context(&error, "position")), (Kind::Corrupt, Some("3")), "{error}");
}

/// Appends a write to a log: the deletion of a batch.
fn append(log: &Path, key: &[u8]) {
    let mut content = fs::read(log).expect("a log");
    let mut batch = WriteBatch::default();
    batch.delete(key);
    let mut write = batch.data().to_vec();
    write[..8].copy_from_slice(&next_number(&content).to_le_bytes());
    let sum = crc32c::crc32c(&[&[1], write.as_slice()].concat()).rotate_right(15).wrapping_add(0xa282_ead8);
    content.extend_from_slice(&sum.to_le_bytes());
    content.extend_from_slice(&(write.len() as u16).to_le_bytes());
    content.push(1);
    content.extend_from_slice(&write);
    fs::write(log, content).expect("written");
}

/// The number after the last write of a log that is shorter than a block.
fn next_number(content: &[u8]) -> u64 {
    let (mut at, mut next) = (0, 0);
    while at < content.len() {
        let length = usize::from(u16::from_le_bytes([content[at + 4], content[at + 5]]));
        let number = |from: usize, to: usize| {
            content[at + 7 + from..at + 7 + to].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
        };
        next = number(0, 8) + number(8, 12);
        at += 7 + length;
    }
    next
}

#[test]
fn a_row_under_another_key_is_corrupt() {
    let place = closed();
    edit(place.path(), |db, batch| {
        let other = db.get_cf(family(db, "events"), event_key(31)).expect("read").expect("there");
        batch.put_cf(family(db, "events"), event_key(30), other);
    });
    let error = load(&open(place.path()).expect("opens"), "ada").expect_err("found");
    assert_eq!((error.kind, context(&error, "sequence")), (Kind::Corrupt, Some("30")), "{error}");
}

#[test]
fn a_missing_snapshot_is_corrupt_and_can_be_passed_over() {
    let place = closed();
    edit(place.path(), |db, batch| batch.delete_cf(family(db, "snapshots"), event_key(20)));
    let store = open(place.path()).expect("opens");
    let error = load(&store, "ada").expect_err("found");
    assert_eq!((error.kind, context(&error, "snapshot")), (Kind::Corrupt, Some("20")), "{error}");
    let request = adjoin_model::LoadRequest { after: None, snapshot_below: Some(20), max_bytes: usize::MAX };
    assert_eq!(block_on(store.load(&id("ada"), request)).expect("passed over").events.len(), 41);
}

#[test]
fn a_missing_value_is_corrupt_with_entity() {
    let place = closed();
    edit(place.path(), |db, batch| batch.delete_cf(family(db, "values"), b"shop.Cart\0eve\0\x01"));
    let error = load(&open(place.path()).expect("opens"), "eve").expect_err("found");
    assert_eq!((error.kind, context(&error, "entity")), (Kind::Corrupt, Some("shop.Cart/eve")), "{error}");
}

#[test]
fn a_store_of_a_later_format_is_refused() {
    let place = closed();
    edit(place.path(), |db, batch| {
        let mut value = db.get_cf(family(db, "meta"), b"store").expect("read").expect("there");
        value[0] = 9;
        let end = value.len() - 4;
        let sum = crc32c::crc32c_append(crc32c::crc32c(b"store"), &value[..end]);
        value[end..].copy_from_slice(&sum.to_le_bytes());
        batch.put_cf(family(db, "meta"), b"store", value);
    });
    let error = open(place.path()).err().expect("refused");
    assert!(error.message.contains("format 9"), "{error}");
}

fn survey(place: &Path, limit: usize) -> adjoin_rocksdb::Findings {
    block_on(open(place).expect("opens").survey(limit, |_| {})).expect("read to the end")
}

#[test]
fn every_missing_event_and_batch_is_named() {
    let place = closed();
    edit(place.path(), |db, batch| {
        [3, 30].into_iter().for_each(|sequence| batch.delete_cf(family(db, "events"), event_key(sequence)));
        [1, 10, 20, 21, 22].into_iter().for_each(|first| batch.delete(batch_key("ada", first)));
        batch.delete(batch_key("eve", 3));
    });
    let found = survey(place.path(), 100);
    let at = |error: &Error, what| context(error, what).map(str::to_owned);
    let mut named: Vec<_> =
        found.damages.iter().map(|it| (at(it, "shard"), at(it, "position"), at(it, "unread_until"))).collect();
    let (ada, eve) = (shard(&id("ada")).to_string(), shard(&id("eve")).to_string());
    let text = |number: u64| Some(number.to_string());
    let mut expected = vec![
        (Some(ada.clone()), text(1), text(1)),
        (Some(ada.clone()), text(3), None),
        (Some(ada.clone()), text(10), text(10)),
        (Some(ada.clone()), text(20), text(22)),
        (Some(ada), text(30), None),
        (Some(eve), text(3), None),
    ];
    named.sort();
    expected.sort();
    assert_eq!((named, found.more), (expected, 0), "{found:#?}");
    let Verified { batches, records, payloads, entities, .. } = found.verified;
    assert_eq!((batches, records, payloads, entities), (38, 39, 37, 2));
    let bounded = survey(place.path(), 2);
    assert_eq!((bounded.damages.len(), bounded.more), (2, 4));
}

#[test]
fn a_survey_ends_whatever_is_damaged() {
    let place = closed();
    let mut damaged = 0;
    for file in files(place.path(), "sst") {
        let whole = fs::read(&file).expect("read");
        let mut bytes = whole.clone();
        bytes[10] ^= 1;
        fs::write(&file, bytes).expect("written");
        damaged += 1;
        // Heads and the like are read at open, which says so itself.
        if open(place.path()).is_err() {
            fs::write(&file, whole).expect("written");
            damaged -= 1;
        }
    }
    assert!(damaged >= 3, "journal, events and entities");
    let found = survey(place.path(), 3);
    assert!(found.damages.len() == 3 && found.more > 0, "{found:?}");
    assert!(found.damages.iter().all(|damage| damage.kind == Kind::Corrupt));
}
