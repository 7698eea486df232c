// SPDX-License-Identifier: Apache-2.0
//! Row 4: durable commands in-process from Rust, against raw synced RocksDB writes of the same bytes.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use adjoin::Runtime;

use crate::counter::{Counter, TEXT, app};
use crate::report::{Target, median};
use crate::{Arguments, Outcome};

const CALLERS: usize = 64;
const KEYS: usize = 1000;

pub(super) fn run(arguments: &Arguments) -> Outcome<Vec<Target>> {
    let (mut adjoin, mut raw, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=arguments.rounds() {
        adjoin.push(commands(arguments)?);
        raw.push(raw_writes(arguments)?);
        syncs.push(sync_ms()?);
        let at = round - 1;
        println!(
            "round {round}: adjoin {:.0}/s, raw RocksDB {:.0}/s, fdatasync p50 {:.2} ms",
            adjoin[at], raw[at], syncs[at]
        );
    }
    let (adjoin, raw, sync) = (median(adjoin), median(raw), median(syncs));
    // Where a sync is slow, one write per command is no peer any more: the callers that fit into a sync are.
    let peer = if sync > 1.0 { CALLERS as f64 / (sync / 1000.0) } else { raw };
    let (named, target) = if sync > 1.0 { ("callers-per-fdatasync", 1.0) } else { ("raw-rocksdb", 2.5) };
    Ok(vec![
        Target::more(4, named, adjoin, peer, "/s", target)
            .note(format!("fdatasync p50 {sync:.2} ms, {CALLERS} callers")),
    ])
}

/// Commands a second of callers in one process, each waiting for its reply.
fn commands(arguments: &Arguments) -> Outcome<f64> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let rt = Arc::new(app().open(folder.path()).await?);
        load(&rt, Duration::from_secs(1)).await?;
        let done = load(&rt, arguments.duration()).await?;
        Ok(done as f64 / arguments.duration().as_secs_f64())
    })
}

async fn load(rt: &Arc<Runtime>, time: Duration) -> Outcome<u64> {
    let end = Instant::now() + time;
    let callers: Vec<_> = (0..CALLERS).map(|caller| tokio::spawn(calls(rt.clone(), caller, end))).collect();
    let mut done = 0;
    for caller in callers {
        done += caller.await??;
    }
    Ok(done)
}

async fn calls(rt: Arc<Runtime>, caller: usize, end: Instant) -> Outcome<u64> {
    let mut done = 0;
    while Instant::now() < end {
        let key = format!("k{}", (caller * 7919 + done as usize * 31) % KEYS);
        rt.entity::<Counter>(key).call(Counter::count, TEXT.to_owned()).await?;
        done += 1;
    }
    Ok(done)
}

/// Synced puts a second of as many threads, one put a write.
fn raw_writes(arguments: &Arguments) -> Outcome<f64> {
    let folder = tempfile::tempdir()?;
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    let db = Arc::new(rocksdb::DB::open(&options, folder.path())?);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..CALLERS as u64)
        .map(|writer| {
            let (db, stop, done) = (db.clone(), stop.clone(), done.clone());
            std::thread::spawn(move || raw_writer(&db, writer, &stop, &done))
        })
        .collect();
    let began = Instant::now();
    let (say, hear) = std::sync::mpsc::channel::<()>();
    let _ = hear.recv_timeout(arguments.duration());
    drop(say);
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().map_err(|_| "a writer failed")??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

fn raw_writer(db: &rocksdb::DB, writer: u64, stop: &AtomicBool, done: &AtomicU64) -> Outcome<()> {
    let mut options = rocksdb::WriteOptions::default();
    options.set_sync(true);
    let mut turn: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let key = (writer << 40 | turn).to_be_bytes();
        db.put_opt(key, [b'x'; 100], &options)?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Median of one small write and its fdatasync, in milliseconds.
fn sync_ms() -> Outcome<f64> {
    let mut file = tempfile::NamedTempFile::new()?;
    let one = |file: &mut File| -> Outcome<f64> {
        let began = Instant::now();
        file.write_all(&[b'x'; 128])?;
        file.sync_data()?;
        Ok(began.elapsed().as_secs_f64() * 1000.0)
    };
    let times: Outcome<Vec<f64>> = (0..200).map(|_| one(file.as_file_mut())).collect();
    Ok(median(times?))
}
