// SPDX-License-Identifier: Apache-2.0
//! Engine and store in this process.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use adjoin_host::{FromForeign, Host};
use adjoin_model::Kind;

use crate::foreign::{Foreign, PATIENCE, request, settings, watch};

fn folder(path: &Path) -> String {
    format!(r#","path":"{}","shards":16"#, path.display())
}

#[test]
fn what_was_acknowledged_is_there_after_a_reopen() {
    let dir = tempfile::tempdir().expect("a folder");
    let more = folder(&dir.path().join("shop"));
    for round in 0..3_u64 {
        let mut foreign = Foreign::in_process(&more);
        for n in 1..=5 {
            assert_eq!(foreign.call("ada", "add").expect("a reply").0, (round * 5 + n).to_string());
        }
        foreign.close();
    }
}

/// A copy of a folder that is open, as its files would be found after a crash, with the last write torn.
fn torn(folder: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut logs = Vec::new();
    for file in files {
        let copy = to.join(file.file_name().expect("a name"));
        fs::copy(&file, &copy).expect("copied");
        logs.extend(copy.extension().is_some_and(|ending| ending == "log").then_some(copy));
    }
    let log = OpenOptions::new().write(true).open(logs.iter().max().expect("a log")).expect("opened");
    let whole = log.metadata().expect("a length").len();
    log.set_len(whole - 5).expect("shortened");
}

#[test]
fn a_torn_tail_is_said_to_the_foreign_side() {
    let dir = tempfile::tempdir().expect("a folder");
    let (whole, crashed) = (dir.path().join("whole"), dir.path().join("crashed"));
    let mut foreign = Foreign::in_process(&folder(&whole));
    for _ in 0..3 {
        foreign.call("ada", "add").expect("a reply");
    }
    torn(&whole, &crashed);
    assert_eq!(foreign.wait("being ready", |seen| seen.notes.clone()), Vec::<String>::new());
    foreign.close();

    let mut foreign = Foreign::in_process(&folder(&crashed));
    let notes = foreign.wait("being ready", |seen| seen.notes.clone());
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(note.starts_with(&crashed.display().to_string()) && note.contains(".log ended in a write"), "{note}");
    assert_eq!(foreign.call("ada", "add").expect("a reply").0, "3", "the torn one was the third");
    foreign.close();
}

#[test]
fn a_second_opener_of_a_folder_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let more = folder(dir.path());
    let mut first = Foreign::in_process(&more);
    let error = Host::open(&settings("in-process", &more)).map(drop).expect_err("refused");
    assert!(error.message.contains(&dir.path().display().to_string()) || !error.context.is_empty(), "{error}");
    assert_eq!(first.call("ada", "add").expect("a reply").0, "1");
    first.close();
}

#[test]
fn many_threads_ask_at_once() {
    let mut foreign = Foreign::in_process("");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let foreign = &foreign;
            scope.spawn(move || {
                let ids: Vec<_> = (0..50).map(|n| foreign.ask(&format!("{thread}-{}", n % 5), "add")).collect();
                let replies: Vec<u64> = ids.into_iter().map(|id| foreign.result(id).expect("a reply").1).collect();
                assert_eq!(replies.iter().sum::<u64>(), 5 * (1..=10).sum::<u64>());
            });
        }
    });
    foreign.close();
}

#[test]
fn a_watch_sends_the_next_element_once_one_was_taken() {
    let mut foreign = Foreign::in_process("");
    foreign.call("ada", "add").expect("a reply");
    let id = foreign.send(false, watch("ada"));
    assert_eq!(foreign.element(id), Some(("1".into(), 1)));
    for _ in 0..5 {
        foreign.call("ada", "add").expect("a reply");
    }
    foreign.taken(id);
    assert_eq!(foreign.element(id), Some(("6".into(), 6)), "what it had no time for is left out");
    foreign.host.submit(vec![FromForeign::Cancel(id)]).expect("submitted");
    foreign.call("ada", "add").expect("a reply");
    foreign.close();
    assert!(foreign.wait("nothing", |seen| Some(seen.answers.get(&id).is_none_or(Vec::is_empty))));
}

#[test]
fn a_streamed_reply_comes_in_order() {
    let mut foreign = Foreign::in_process("");
    let id = foreign.send(true, request("shop.Mailer", "all", "list", "null"));
    for n in 0..40 {
        assert_eq!(foreign.element(id), Some((n.to_string(), 0)));
        foreign.taken(id);
    }
    assert_eq!(foreign.element(id), None);
    foreign.close();
}

#[test]
fn errors_keep_their_kind() {
    let mut foreign = Foreign::in_process("");
    assert_eq!(foreign.call("ada", "refuse").expect_err("refused").kind, Kind::Rejected);
    assert_eq!(foreign.call("ada", "fly").expect_err("unknown").kind, Kind::NotFound);
    foreign.close();
}

#[test]
fn a_cancelled_request_is_told_to_the_handler_and_not_answered() {
    let mut foreign = Foreign::in_process("");
    let id = foreign.ask("ada", "hang");
    foreign.held(1);
    foreign.host.submit(vec![FromForeign::Cancel(id)]).expect("submitted");
    foreign.wait("the cancel", |seen| (seen.cancelled == 1).then_some(()));
    foreign.host.submit(vec![FromForeign::Cancel(id), FromForeign::Taken(id)]).expect("submitted");
    foreign.call("bob", "add").expect("a reply");
    foreign.close();
    assert!(foreign.wait("nothing", |seen| Some(seen.answers.get(&id).is_none_or(Vec::is_empty))));
}

/// A POST over a plain socket; the whole response.
fn post(address: &str, path: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n");
    let all = format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    socket.write_all(all.as_bytes()).expect("sent");
    let mut response = String::new();
    socket.read_to_string(&mut response).expect("a response");
    response
}

#[test]
fn the_ingress_serves_the_same_entities() {
    let mut foreign = Foreign::in_process(r#","http":"127.0.0.1:0""#);
    let http = foreign.wait("an address", |seen| seen.http.clone());
    let address = http.strip_prefix("http://").expect("a URL");
    let response = post(address, "/shop.Cart/ada/add", "1");
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("\r\n1"), "{response}");
    assert_eq!(foreign.call("ada", "add").expect("a reply").0, "2");
    foreign.close();
    assert!(TcpStream::connect(address).is_err(), "the port is free again");
}

#[test]
fn broken_settings_are_refused_with_the_reason() {
    let refused = |text: &str| Host::open(text).map(drop).expect_err("refused");
    for text in ["", "[]", r#"{"mode":"flying"}"#, &settings("in-process", r#","shards":1"#)] {
        assert_eq!(refused(text).kind, Kind::Invalid, "{text}");
    }
    assert!(refused(r#"{"mode":"in-process"}"#).message.contains("spec"));
    let twice = r#"{"mode":"in-process","spec":{"sdk":"x","types":[]}}"#;
    assert!(refused(twice).message.contains("no entity type"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let http = format!(r#","http":"{}""#, taken.local_addr().expect("an address"));
    let error = refused(&settings("in-process", &http));
    assert!(error.kind == Kind::Unavailable && error.message.contains("listen"), "{error}");
}
