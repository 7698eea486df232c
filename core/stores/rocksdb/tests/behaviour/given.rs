// SPDX-License-Identifier: Apache-2.0
//! Stores with something in them.

use std::fs;
use std::path::{Path, PathBuf};

use adjoin_model::{
    Body, CommandId, EntityId, EntityPage, Error, Head, LoadRequest, Owner, Payload, Record, Result, Sequence,
    ShardBatch, ShardId, Wall, shard_of,
};
use adjoin_rocksdb::{RocksStore, Settings};
use adjoin_storage::{Entities, Journal, StoredRecord, Written};
use futures::executor::block_on;

/// The writer in every test.
pub(crate) const ME: Owner = Owner(1);

pub(crate) fn settings() -> Settings {
    Settings { shards: Some(16), ..Settings::new(9) }
}

pub(crate) fn open(folder: &Path) -> Result<RocksStore> {
    RocksStore::open(folder, settings())
}

pub(crate) fn id(key: &str) -> EntityId {
    EntityId::new("shop.Cart", key).expect("an id")
}

pub(crate) fn shard(entity: &EntityId) -> ShardId {
    shard_of(entity, 16)
}

/// Bytes that do not compress and differ for each sequence.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| byte()).collect()
}

pub(crate) fn event(key: &str, sequence: Sequence, length: usize) -> Record {
    record(key, sequence, Body::Event(Payload::new("ItemAdded", bytes(sequence, length))))
}

pub(crate) fn record(key: &str, sequence: Sequence, body: Body) -> Record {
    Record { entity: id(key), sequence, command: CommandId(u128::from(sequence)), at: Wall(7), body }
}

/// The head of the entity's shard, claimed if it is not yet.
pub(crate) fn head(store: &RocksStore, key: &str) -> Head {
    let shard = shard(&id(key));
    let head = block_on(store.head(shard)).expect("a head");
    if head.owner == Some(ME) { head } else { block_on(store.raise(&[(shard, head)], ME)).remove(0).expect("claimed") }
}

/// Writes records of one entity as one batch.
pub(crate) fn write(store: &RocksStore, key: &str, records: Vec<Record>) -> Written {
    let head = head(store, key);
    let batch = ShardBatch { shard: shard(&id(key)), epoch: head.epoch, owner: ME, first: head.position + 1, records };
    block_on(store.write(&[batch])).remove(0)
}

/// Writes events one by one.
pub(crate) fn events(store: &RocksStore, key: &str, sequences: std::ops::RangeInclusive<Sequence>) {
    for sequence in sequences {
        assert_eq!(write(store, key, vec![event(key, sequence, 100)]), Written::Durable);
    }
}

pub(crate) fn load(store: &RocksStore, key: &str) -> Result<EntityPage> {
    block_on(store.load(&id(key), LoadRequest { after: None, snapshot_below: None, max_bytes: usize::MAX }))
}

pub(crate) fn sequences(store: &RocksStore, key: &str) -> Vec<Sequence> {
    load(store, key).expect("loads").events.into_iter().map(|(sequence, _)| sequence).collect()
}

pub(crate) fn tail(store: &RocksStore, key: &str) -> Result<Vec<StoredRecord>> {
    Ok(block_on(store.tail(shard(&id(key)), 1, usize::MAX))?.records)
}

pub(crate) fn verify(store: &RocksStore) -> Result<adjoin_rocksdb::Verified> {
    block_on(store.verify(|_| {}))
}

/// Files of a folder with this ending, by number.
pub(crate) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    files.sort();
    files
}

/// The last log, which is written to now.
pub(crate) fn log(folder: &Path) -> PathBuf {
    files(folder, "log").pop().expect("a log")
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
    }
}

/// A value of the error's context.
pub(crate) fn context<'a>(error: &'a Error, name: &str) -> Option<&'a str> {
    error.context.iter().find(|(what, _)| what == name).map(|(_, value)| value.as_str())
}
