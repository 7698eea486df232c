// SPDX-License-Identifier: Apache-2.0
//! What the simulator found, each as the few steps that it takes.

use adjoin_entity::frame::{Effects, HandlerResult, HostFrame};
use adjoin_entity::{Call, Input, Operation, Reply, ShardInput};
use adjoin_model::{Body, EntityId, EntityPage, Error, Kind, Outcome};

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

fn profile() -> EntityId {
    EntityId::new("shop.Profile", "ada").expect("an id")
}

/// A command that wrote and went on elsewhere: its call as it arrives there.
fn forwarded_after_writing(host: &mut Host) -> Call {
    host.call("ada", "add");
    let command = host.command();
    let side_effects = vec![side_effect(profile(), "add", false)];
    let effects = Effects { events: vec![event("A")], side_effects, ..Effects::default() };
    host.answer(&command, HandlerResult::Forward(target(profile(), "add")), effects);
    host.durable();
    host.forwards.remove(0)
}

#[test]
fn a_forwarded_command_that_wrote_before_never_fails_without_effect() {
    let mut host = Host::new();
    let mut forward = forwarded_after_writing(&mut host);
    assert!(forward.wrote);
    let call = host.send(forward.clone());
    let command = host.command();
    host.answer(&command, refused(), Effects::default());
    assert_eq!(host.error(call), (Kind::Rejected, Outcome::Unknown));
    forward.id += 100;
    forward.deadline = Some(host.now.mono);
    let expired = host.send(forward);
    assert_eq!(host.error(expired), (Kind::Expired, Outcome::Unknown));
}

#[test]
fn a_command_that_goes_on_elsewhere_makes_its_calls_too() {
    let mut host = Host::new();
    forwarded_after_writing(&mut host);
    assert_eq!(host.effects.len(), 1);
}

#[test]
fn a_delete_with_a_key_has_its_effect_once() {
    let mut host = Host::new();
    host.call("ada", "add");
    host.run(&["A"]);
    host.durable();
    let delete = |host: &mut Host| {
        let mut call = host.new_call(id("ada"), "");
        call.operation = Operation::Delete;
        call.idempotency_key = Some("k".into());
        host.send(call)
    };
    let first = delete(&mut host);
    let batch = host.durable();
    let Body::Dedup(dedup) = batch.records[1].body.clone() else { panic!("no record for duplicates: {batch:?}") };
    host.pages.insert(id("ada"), EntityPage { last: 2, deleted: true, dedup: vec![dedup], ..EntityPage::default() });
    let again = delete(&mut host);
    assert!(host.writes.is_empty());
    assert_eq!(host.reply(first).expect("well").sequence, 2);
    assert_eq!(host.reply(again).expect("well").sequence, 2);
}

#[test]
fn who_follows_a_held_reply_gets_it_when_the_first_caller_leaves() {
    let mut host = Host::new();
    let keyed = |host: &mut Host| {
        let mut call = host.new_call(id("ada"), "add");
        call.idempotency_key = Some("k".into());
        host.send(call)
    };
    let first = keyed(&mut host);
    let follower = keyed(&mut host);
    let command = host.command();
    let side_effects = vec![side_effect(profile(), "add", true)];
    let effects = Effects { events: vec![event("A")], side_effects, ..Effects::default() };
    host.answer(&command, reply("1"), effects);
    host.durable();
    let (effect, _) = host.effects.remove(0);
    host.step(vec![Input::Cancel(first)]);
    let result = Ok(Reply { sequence: 1, ..Reply::default() });
    host.step(vec![Input::EffectDone { effect: effect.expect("it waits"), result, sent: 0 }]);
    assert!(host.replied(follower));
}

#[test]
fn a_drained_loop_that_finishes_a_forwarded_call_says_so_again() {
    let mut host = Host::new();
    host.step(vec![Input::Drain]);
    assert!(std::mem::take(&mut host.drained));
    let mut call = host.new_call(id("ada"), "add");
    call.hops = 1;
    let call = host.send(call);
    host.run(&["A"]);
    assert!(!host.drained);
    host.durable();
    assert!(host.replied(call) && host.drained);
}

#[test]
fn a_duplicate_that_goes_on_elsewhere_keeps_its_own_name_and_deadline() {
    let mut host = Host::new();
    let keyed = |host: &mut Host, deadline| {
        let mut call = host.new_call(id("ada"), "add");
        call.idempotency_key = Some("k".into());
        call.deadline = deadline;
        let command = call.command;
        (host.send(call), command)
    };
    let soon = Some(host.now.mono.plus_ms(10));
    let (first, first_command) = keyed(&mut host, soon);
    let (follower, its_command) = keyed(&mut host, None);
    let command = host.command();
    host.answer(&command, HandlerResult::Forward(target(profile(), "add")), Effects::default());
    host.durable();
    let said: Vec<_> = host.forwards.iter().map(|call| (call.id, call.command, call.deadline)).collect();
    assert_eq!(said, [(follower, its_command, None), (first, first_command, soon)]);
}

#[test]
fn a_lost_append_gives_back_the_credit_of_what_was_running() {
    let mut host = Host::without_function(settings());
    host.up_with(1, spec(), 2);
    for _ in 0..3 {
        host.call("ada", "add");
    }
    host.run(&["A"]);
    assert_eq!(host.commands.len(), 2, "as many as the function takes");
    let shard = host.write().shard;
    host.commands.clear();
    host.store_says(shard, ShardInput::Refused(Error::unavailable("full")));
    assert_eq!(host.commands.len(), 2, "both run again");
}

#[test]
fn an_action_waits_on_when_a_function_with_other_types_comes() {
    let mut host = Host::new();
    host.down(1);
    let call = host.new_call(EntityId::new("shop.Mailer", "x").expect("an id"), "send");
    host.send(call);
    let mut others = spec();
    others.types.retain(|entity_type| *entity_type.name != *"shop.Mailer");
    host.up_with(2, others, 1000);
    assert!(host.commands.is_empty());
    host.up(3);
    assert_eq!(host.commands.len(), 1);
}
