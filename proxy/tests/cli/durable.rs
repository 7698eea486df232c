// SPDX-License-Identifier: Apache-2.0
//! A folder: what was acknowledged is there after `kill -9`, one host at a time, read without one.

use std::path::Path;

use crate::support::{Function, Host, adjoin, offline, on, text};

#[test]
fn what_was_acknowledged_outlives_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    let host = on(folder.path(), &function);
    for count in 1..=5 {
        assert_eq!(host.add("ada", &format!("p{count}")).body, count.to_string());
    }
    host.process.kill();
    let host = on(folder.path(), &function);
    let contents = host.contents("ada");
    assert!((1..=5).all(|count| contents.contains(&format!("p{count}"))), "{contents}");
    assert_eq!(host.add("ada", "p6").body, "6");
}

#[test]
fn a_torn_tail_is_said_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    let host = on(folder.path(), &function);
    host.add("ada", "p1");
    host.add("ada", "p2");
    host.process.kill();
    let files = std::fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
    let log = files.filter(|path| path.extension().is_some_and(|ending| ending == "log")).max().expect("a log");
    let log = std::fs::OpenOptions::new().write(true).open(log).expect("opened");
    log.set_len(log.metadata().expect("a length").len() - 5).expect("shortened");
    let host = on(folder.path(), &function);
    assert_eq!(host.add("ada", "p3").body, "2");
    host.process.signal("TERM");
    let (_, said) = host.process.ended();
    assert_eq!(said.matches("ended in a write that was under way").count(), 1, "{said}");
}

#[test]
fn a_second_host_on_a_folder_is_refused_and_told_of_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    let host = on(folder.path(), &function);
    let words = ["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    for words in [&words[..], &["entity", "ls"]] {
        let (code, _, said) = offline(folder.path(), words);
        assert_eq!(code, Some(5), "{said}");
        assert!(said.contains(&format!("--admin {}", host.admin)), "{said}");
    }
    assert_eq!(host.add("ada", "p1").body, "1", "the first is not disturbed");
}

#[test]
fn a_closed_folder_is_read_verified_and_written_without_a_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    let host = on(folder.path(), &function);
    host.add("ada", "p1");
    host.add("ada", "p2");
    host.process.signal("TERM");
    assert!(host.process.ended().0.success());

    assert_eq!(offline(folder.path(), &["entity", "ls"]).1, "TYPE\nshop.Cart\n");
    let (_, history, _) = offline(folder.path(), &["entity", "history", "shop.Cart/ada", "-o", "jsonl"]);
    assert_eq!(history.lines().count(), 2);
    let (_, view, _) = offline(folder.path(), &["entity", "get", "shop.Cart/ada", "-o", "json"]);
    assert!(view.contains("\"sequence\": 2") && view.contains("only a running function"), "{view}");
    let (code, report, said) = offline(folder.path(), &["journal", "verify", "-o", "json"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(report.contains("\"records\": 2"), "{report}");

    let (code, out, said) = offline(folder.path(), &["entity", "delete", "shop.Cart/ada", "--yes"]);
    assert_eq!((code, out.contains("sequence 3")), (Some(0), true), "{said}");
    assert_eq!(offline(folder.path(), &["entity", "delete", "shop.Cart/ada", "--yes"]).0, Some(3));
    let host = on(folder.path(), &function);
    assert_eq!(host.contents("ada"), "[]");
    assert_eq!(host.add("ada", "p3").body, "1");
    let output = adjoin().args(["journal", "verify", "--admin", &host.admin()]).output().expect("run");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn an_entity_of_a_closed_folder_is_purged() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    let host = on(folder.path(), &function);
    host.add("ada", "p1");
    host.add("bob", "p1");
    host.process.signal("TERM");
    assert!(host.process.ended().0.success());

    let purge =
        |words: &[&str]| offline(folder.path(), &[&["entity", "purge", "shop.Cart", "ada", "--yes"], words].concat());
    let (code, _, said) = purge(&[]);
    assert!(code == Some(4) && said.contains("is not deleted"), "{said}");
    let (code, out, said) = purge(&["--force"]);
    assert!(code == Some(0) && out.contains("sequence 2"), "{out}{said}");
    assert_eq!(purge(&["--force"]).0, Some(3), "nothing is left to purge");
    let (code, report, said) = offline(folder.path(), &["journal", "verify", "-o", "json"]);
    assert!(code == Some(0) && report.contains("\"records\": 3"), "places stay, content goes: {report}{said}");
    let host = on(folder.path(), &function);
    assert_eq!(host.contents("ada"), "[]");
    assert_eq!(host.add("ada", "p2").body, "1");
    assert_eq!(host.add("bob", "p2").body, "2");
}

#[test]
fn damage_is_named_and_has_its_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    let host = on(folder.path(), &function);
    (0..50).for_each(|_| drop(host.add("ada", "p1")));
    host.process.signal("TERM");
    assert!(host.process.ended().0.success());
    flip_sorted_files(folder.path());
    let (code, _, said) = offline(folder.path(), &["journal", "verify"]);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains(".sst") || said.contains("shard"), "{said}");
}

#[test]
fn every_damage_of_a_closed_folder_is_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    let host = on(folder.path(), &function);
    (0..5).for_each(|_| drop(host.add("ada", "p1")));
    host.process.signal("TERM");
    assert!(host.process.ended().0.success());
    flip_sorted_files_with(folder.path(), b"ItemAdded");
    let listed = |report: &str| {
        let report: serde_json::Value = serde_json::from_str(report).expect("JSON");
        report["damages"].as_array().expect("a list").len()
    };
    let (code, report, said) = offline(folder.path(), &["journal", "verify", "-o", "json"]);
    assert_eq!((code, said.contains("damaged in")), (Some(6), true), "{said}");
    assert!(listed(&report) >= 5, "every event of the block: {report}");
    let (_, table, _) = offline(folder.path(), &["journal", "verify"]);
    assert!(table.lines().count() >= 2 + 5, "a row and every place: {table}");
}

/// Flips a bit in the first block of every sorted file.
fn flip_sorted_files(folder: &Path) {
    flip_sorted_files_with(folder, b"");
}

/// Flips a bit in the first block of the sorted files that hold this text.
fn flip_sorted_files_with(folder: &Path, text: &[u8]) {
    let files = std::fs::read_dir(folder).expect("read").flatten().map(|file| file.path());
    let sorted: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "sst")).collect();
    assert!(!sorted.is_empty(), "a closed folder has sorted files");
    for path in sorted {
        let mut bytes = std::fs::read(&path).expect("read");
        if !text.is_empty() && !bytes.windows(text.len()).any(|window| window == text) {
            continue;
        }
        bytes[10] ^= 1;
        std::fs::write(&path, bytes).expect("written");
    }
}

#[test]
fn a_folder_keeps_its_number_of_shards() {
    let folder = tempfile::tempdir().expect("a folder");
    let function = Function::start();
    drop(Host::ready(&function.address, &["--shards", "64", "--data", &folder.path().display().to_string()]));
    let host = on(folder.path(), &function);
    assert!(crate::support::get(host.admin, "/admin/status").body.contains("\"shards\":64"));
    drop(host);
    let (code, _, said) =
        offline(folder.path(), &["serve", "--shards", "128", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    assert_eq!(code, Some(2), "{said}");
}
