// SPDX-License-Identifier: Apache-2.0
//! Rules 2, 3 and 6: given commands that ran, when the store answers, expect what leaves.

use crate::host::*;
use adjoin_entity::ShardInput;
use adjoin_entity::frame::Effects;
use adjoin_model::{Body, Epoch, Error, Head, Kind, Outcome};

#[test]
fn rule_2_a_reply_waits_for_its_append() {
    let mut host = Host::new();
    let add = host.call("ada", "add");
    host.run(&["A"]);
    assert!(!host.replied(add), "not durable yet");
    let batch = host.durable();
    assert_eq!((batch.records.len(), batch.first, batch.epoch), (1, 1, Epoch(3)));
    assert_eq!(host.reply(add).expect("well").sequence, 1);
}

#[test]
fn rule_2_a_refusal_waits_for_the_appends_before_it() {
    let mut host = Host::new();
    let add = host.call("ada", "add");
    let no = host.call("ada", "add");
    host.run(&["A"]);
    let command = host.command();
    host.answer(&command, refused(), Effects::default());
    assert!(!host.replied(no), "it was refused on a state that is not durable");
    host.durable();
    assert!(host.replied(add));
    assert_eq!(host.error(no), (Kind::Rejected, Outcome::None));
}

#[test]
fn rule_2_commands_run_on_while_an_append_is_open() {
    let mut host = Host::new();
    let calls: Vec<_> = (0..5).map(|_| host.call("ada", "add")).collect();
    for _ in 0..5 {
        host.run(&["A"]);
    }
    assert_eq!(host.durable().records.len(), 1, "the first left alone");
    assert_eq!(host.durable().records.len(), 4, "what queued behind it folds into one write");
    let sequences: Vec<u64> = calls.into_iter().map(|call| host.reply(call).expect("well").sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
}

#[test]
fn rule_2_a_lost_append_fails_its_command_and_runs_the_later_ones_again() {
    let mut host = Host::new();
    let first = host.call("ada", "add");
    let second = host.call("ada", "add");
    let third = host.call("ada", "add");
    host.run(&["A"]);
    host.run(&["A"]);
    let batch = host.write();
    host.store_says(batch.shard, ShardInput::Refused(Error::exhausted("disk full")));
    assert_eq!(host.error(first), (Kind::Exhausted, Outcome::None));
    assert_eq!((host.deactivated(), host.activated()), (1, 2), "the state with the lost event is gone");
    host.commands.remove(0);
    for attempt in [2, 2] {
        let command = host.command();
        assert_eq!(command.attempt, attempt);
        host.emit(&command, &["B"]);
    }
    host.settle();
    assert_eq!(host.reply(second).expect("well").sequence, 1);
    assert_eq!(host.reply(third).expect("well").sequence, 2);
}

#[test]
fn rule_2_an_answer_of_a_discarded_activation_is_dropped() {
    let mut host = Host::new();
    let first = host.call("ada", "add");
    let second = host.call("ada", "add");
    host.run(&["A"]);
    let late = host.command();
    let batch = host.write();
    host.store_says(batch.shard, ShardInput::Refused(Error::unavailable("no")));
    host.emit(&late, &["B"]);
    assert!(host.writes.is_empty() && !host.replied(second), "it ran on a state that never was");
    assert!(host.replied(first));
}

#[test]
fn rule_3_an_unknown_write_releases_nothing_until_the_epoch_is_raised() {
    let mut host = Host::new();
    let add = host.call("ada", "add");
    host.run(&["A"]);
    let batch = host.write();
    host.store_says(batch.shard, ShardInput::Unknown);
    let (shard, expected) = host.raises.remove(0);
    assert_eq!((shard, expected.epoch, host.replied(add)), (batch.shard, Epoch(3), false));
    host.store_says(shard, ShardInput::Raised(Head { epoch: Epoch(4), owner: Some(ME), position: 1 }));
    assert_eq!(host.reply(add).expect("it was there").sequence, 1);
}

#[test]
fn rule_3_a_raise_that_failed_is_tried_again_and_writes_are_refused_meanwhile() {
    let mut host = Host::new();
    let add = host.call("ada", "add");
    host.run(&["A"]);
    let batch = host.write();
    host.store_says(batch.shard, ShardInput::Unknown);
    host.raises.clear();
    host.store_says(batch.shard, ShardInput::RaiseFailed);
    let refused = host.call("ada", "add");
    assert_eq!(host.error(refused), (Kind::Unavailable, Outcome::None));
    assert!(host.raises.is_empty());
    host.later_ms(100);
    assert_eq!(host.raises.len(), 1, "again after its wait");
    host.store_says(batch.shard, ShardInput::Raised(Head { epoch: Epoch(4), owner: Some(ME), position: 0 }));
    assert_eq!(host.error(add), (Kind::Unavailable, Outcome::None), "it is not there and never will be");
}

#[test]
fn rule_3_a_fenced_host_says_so_and_takes_nothing_more() {
    let mut host = Host::new();
    let add = host.call("ada", "add");
    host.run(&["A"]);
    let batch = host.write();
    host.store_says(batch.shard, ShardInput::Fenced);
    assert_eq!(host.error(add), (Kind::Fenced, Outcome::None));
    let again = host.call("ada", "add");
    let refused = host.call("ada", "add");
    for call in [again, refused] {
        if !host.replied(call) {
            host.run(&["A"]);
        }
        assert_eq!(host.error(call), (Kind::Fenced, Outcome::None));
    }
}

#[test]
fn rule_6_a_failed_command_changes_nothing() {
    let mut host = Host::new();
    let no = host.call("ada", "add");
    let command = host.command();
    let effects = Effects { events: vec![event("A")], ..Effects::default() };
    host.answer(&command, refused(), effects);
    assert!(host.writes.is_empty());
    assert_eq!(host.error(no), (Kind::Rejected, Outcome::None));
}

#[test]
fn records_larger_than_a_batch_are_refused_before_their_effects_are_taken() {
    let mut limits = settings();
    limits.limits.batch_bytes = 60;
    let mut host = Host::with(limits);
    let add = host.call("ada", "add");
    host.run(&["A"]);
    assert_eq!(host.error(add), (Kind::Exhausted, Outcome::None));
    assert_eq!(host.deactivated(), 1, "the function has applied what was refused");
}

#[test]
fn an_event_that_nobody_could_read_again_is_refused() {
    let mut host = Host::new();
    let add = host.call("ada", "add");
    host.run(&["Unheard"]);
    assert_eq!(host.error(add), (Kind::Protocol, Outcome::None));
    assert!(host.writes.is_empty());
    assert_eq!(host.deactivated(), 1);
}

#[test]
fn one_command_is_one_group_with_its_sequences_in_order() {
    let mut host = Host::new();
    host.call("ada", "add");
    host.run(&["A", "B", "A"]);
    let records = host.durable().records;
    assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(matches!(&records[1].body, Body::Event(event) if &*event.type_name == "B"));
}
