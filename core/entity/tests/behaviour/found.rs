// SPDX-License-Identifier: Apache-2.0
//! What the simulator found, each as the few steps that it takes.

use adjoin_entity::frame::HostFrame;
use adjoin_entity::{Input, Operation};
use adjoin_model::{EntityId, Kind, Outcome};

use crate::host::*;

#[test]
fn an_expected_sequence_is_checked_for_queries_and_deletes_too() {
    let mut host = Host::new();
    host.call("ada", "add");
    host.run(&["A"]);
    host.durable();
    let mut query = host.new_call(id("ada"), "read");
    query.if_match = Some(7);
    let query = host.send(query);
    let mut delete = host.new_call(id("ada"), "");
    delete.operation = Operation::Delete;
    delete.if_match = Some(7);
    let delete = host.send(delete);
    assert!(host.commands.is_empty() && host.writes.is_empty());
    assert_eq!(host.error(query), (Kind::Conflict, Outcome::None));
    assert_eq!(host.error(delete), (Kind::Conflict, Outcome::None));
}

#[test]
fn a_duplicate_is_told_the_sequence_of_its_command_and_not_the_present_one() {
    let mut host = Host::new();
    let keyed = |host: &mut Host| {
        let mut call = host.new_call(id("ada"), "add");
        call.idempotency_key = Some("k".into());
        host.send(call)
    };
    let first = keyed(&mut host);
    host.run(&["A"]);
    host.durable();
    host.call("ada", "add");
    host.run(&["B"]);
    host.durable();
    let again = keyed(&mut host);
    assert_eq!(host.reply(first).expect("well").sequence, 1);
    assert_eq!(host.reply(again).expect("well").sequence, 1);
}

/// One handler at a time: `ada` has it, `bob` and `eve` wait for it.
fn starving() -> Host {
    let mut host = Host::without_function(settings());
    host.up_with(1, spec(), 1);
    host.call("ada", "add");
    host
}

#[test]
fn credit_that_the_next_one_does_not_need_goes_to_the_one_behind() {
    let mut host = starving();
    let bob = host.call("bob", "add");
    host.call("eve", "add");
    host.step(vec![Input::Cancel(bob)]);
    host.run(&["A"]);
    assert_eq!(host.commands.len(), 1, "eve's command is sent");
}

#[test]
fn an_entity_that_waited_for_credit_of_a_lost_session_waits_in_the_next_one() {
    let mut host = starving();
    host.call("bob", "add");
    host.down(1);
    host.commands.clear();
    host.up_with(2, spec(), 1);
    for _ in 0..2 {
        assert_eq!(host.commands.len(), 1, "one after the other");
        host.run(&[]);
    }
}

#[test]
fn elements_that_come_before_an_action_has_its_turn_are_kept_for_it() {
    let mut host = starving();
    let mailer = EntityId::new("shop.Mailer", "x").expect("an id");
    let call = host.new_call(mailer, "send");
    let call = host.send(call);
    let element = || Input::StreamInput { call, payload: json("1") };
    host.step(vec![element(), element(), Input::StreamInputEnd { call }]);
    let before = host.frames.len();
    host.run(&["A"]);
    let frames: Vec<_> = host.frames[before..].iter().map(|(_, frame)| frame).collect();
    let inputs = frames.iter().filter(|frame| matches!(frame, HostFrame::StreamInput { .. })).count();
    assert_eq!(inputs, 2, "{frames:?}");
    assert!(matches!(frames.last(), Some(HostFrame::StreamInputEnd { .. })), "{frames:?}");
}

#[test]
fn more_elements_than_the_credit_before_an_action_has_its_turn_end_the_call() {
    let mut host = starving();
    let mailer = EntityId::new("shop.Mailer", "x").expect("an id");
    let call = host.new_call(mailer, "send");
    let call = host.send(call);
    host.step((0..17).map(|_| Input::StreamInput { call, payload: json("1") }).collect());
    assert_eq!(host.error(call), (Kind::Exhausted, Outcome::None));
    host.run(&["A"]);
    assert!(host.commands.is_empty(), "it is not run any more");
}
