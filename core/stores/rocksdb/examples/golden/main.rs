// SPDX-License-Identifier: Apache-2.0
//! Writes a golden folder of the present format: `cargo run -p adjoin-rocksdb --example golden -- entities FOLDER`, or
//! `effects` for outbox and inbox, or `consumers` for positions and dead letters.
//!
//! Done once for each format and committed; `tests/behaviour/golden.rs` reads it with every later version.

mod content;

use std::fs;
use std::path::Path;

use adjoin_model::{EntityId, Head, Record, ShardBatch, ShardId, shard_of};
use adjoin_rocksdb::{RocksStore, Settings};
use adjoin_storage::{Effects, Entities, Journal, Store, Written};
use futures::executor::block_on;

fn main() {
    let (what, folder) = (std::env::args().nth(1), std::env::args().nth(2).expect("a folder to write"));
    let folder = Path::new(&folder);
    let settings = || Settings { shards: Some(content::SHARDS), ..Settings::new(content::STORE_ID) };
    let (flushed, logged) = match what.as_deref() {
        Some("effects") => content::effects(),
        Some("consumers") => content::consumers(),
        _ => content::batches(),
    };
    let store = RocksStore::open(folder, settings()).expect("opens");
    let claims: Vec<_> = (0..content::SHARDS).map(|shard| (ShardId(shard), Head::EMPTY)).collect();
    assert!(block_on(store.raise(&claims, content::WRITER)).iter().all(Result::is_ok));
    flushed.into_iter().for_each(|records| write(&store, records));
    let ada = EntityId::new("shop.Cart", "ada").expect("an id");
    match what.as_deref() {
        Some("effects") => block_on(store.trim(shard_of(&ada, content::SHARDS), &[2])).expect("trimmed"),
        Some("consumers") => {}
        _ => {
            block_on(store.keep_snapshot(&ada, &content::snapshot())).expect("kept");
            block_on(store.purge(&EntityId::new("shop.Cart", "purged").expect("an id"), None)).expect("purged");
        }
    }
    block_on(store.close()).expect("closes");
    drop(store);
    let store = RocksStore::open(folder, settings()).expect("opens");
    logged.into_iter().for_each(|records| write(&store, records));
    drop(store);
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        // RocksDB's diary and its record of options, which opening does not read, name places of this machine.
        if ["LOG", "OPTIONS", "LOCK", "adjoin.lock"].iter().any(|start| name.starts_with(start)) {
            fs::remove_file(&path).expect("removed");
        }
    }
}

fn write(store: &RocksStore, records: Vec<Record>) {
    let shard = shard_of(&records[0].entity, content::SHARDS);
    let head = block_on(store.head(shard)).expect("a head");
    let batch = ShardBatch { shard, epoch: head.epoch, owner: content::WRITER, first: head.position + 1, records };
    assert_eq!(block_on(store.write(&[batch])), [Written::Durable]);
}
