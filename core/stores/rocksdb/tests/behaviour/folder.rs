// SPDX-License-Identifier: Apache-2.0
//! Who may open a folder, and with what.

use std::os::unix::process::CommandExt;
use std::process::Command;

use adjoin_model::{Kind, ShardId};
use adjoin_rocksdb::{RocksStore, Settings};
use adjoin_storage::{Journal, Refusal, Store, Written};
use fork::Fork;
use futures::executor::block_on;

use crate::given::{context, event, events, load, open, sequences, settings, write};

#[test]
fn a_second_opener_is_refused() {
    let place = tempfile::tempdir().expect("a folder");
    let first = open(place.path()).expect("opens");
    let error = open(place.path()).err().expect("refused");
    assert_eq!(error.kind, Kind::Unavailable);
    assert_eq!(context(&error, "process"), Some(std::process::id().to_string().as_str()));
    drop(first);
    open(place.path()).expect("opens");
}

#[test]
fn a_closed_store_lets_the_folder_go() {
    let place = tempfile::tempdir().expect("a folder");
    let first = open(place.path()).expect("opens");
    block_on(first.close()).expect("closes");
    open(place.path()).expect("opens while the closed store still lives");
}

/// Runs as a process of its own, started by the test below.
const SECOND: &str = "ADJOIN_SECOND_OPENER";

#[test]
fn a_second_process_is_refused() {
    if let Some(folder) = std::env::var_os(SECOND) {
        let error = open(folder.as_ref()).err().expect("refused");
        assert_eq!(error.kind, Kind::Unavailable);
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let _first = open(place.path()).expect("opens");
    let mut second = Command::new(std::env::current_exe().expect("this program"));
    second.args(["--exact", "folder::a_second_process_is_refused"]).env(SECOND, place.path());
    let ended = second.output().expect("started");
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn a_forked_child_is_refused_and_harms_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let store = open(place.path()).expect("opens");
    events(&store, "ada", 1..=2);
    match fork::fork().expect("forked") {
        Fork::Child => {
            let refused = children_are_refused(&store);
            drop(store);
            // Leaves without running what the parent's libraries do at exit.
            let _ = Command::new(if refused { "true" } else { "false" }).exec();
        }
        Fork::Parent(child) => {
            let status = fork::waitpid(child).expect("ended");
            assert_eq!(status, 0, "the child used the store");
            events(&store, "ada", 3..=4);
            block_on(store.close()).expect("closes");
            assert_eq!(sequences(&open(place.path()).expect("opens"), "ada"), [1, 2, 3, 4]);
        }
    }
}

fn children_are_refused(store: &RocksStore) -> bool {
    let refused = |kind| kind == Kind::Unavailable;
    let head = block_on(store.head(ShardId(0))).err().is_some_and(|error| refused(error.kind));
    let read = load(store, "ada").err().is_some_and(|error| refused(error.kind) && error.message.contains("forked"));
    let batch = adjoin_model::ShardBatch {
        shard: ShardId(0),
        epoch: adjoin_model::Epoch(1),
        owner: crate::given::ME,
        first: 1,
        records: vec![event("ada", 3, 1)],
    };
    let written = block_on(store.write(&[batch])).remove(0);
    let write = matches!(written, Written::Refused(Refusal::Failed(error)) if refused(error.kind));
    let close = block_on(store.close()).is_err();
    head && read && write && close
}

#[test]
fn what_was_fixed_at_creation_stays() {
    let place = tempfile::tempdir().expect("a folder");
    let made = open(place.path()).expect("opens");
    assert!(made.report().created);
    let meta = made.meta();
    assert_eq!((meta.format, meta.shards, meta.store_id), (1, 16, 9));
    drop(made);
    let again = RocksStore::open(place.path(), Settings::new(77)).expect("opens");
    assert_eq!((again.meta(), again.report().created), (meta, false));
    drop(again);
    let other = Settings { shards: Some(32), ..settings() };
    let error = RocksStore::open(place.path(), other).err().expect("refused");
    assert_eq!(error.kind, Kind::Invalid);
}

#[test]
fn shards_are_1024_unless_said_and_bounded() {
    let place = tempfile::tempdir().expect("a folder");
    let store = RocksStore::open(place.path().join("default"), Settings::new(1)).expect("opens");
    assert_eq!(store.meta().shards, 1024);
    for (index, shards) in [15, 65_537].into_iter().enumerate() {
        let settings = Settings { shards: Some(shards), ..settings() };
        let error = RocksStore::open(place.path().join(index.to_string()), settings).err().expect("refused");
        assert_eq!(error.kind, Kind::Invalid);
    }
}

#[test]
fn a_folder_without_store_is_not_found_unless_it_is_to_be_made() {
    let place = tempfile::tempdir().expect("a folder");
    let settings = Settings { create: false, ..settings() };
    let error = RocksStore::open(place.path(), settings.clone()).err().expect("nothing there");
    assert_eq!(error.kind, Kind::NotFound);
    events(&open(place.path()).expect("opens"), "ada", 1..=1);
    let store = RocksStore::open(place.path(), settings).expect("opens");
    assert_eq!(write(&store, "ada", vec![event("ada", 2, 1)]), Written::Durable);
}

#[test]
fn a_store_works_inside_an_async_runtime() {
    let place = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        let store = std::sync::Arc::new(open(place.path()).expect("opens"));
        let reads = (0..64).map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.head(ShardId(number % 16)).await })
        });
        for read in futures::future::join_all(reads).await {
            read.expect("ran").expect("a head");
        }
    });
}
