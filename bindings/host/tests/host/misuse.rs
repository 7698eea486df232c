// SPDX-License-Identifier: Apache-2.0
//! Handles used as they should not be.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use adjoin_host::{FromForeign, Host, ToForeign};
use adjoin_model::{Kind, Outcome};

use crate::foreign::{Foreign, cart, settings};

fn add(id: u64) -> Vec<FromForeign> {
    vec![FromForeign::Request { id, streams: false, uploads: false, request: Box::new(cart("ada", "add")) }]
}

#[test]
fn a_closed_host_answers_with_an_error() {
    let mut foreign = Foreign::in_process("");
    foreign.close();
    assert_eq!(foreign.host.submit(add(1)).expect_err("closed").kind, Kind::Unavailable);
    for _ in 0..2 {
        assert!(matches!(foreign.host.poll(None).expect("a batch")[..], [ToForeign::Closed]));
        foreign.host.close().expect("closed again");
    }
}

#[test]
fn closes_at_once_wait_for_each_other() {
    let foreign = Arc::new(Foreign::in_process(""));
    foreign.call("ada", "add").expect("a reply");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| foreign.host.close().expect("closed"));
        }
    });
    foreign.wait("the end", |seen| seen.closed.then_some(()));
}

#[test]
fn a_close_answers_every_request_that_is_under_way() {
    let mut foreign = Foreign::in_process(r#","drain_ms":50"#);
    let hanging: Vec<_> = (0..10).map(|n| foreign.ask(&format!("k{n}"), "hang")).collect();
    foreign.held(10);
    foreign.close();
    for id in hanging {
        let error = foreign.result(id).expect_err("closed");
        assert_eq!((error.kind, error.outcome), (Kind::Unavailable, Outcome::Unknown));
    }
}

#[test]
fn a_close_waits_for_what_ends_in_time() {
    let mut foreign = Foreign::in_process("");
    let id = foreign.ask("ada", "hang");
    let command = foreign.held(1).remove(0);
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| foreign.host.close().expect("closed"));
        // It is closing once others are refused.
        while foreign.call("bob", "add").is_ok() {}
        foreign.say(crate::foreign::answer(&command, 5, 1));
        closing.join().expect("it ends");
    });
    assert_eq!(foreign.result(id).expect("a reply"), ("5".into(), 1));
    foreign.close();
}

#[test]
fn a_host_dropped_without_a_close_ends() {
    let dir = tempfile::tempdir().expect("a folder");
    let more = format!(r#","path":"{}","shards":16"#, dir.path().display());
    let host = Host::open(&settings("in-process", &more)).expect("a host");
    host.submit(add(1)).expect("submitted");
    drop(host);
    let end = std::time::Instant::now() + crate::foreign::PATIENCE;
    let again = loop {
        match Host::open(&settings("in-process", &more)) {
            Ok(host) => break host,
            Err(error) => assert!(std::time::Instant::now() < end, "the folder stays locked: {error}"),
        }
        std::thread::yield_now();
    };
    again.close().expect("closed");
}

/// Set in a child of this test process, to the folder to use.
const CHILD: &str = "ADJOIN_HOST_TEST_CHILD";

#[test]
fn a_process_that_exits_without_a_close_ends_cleanly() {
    let dir = tempfile::tempdir().expect("a folder");
    let me = std::env::current_exe().expect("this program");
    for _ in 0..3 {
        let child = Command::new(&me)
            .args(["misuse::child_exits_under_load", "--exact", "--ignored", "--nocapture"])
            .env(CHILD, dir.path())
            .output()
            .expect("a child");
        assert_eq!(child.status.code(), Some(17), "{}", String::from_utf8_lossy(&child.stderr));
    }
    let more = format!(r#","path":"{}""#, dir.path().display());
    let mut foreign = Foreign::in_process(&more);
    let count: u64 = foreign.call("ada", "count").expect("a reply").0.parse().expect("a number");
    assert!(count >= 3, "what was acknowledged is there");
    foreign.close();
}

#[test]
#[ignore = "run by a_process_that_exits_without_a_close_ends_cleanly in a process of its own"]
fn child_exits_under_load() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let foreign = Foreign::in_process(&format!(r#","path":"{folder}","shards":16"#));
    for _ in 0..200 {
        foreign.ask("ada", "add");
    }
    foreign.call("ada", "add").expect("a reply");
    for _ in 0..200 {
        foreign.ask("ada", "add");
    }
    std::process::exit(17);
}

#[cfg(unix)]
#[test]
#[allow(unsafe_code, reason = "there is no safe fork")]
fn a_fork_is_told_to_open_its_own() {
    let mut foreign = Foreign::in_process("");
    foreign.call("ada", "add").expect("a reply");
    // SAFETY: the child only asks the host, which answers before it takes any lock or thread, drops nothing, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let kinds = [
            foreign.host.submit(vec![]).map_err(|error| error.kind),
            foreign.host.poll(Some(Duration::ZERO)).map(drop).map_err(|error| error.kind),
            foreign.host.close().map_err(|error| error.kind),
        ];
        let right = kinds.iter().all(|kind| *kind == Err(Kind::Invalid));
        // SAFETY: ends the child at once, without running what belongs to the parent.
        unsafe { libc::_exit(if right { 0 } else { 1 }) };
    }
    let mut status = -1;
    // SAFETY: `child` is a child of this process that nobody else waits for, `status` is a live integer.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0), "the child saw other errors");
    assert_eq!(foreign.call("ada", "add").expect("a reply").0, "2", "the parent goes on");
    foreign.close();
}
