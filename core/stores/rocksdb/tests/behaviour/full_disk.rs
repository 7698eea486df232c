// SPDX-License-Identifier: Apache-2.0
//! A full disk: a small one, made for this test alone in a mount namespace of its own.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use adjoin_model::Kind;
use adjoin_rocksdb::{RocksStore, Settings};
use adjoin_storage::{Refusal, Written};

use crate::given::{event, open, sequences, settings, verify, write};

/// Set in the process that has the small disk.
const DISK: &str = "ADJOIN_SMALL_DISK";
const EVENT: usize = 20_000;
/// What the shell below ends with when it cannot mount.
const NO_MOUNT: i32 = 77;
const PATIENCE: Duration = Duration::from_secs(60);

/// The log meets the end of the disk first.
#[test]
fn a_full_disk_refuses_writes_and_serves_reads_when_the_log_fills_it() {
    on_a_small_disk("a_full_disk_refuses_writes_and_serves_reads_when_the_log_fills_it", 64 << 20);
}

/// A sorted file meets the end of the disk first.
#[test]
fn a_full_disk_refuses_writes_and_serves_reads_when_a_flush_fills_it() {
    on_a_small_disk("a_full_disk_refuses_writes_and_serves_reads_when_a_flush_fills_it", 6 << 20);
}

fn on_a_small_disk(name: &str, write_buffer_bytes: usize) {
    if let Some(disk) = std::env::var_os(DISK) {
        fills_and_recovers(disk.as_ref(), Settings { write_buffer_bytes, ..settings() });
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let mount = "mount -t tmpfs -o size=24m tmpfs \"$0\" || exit 77; exec \"$@\"";
    let mut child = Command::new("unshare");
    child.args(["--map-root-user", "--mount", "sh", "-c", mount]).arg(place.path());
    child.arg(std::env::current_exe().expect("this program")).args(["--exact", &format!("full_disk::{name}")]);
    match child.env(DISK, place.path()).output() {
        Ok(ended) if ended.status.success() => {
            let said = String::from_utf8_lossy(&ended.stdout);
            assert!(said.contains("1 passed"), "the test on the small disk did not run: {said}");
        }
        Ok(ended) if ended.status.code() == Some(NO_MOUNT) || ended.stdout.is_empty() => {
            not_run(name, &format!("no small disk can be mounted here: {}", String::from_utf8_lossy(&ended.stderr)));
        }
        Ok(ended) => panic!("{}", String::from_utf8_lossy(&ended.stdout)),
        Err(error) => not_run(name, &format!("`unshare` did not start: {error}")),
    }
}

/// Fails in CI; elsewhere it is listed.
fn not_run(name: &str, reason: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{reason}");
    let line = format!("skipped: full_disk::{name}: {reason}\n");
    // Past the test runner, which keeps back what passing tests print.
    std::io::stderr().write_all(line.as_bytes()).expect("said");
    if let Some(list) = std::env::var_os("ADJOIN_SKIPPED") {
        let list = fs::OpenOptions::new().create(true).append(true).open(list);
        list.and_then(|mut list| list.write_all(line.as_bytes())).expect("listed");
    }
}

fn fills_and_recovers(disk: &Path, settings: Settings) {
    let folder = disk.join("store");
    let store = RocksStore::open(&folder, settings).expect("opens");
    let ballast = disk.join("ballast");
    let mut last = append(&store, 0, 20);
    fs::write(&ballast, vec![1; 12 << 20]).expect("room for it");
    last = append(&store, last, u64::MAX);
    for _ in 0..3 {
        let refused = write(&store, "ada", vec![event("ada", last + 1, EVENT)]);
        assert!(matches!(&refused, Written::Refused(Refusal::Failed(e)) if e.kind == Kind::Exhausted), "{refused:?}");
        assert_eq!(sequences(&store, "ada"), (1..=last).collect::<Vec<_>>(), "reads are served");
    }
    fs::remove_file(&ballast).expect("freed");
    recovers(&store, last + 1);
    last = append(&store, last + 1, last + 20);
    drop(store);
    let store = open(&folder).expect("opens");
    assert_eq!(sequences(&store, "ada"), (1..=last).collect::<Vec<_>>());
    verify(&store).expect("in order");
}

/// Writes events after `last` until one is refused or `until` is reached; answers the last that is durable.
fn append(store: &RocksStore, mut last: u64, until: u64) -> u64 {
    while last < until {
        match write(store, "ada", vec![event("ada", last + 1, EVENT)]) {
            Written::Durable => last += 1,
            Written::Refused(Refusal::Failed(error)) => {
                assert_eq!(error.kind, Kind::Exhausted, "{error}");
                assert!(error.retry_after_ms.is_some());
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    last
}

fn recovers(store: &RocksStore, next: u64) {
    let began = Instant::now();
    loop {
        match write(store, "ada", vec![event("ada", next, EVENT)]) {
            Written::Durable => return,
            Written::Refused(Refusal::Failed(error)) if began.elapsed() < PATIENCE => {
                assert_eq!(error.kind, Kind::Exhausted, "{error}");
                std::thread::yield_now();
            }
            other => panic!("after {:?}: {other:?}", began.elapsed()),
        }
    }
}
