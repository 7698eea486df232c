// SPDX-License-Identifier: Apache-2.0
//! Rule 8: a command with a key has its effect once.
use adjoin_entity::Call;
use adjoin_model::{Body, Kind, Outcome};

use crate::host::*;

fn keyed(host: &mut Host, body: &str) -> Call {
    let mut call = host.new_call(id("ada"), "add");
    call.idempotency_key = Some("k".into());
    call.payload = json(body);
    call
}

fn send(host: &mut Host, body: &str) -> u64 {
    let call = keyed(host, body);
    host.send(call)
}

#[test]
fn rule_8_a_duplicate_of_a_finished_command_gets_its_answer() {
    let mut host = Host::new();
    let first = send(&mut host, "1");
    host.run(&["A"]);
    let batch = host.durable();
    assert!(matches!(&batch.records[1].body, Body::Dedup(_)), "recorded with its writes");
    let again = send(&mut host, "1");
    assert!(host.commands.is_empty(), "not run again");
    let (first, again) = (host.reply(first).expect("well"), host.reply(again).expect("well"));
    assert_eq!(first.payload, again.payload);
    assert_eq!((first.replayed, again.replayed), (false, true));
}

#[test]
fn rule_8_a_duplicate_of_a_running_command_waits_for_it() {
    let mut host = Host::new();
    let first = send(&mut host, "1");
    let again = send(&mut host, "1");
    assert_eq!(host.commands.len(), 1);
    host.run(&["A"]);
    assert!(!host.replied(again));
    host.durable();
    assert!(host.reply(first).is_ok());
    assert!(host.reply(again).expect("well").replayed);
}

#[test]
fn rule_8_the_same_key_with_another_payload_is_a_conflict() {
    let mut host = Host::new();
    send(&mut host, "1");
    let running = send(&mut host, "2");
    host.run(&["A"]);
    host.settle();
    let finished = send(&mut host, "2");
    for call in [running, finished] {
        assert_eq!(host.error(call), (Kind::Conflict, Outcome::None));
    }
}

#[test]
fn rule_8_records_are_known_again_after_a_reload() {
    let mut host = Host::new();
    send(&mut host, "1");
    host.run(&["A"]);
    let batch = host.durable();
    let Body::Dedup(dedup) = batch.records[1].body.clone() else { panic!("no record") };
    let mut stored = page(&["A"]);
    stored.dedup = vec![dedup];
    host.pages.insert(id("ada"), stored);
    host.down(1);
    host.up(2);
    let again = send(&mut host, "1");
    assert!(host.reply(again).expect("well").replayed);
}

#[test]
fn rule_8_a_command_that_changed_nothing_is_run_again() {
    let mut host = Host::new();
    for _ in 0..2 {
        let call = send(&mut host, "1");
        host.run(&[]);
        assert!(!host.reply(call).expect("well").replayed);
    }
    assert!(host.writes.is_empty());
}

#[test]
fn rule_8_keys_are_of_a_caller_and_a_command() {
    let mut host = Host::new();
    send(&mut host, "1");
    let mut other = keyed(&mut host, "2");
    other.caller = "eve".into();
    host.send(other);
    assert_eq!(host.commands.len(), 2);
}

#[test]
fn rule_8_records_end_with_their_window() {
    let mut host = Host::new();
    send(&mut host, "1");
    host.run(&["A"]);
    host.settle();
    host.pages.insert(id("ada"), page(&["A"]));
    host.later_ms(3_600_001);
    send(&mut host, "1");
    assert_eq!(host.commands.len(), 1);
}

#[test]
fn rule_8_records_beyond_the_bound_go_early_and_are_counted() {
    let mut small = settings();
    small.limits.dedup_records = 2;
    let mut host = Host::with(small);
    for key in ["a", "b", "c"] {
        let mut call = keyed(&mut host, "1");
        call.idempotency_key = Some(key.into());
        host.send(call);
        host.run(&["A"]);
        host.settle();
    }
    assert_eq!(host.machine.status(0).dedups_dropped, 1);
    let mut oldest = keyed(&mut host, "1");
    oldest.idempotency_key = Some("a".into());
    host.send(oldest);
    assert_eq!(host.commands.len(), 1);
}

#[test]
fn rule_8_a_duplicate_whose_first_was_cancelled_still_gets_the_answer() {
    let mut host = Host::new();
    let first = send(&mut host, "1");
    let again = send(&mut host, "1");
    host.step(vec![adjoin_entity::Input::Cancel(first)]);
    assert_eq!(host.cancelled(), 0, "somebody still waits");
    host.run(&["A"]);
    host.settle();
    assert!(host.reply(again).is_ok() && !host.replied(first));
}
