// SPDX-License-Identifier: Apache-2.0
//! The write-ahead log after a crash: its end may be missing, nothing else.

use std::fs::{self, OpenOptions};
use std::path::Path;

use adjoin_model::Kind;
use adjoin_rocksdb::Torn;
use tempfile::TempDir;

use crate::given::{context, events, files, head, log, open, sequences, verify};

/// A folder whose process ended without closing it, after these many events of `ada`.
fn crashed(count: u64) -> TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let store = open(place.path()).expect("opens");
    events(&store, "ada", 1..=count);
    drop(store);
    place
}

fn shorten(file: &Path, by: u64) -> u64 {
    let length = fs::metadata(file).expect("a file").len() - by;
    OpenOptions::new().write(true).open(file).and_then(|file| file.set_len(length)).expect("shortened");
    length
}

fn flip(file: &Path, place: usize) {
    let mut content = fs::read(file).expect("a file");
    content[place] ^= 0x10;
    fs::write(file, content).expect("written");
}

#[test]
fn a_log_is_replayed_and_its_batches_are_checked() {
    let place = crashed(3);
    let store = open(place.path()).expect("opens");
    assert_eq!(sequences(&store, "ada"), [1, 2, 3]);
    assert_eq!((store.report().batches_checked, store.report().torn.len()), (3, 0));
    assert!(!store.report().created);
}

#[test]
fn a_torn_tail_is_cut_and_said() {
    let place = crashed(3);
    let torn = log(place.path());
    let length = shorten(&torn, 5);
    let store = open(place.path()).expect("opens");
    assert_eq!(sequences(&store, "ada"), [1, 2]);
    let [Torn { file, offset, bytes }] = store.report().torn.as_slice() else { panic!("{:?}", store.report()) };
    assert_eq!(Some(file.as_str()), torn.file_name().and_then(|name| name.to_str()));
    assert_eq!(offset + bytes, length);
    assert_eq!(head(&store, "ada").position, 2);
    events(&store, "ada", 3..=4);
    drop(store);
    let store = open(place.path()).expect("opens");
    assert_eq!((sequences(&store, "ada"), store.report().torn.len()), (vec![1, 2, 3, 4], 0));
    verify(&store).expect("in order");
}

#[test]
fn a_tail_that_was_never_written_is_cut_and_said() {
    let place = crashed(3);
    let torn = log(place.path());
    let whole = fs::metadata(&torn).expect("a log").len();
    OpenOptions::new().write(true).open(&torn).and_then(|file| file.set_len(whole + 4096)).expect("longer");
    let store = open(place.path()).expect("opens");
    assert_eq!(sequences(&store, "ada"), [1, 2, 3]);
    assert_eq!((store.report().torn[0].offset, store.report().torn[0].bytes), (whole, 4096));
}

#[test]
fn a_flipped_bit_in_the_log_is_corrupt_wherever_it_is() {
    let place = crashed(4);
    let length = fs::metadata(log(place.path())).expect("a log").len() as usize;
    for at in (0..length).step_by(length / 40) {
        let copy = tempfile::tempdir().expect("a folder");
        crate::given::copy(place.path(), copy.path());
        let damaged = log(copy.path());
        flip(&damaged, at);
        let error = open(copy.path()).err().unwrap_or_else(|| panic!("byte {at} was missed"));
        assert_eq!(error.kind, Kind::Corrupt, "{error}");
        assert_eq!(context(&error, "file"), damaged.file_name().and_then(|name| name.to_str()));
        let offset: usize = context(&error, "offset").and_then(|offset| offset.parse().ok()).expect("an offset");
        assert!(offset <= at && at < offset + 400, "byte {at}: {error}");
    }
}

#[test]
fn a_log_that_is_gone_is_corrupt() {
    let place = crashed(2);
    for log in files(place.path(), "log") {
        fs::remove_file(log).expect("removed");
    }
    let error = open(place.path()).err().expect("an error");
    assert_eq!(error.kind, Kind::Corrupt, "{error}");
}

#[test]
fn a_log_that_is_missing_between_others_is_corrupt() {
    let place = crashed(3);
    let old = log(place.path());
    let content = fs::read(&old).expect("a log");
    // The last write goes to a newer log, the one before is nowhere.
    let lengths = record_lengths(&content);
    let second: usize = lengths[..lengths.len() - 2].iter().sum();
    fs::write(&old, &content[..second]).expect("written");
    let later = second + lengths[lengths.len() - 2];
    fs::write(old.with_file_name("900000.log"), &content[later..]).expect("written");
    let error = open(place.path()).err().expect("an error");
    assert!(error.message.contains("missing from the log"), "{error}");
}

/// Lengths of the records of a log that is shorter than a block.
fn record_lengths(content: &[u8]) -> Vec<usize> {
    let (mut at, mut lengths) = (0, Vec::new());
    while at < content.len() {
        lengths.push(7 + usize::from(u16::from_le_bytes([content[at + 4], content[at + 5]])));
        at += lengths[lengths.len() - 1];
    }
    lengths
}
