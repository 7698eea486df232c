// SPDX-License-Identifier: Apache-2.0
//! Raw numbers of this machine: `cargo run --release -p adjoin-rocksdb --example rates -- FOLDER`.
//!
//! Synced writes of one 100-byte event by 1, 16 and 64 writers, through the store and as plain RocksDB puts of the same
//! bytes, in turns; the store as the engine uses it, one call for everything that waits; replay; and opening a folder
//! with a million entities.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use adjoin_model::{
    Body, CommandId, EntityId, Epoch, Head, LoadRequest, Owner, Payload, Record, ShardBatch, ShardId, Wall, shard_of,
};
use adjoin_rocksdb::{RocksStore, Settings};
use adjoin_storage::{Entities, Journal, Store, Written};
use futures::executor::block_on;
use rocksdb::{DB, WriteOptions};

const ME: Owner = Owner(1);
const TURN: Duration = Duration::from_secs(2);
const ENTITIES: u64 = 1_000_000;

fn main() {
    let folder = std::env::args().nth(1).expect("a folder to write in");
    let folder = Path::new(&folder);
    for writers in [1, 16, 64] {
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..3 {
            rates[0].push(plain(&folder.join(format!("plain-{writers}-{round}")), writers));
            rates[1].push(stored(&folder.join(format!("store-{writers}-{round}")), writers));
            rates[2].push(together(&folder.join(format!("batch-{writers}-{round}")), writers));
        }
        let [plain, stored, together] = rates.map(median);
        say(&format!(
            "{writers:>2} writers: plain puts {plain:>7.0}/s · store {stored:>7.0}/s ({:.2}×) · store, one call for all {together:>7.0}/s ({:.2}×)",
            stored / plain,
            together / plain
        ));
    }
    replay(&folder.join("replay"));
    reopen(&folder.join("million"));
}

fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn id(number: u64) -> EntityId {
    EntityId::new("shop.Cart", format!("cart-{number}")).expect("an id")
}

fn event(entity: &EntityId, sequence: u64) -> Record {
    let body = Body::Event(Payload::new("ItemAdded", vec![7; 100]));
    Record { entity: entity.clone(), sequence, command: CommandId(u128::from(sequence)), at: Wall(sequence), body }
}

fn open(folder: &Path) -> RocksStore {
    let store = RocksStore::open(folder, Settings::new(1)).expect("opens");
    let claims: Vec<_> = (0..1024).map(|shard| (ShardId(shard), Head::EMPTY)).collect();
    assert!(block_on(store.raise(&claims, ME)).iter().all(Result::is_ok));
    store
}

/// Runs `write` on so many threads for one turn; answers writes a second.
fn rate(writers: u64, write: impl Fn(u64, u64) + Sync) -> f64 {
    let (began, count) = (Instant::now(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (write, count) = (&write, &count);
            scope.spawn(move || {
                let mut number = 0;
                while began.elapsed() < TURN {
                    number += 1;
                    write(writer, number);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / began.elapsed().as_secs_f64()
}

fn plain(folder: &Path, writers: u64) -> f64 {
    let db = DB::open_default(folder).expect("opens");
    let mut options = WriteOptions::default();
    options.set_sync(true);
    rate(writers, |writer, number| {
        let key = format!("shop.Cart/cart-{writer}/{number}");
        db.put_opt(key, [7; 100], &options).expect("written");
    })
}

/// Every writer has an entity in a shard of its own and waits for each of its writes.
fn stored(folder: &Path, writers: u64) -> f64 {
    let store = open(folder);
    let entities = distinct(writers);
    rate(writers, |writer, number| {
        let entity = &entities[writer as usize];
        let records = vec![event(entity, number)];
        let batch = ShardBatch { shard: shard_of(entity, 1024), epoch: Epoch(1), owner: ME, first: number, records };
        assert_eq!(block_on(store.write(&[batch])), [Written::Durable]);
    })
}

fn distinct(count: u64) -> Vec<EntityId> {
    let mut shards = std::collections::BTreeSet::new();
    (0..).map(id).filter(|entity| shards.insert(shard_of(entity, 1024))).take(count as usize).collect()
}

/// One caller writes for all writers at once, as the engine does.
fn together(folder: &Path, writers: u64) -> f64 {
    let store = open(folder);
    let entities = distinct(writers);
    let calls = rate(1, |_, number| {
        let batch = |entity: &EntityId| {
            let records = vec![event(entity, number)];
            ShardBatch { shard: shard_of(entity, 1024), epoch: Epoch(1), owner: ME, first: number, records }
        };
        let batches: Vec<_> = entities.iter().map(batch).collect();
        assert!(block_on(store.write(&batches)).iter().all(|written| *written == Written::Durable));
    });
    calls * writers as f64
}

fn replay(folder: &Path) {
    const EVENTS: u64 = 1_000_000;
    let store = open(folder);
    let entity = id(0);
    let shard = shard_of(&entity, 1024);
    for first in (1..=EVENTS).step_by(1000) {
        let records = (first..first + 1000).map(|sequence| event(&entity, sequence)).collect();
        let batch = ShardBatch { shard, epoch: Epoch(1), owner: ME, first, records };
        assert_eq!(block_on(store.write(&[batch])), [Written::Durable]);
    }
    let (began, mut after, mut count) = (Instant::now(), None, 0);
    loop {
        let request = LoadRequest { after, snapshot_below: None, max_bytes: 1 << 20 };
        let page = block_on(store.load(&entity, request)).expect("loads");
        count += page.events.len();
        after = page.events.last().map(|(sequence, _)| *sequence);
        if !page.more {
            break;
        }
    }
    say(&format!("replay of {count} events: {:.0}/s", count as f64 / began.elapsed().as_secs_f64()));
    let (began, mut from) = (Instant::now(), 1);
    loop {
        let page = block_on(store.tail(shard, from, 1 << 20)).expect("a tail");
        from += page.records.len() as u64;
        if !page.more {
            break;
        }
    }
    say(&format!("tail of {} records: {:.0}/s", from - 1, (from - 1) as f64 / began.elapsed().as_secs_f64()));
}

fn reopen(folder: &Path) {
    let store = open(folder);
    let mut firsts = vec![1_u64; 1024];
    for chunk in 0..ENTITIES / 10_000 {
        let mut batches: std::collections::BTreeMap<ShardId, Vec<Record>> = std::collections::BTreeMap::new();
        for number in chunk * 10_000..(chunk + 1) * 10_000 {
            let entity = id(number);
            batches.entry(shard_of(&entity, 1024)).or_default().push(event(&entity, 1));
        }
        let batch = |(shard, records): (ShardId, Vec<Record>)| {
            let first = firsts[shard.0 as usize];
            firsts[shard.0 as usize] += records.len() as u64;
            ShardBatch { shard, epoch: Epoch(1), owner: ME, first, records }
        };
        let batches: Vec<_> = batches.into_iter().map(batch).collect();
        assert!(block_on(store.write(&batches)).iter().all(|written| *written == Written::Durable));
    }
    drop(store);
    let began = Instant::now();
    let store = RocksStore::open(folder, Settings::new(1)).expect("opens");
    let checked = store.report().batches_checked;
    say(&format!("open with {ENTITIES} entities after a crash: {:?} ({checked} batches checked)", began.elapsed()));
    block_on(store.close()).expect("closes");
    drop(store);
    let began = Instant::now();
    let store = RocksStore::open(folder, Settings::new(1)).expect("opens");
    let opened = began.elapsed();
    let heads = block_on(store.heads()).expect("heads");
    assert!(block_on(store.raise(&heads, Owner(2))).iter().all(Result::is_ok));
    say(&format!("open with {ENTITIES} entities: {opened:?}, all shards claimed: {:?}", began.elapsed()));
    let began = Instant::now();
    let verified = block_on(store.verify(|_| {})).expect("in order");
    say(&format!("verify: {:?} for {verified:?}", began.elapsed()));
}
