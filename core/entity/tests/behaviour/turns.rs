// SPDX-License-Identifier: Apache-2.0
//! Rules 1 and 9: given calls of one entity, expect who runs when, and what bounds them.

use crate::host::*;
use adjoin_entity::frame::{Effects, FunctionFrame};
use adjoin_entity::{Input, Operation};
use adjoin_model::{Kind, Outcome};

#[test]
fn rule_1_commands_reach_the_function_in_order_of_arrival() {
    let mut host = Host::new();
    let calls: Vec<_> = (0..3).map(|_| host.call("ada", "add")).collect();
    let ids: Vec<u64> = host.commands.iter().map(|command| command.id.0 as u64).collect();
    assert_eq!(ids, calls);
}

#[test]
fn rule_1_a_query_waits_for_the_commands_before_it_and_holds_those_behind_it() {
    let mut host = Host::new();
    host.call("ada", "add");
    host.call("ada", "read");
    host.call("ada", "read");
    host.call("ada", "add");
    assert_eq!(host.commands.len(), 1, "a command alone");
    host.run(&["A"]);
    assert_eq!(host.commands.iter().filter(|command| command.query).count(), 2, "queries together");
    assert_eq!(host.commands.len(), 2, "never beside a command");
    host.read();
    host.read();
    assert!(!host.command().query);
}

#[test]
fn rule_1_a_query_is_released_when_what_it_saw_is_durable() {
    let mut host = Host::new();
    host.call("ada", "add");
    host.run(&["A"]);
    let read = host.call("ada", "read");
    host.read();
    assert!(!host.replied(read));
    host.durable();
    assert_eq!(host.reply(read).expect("well").sequence, 1);
}

#[test]
fn rule_1_a_query_runs_again_when_the_append_it_saw_is_lost() {
    let mut host = Host::new();
    host.call("ada", "add");
    host.run(&["A"]);
    let read = host.call("ada", "read");
    host.read();
    let batch = host.write();
    host.store_says(batch.shard, adjoin_entity::ShardInput::Refused(adjoin_model::Error::unavailable("no")));
    host.read();
    assert_eq!(host.reply(read).expect("well").sequence, 0);
}

#[test]
fn rule_1_a_watch_sees_the_latest_state_and_never_goes_back() {
    let mut host = Host::new();
    let mut watch = host.new_call(id("ada"), "read");
    watch.operation = Operation::Watch { after: None };
    let watch = host.send(watch);
    host.read();
    assert_eq!(host.elements, [(watch, 0)]);
    for _ in 0..3 {
        host.call("ada", "add");
        host.run(&["A"]);
        host.settle();
    }
    assert!(host.commands.is_empty(), "no element is asked for before the last was taken");
    host.step(vec![Input::Taken { call: watch, elements: 1 }]);
    host.read();
    assert_eq!(host.elements, [(watch, 0), (watch, 3)], "coalesced");
    host.step(vec![Input::Taken { call: watch, elements: 1 }]);
    assert!(host.commands.is_empty(), "nothing new");
}

#[test]
fn rule_1_a_resumed_watch_sends_nothing_that_was_seen() {
    let mut host = Host::new();
    host.pages.insert(id("ada"), page(&["A", "A"]));
    let mut watch = host.new_call(id("ada"), "read");
    watch.operation = Operation::Watch { after: Some(2) };
    let watch = host.send(watch);
    assert!(host.commands.is_empty());
    host.call("ada", "add");
    host.run(&["A"]);
    host.settle();
    host.read();
    assert_eq!(host.elements, [(watch, 3)]);
}

#[test]
fn a_command_cannot_be_watched() {
    let mut host = Host::new();
    let mut watch = host.new_call(id("ada"), "add");
    watch.operation = Operation::Watch { after: None };
    let watch = host.send(watch);
    assert!(matches!(&host.ends[..], [(call, Some(error))] if *call == watch && error.kind == Kind::Invalid));
}

#[test]
fn if_match_is_a_barrier_and_refuses_another_sequence() {
    let mut host = Host::new();
    host.call("ada", "add");
    let mut good = host.new_call(id("ada"), "add");
    good.if_match = Some(1);
    let good = host.send(good);
    let mut stale = host.new_call(id("ada"), "add");
    stale.if_match = Some(1);
    let stale = host.send(stale);
    assert_eq!(host.commands.len(), 1, "it waits until nothing is unanswered");
    host.run(&["A"]);
    host.run(&["A"]);
    host.settle();
    assert_eq!(host.reply(good).expect("well").sequence, 2);
    assert_eq!(host.error(stale), (Kind::Conflict, Outcome::None));
}

#[test]
fn rule_9_a_deadline_that_passes_in_the_mailbox_has_no_effect() {
    let mut host = Host::new();
    host.hold_loads = true;
    let mut late = host.new_call(id("ada"), "add");
    late.deadline = Some(host.now.mono.plus_ms(50));
    let late = host.send(late);
    host.later_ms(50);
    assert_eq!(host.error(late), (Kind::Expired, Outcome::None));
}

#[test]
fn rule_9_a_deadline_that_passes_with_the_function_is_unknown_and_a_late_answer_is_kept() {
    let mut host = Host::new();
    let mut late = host.new_call(id("ada"), "add");
    late.deadline = Some(host.now.mono.plus_ms(50));
    let late = host.send(late);
    assert_eq!(host.commands[0].remaining_ms, 50);
    host.later_ms(50);
    assert_eq!(host.error(late), (Kind::Expired, Outcome::Unknown));
    assert_eq!(host.cancelled(), 1);
    host.run(&["A"]);
    assert_eq!(host.durable().records.len(), 1, "the late answer is kept");
    assert!(!host.replied(late), "one reply a call");
}

#[test]
fn rule_9_a_full_mailbox_is_exhausted_with_a_time_to_come_back() {
    let mut small = settings();
    small.limits.mailbox = 2;
    small.window = 1;
    let mut host = Host::with(small);
    let calls: Vec<_> = (0..4).map(|_| host.call("ada", "add")).collect();
    let error = host.reply(calls[3]).expect_err("full");
    assert_eq!((error.kind, error.outcome, error.retry_after_ms.is_some()), (Kind::Exhausted, Outcome::None, true));
    assert!(!host.replied(calls[2]));
}

#[test]
fn rule_9_a_handler_that_never_answers_holds_only_its_own_entity_and_is_listed() {
    let mut host = Host::new();
    host.call("stuck", "add");
    host.later_ms(5000);
    let other = host.call("ada", "add");
    let command = host.commands.pop().expect("the other's");
    host.emit(&command, &["A"]);
    host.settle();
    assert!(host.replied(other));
    let slow = host.machine.status(1000).slow;
    assert!(matches!(&slow[..], [one] if one.entity == id("stuck") && one.waited_ms >= 5000), "{slow:?}");
}

#[test]
fn a_cancelled_call_is_answered_no_more() {
    let mut host = Host::new();
    let call = host.call("ada", "add");
    host.step(vec![Input::Cancel(call)]);
    assert_eq!(host.cancelled(), 1);
    host.run(&["A"]);
    host.settle();
    assert!(!host.replied(call));
}

#[test]
fn a_function_out_of_credit_gets_no_more() {
    let mut host = Host::without_function(settings());
    host.up_with(1, spec(), 2);
    let calls: Vec<_> = ["a", "b", "c"].iter().map(|key| host.call(key, "add")).collect();
    assert_eq!(host.commands.len(), 2);
    host.run(&["A"]);
    assert_eq!(host.commands.len(), 2, "credit came back, the third goes");
    host.run(&["A"]);
    host.run(&["A"]);
    host.settle();
    assert!(calls.into_iter().all(|call| host.replied(call)));
}

#[test]
fn an_answer_out_of_order_is_refused_and_the_state_rebuilt() {
    let mut host = Host::new();
    host.call("ada", "add");
    let second = host.call("ada", "add");
    let command = host.commands.remove(1);
    host.emit(&command, &["A"]);
    assert_eq!(host.error(second), (Kind::Protocol, Outcome::None));
    assert_eq!((host.deactivated(), host.activated()), (1, 2));
}

#[test]
fn a_query_that_writes_is_refused() {
    let mut host = Host::new();
    let read = host.call("ada", "read");
    let command = host.command();
    host.answer(&command, reply("1"), Effects { events: vec![event("A")], ..Effects::default() });
    assert_eq!(host.error(read), (Kind::Protocol, Outcome::None));
    assert!(host.writes.is_empty());
}

#[test]
fn frames_of_activations_that_never_were_are_dropped() {
    let mut host = Host::new();
    host.answer_frame(1, FunctionFrame::Replayed { activation: u64::MAX, sequence: 1 });
    host.answer_frame(9, FunctionFrame::Replayed { activation: 0, sequence: 1 });
    assert!(host.replies.is_empty() && host.frames.is_empty());
}

#[test]
fn a_call_that_would_wait_for_itself_is_rejected() {
    let mut host = Host::new();
    let mut call = host.new_call(id("ada"), "add");
    call.chain = vec!["shop.Cart/ada".into()];
    let call = host.send(call);
    assert_eq!(host.error(call), (Kind::Rejected, Outcome::None));
}

#[test]
fn unknown_types_and_commands_are_not_found() {
    let mut host = Host::new();
    let name = host.call("ada", "unheard");
    let other = host.new_call(adjoin_model::EntityId::new("shop.Unheard", "a").expect("an id"), "add");
    let other = host.send(other);
    for call in [name, other] {
        assert_eq!(host.error(call), (Kind::NotFound, Outcome::None));
    }
}

#[test]
fn a_watch_that_came_before_its_function_ends_when_that_has_no_such_query() {
    let mut host = Host::without_function(settings());
    let calls = ["read", "add"].map(|name| {
        let mut watch = host.new_call(id("ada"), name);
        watch.operation = Operation::Watch { after: None };
        host.send(watch)
    });
    host.up(1);
    host.read();
    assert_eq!(host.elements, [(calls[0], 0)]);
    assert!(matches!(&host.ends[..], [(call, Some(error))] if *call == calls[1] && error.kind == Kind::Invalid));
}

/// Entities that share a function take turns for its credit.
#[test]
fn a_hot_entity_does_not_starve_others() {
    let mut host = Host::without_function(settings());
    host.up_with(1, spec(), 1);
    for _ in 0..200 {
        host.call("hot", "add");
    }
    let cold = ["a", "b", "c"];
    let calls = cold.map(|key| host.call(key, "add"));
    let mut turns = 0;
    while !calls.iter().all(|call| host.replied(*call)) {
        host.run(&["A"]);
        host.settle();
        turns += 1;
        assert!(turns <= 2 * (cold.len() + 1), "after {turns} turns some of {cold:?} still wait");
    }
    for _ in turns..203 {
        host.run(&["A"]);
        host.settle();
    }
    assert!(host.commands.is_empty(), "nor do others starve it");
}

/// What one step takes from one entity is bounded, whatever waits for it: the first commands of others are in it.
#[test]
fn a_hot_entity_leaves_room_in_a_step() {
    let mut small = settings();
    small.window = 4;
    let mut host = Host::with(small);
    let calls = |host: &mut Host, key, number| -> Vec<_> {
        (0..number).map(|_| Input::Call(host.new_call(id(key), "add"))).collect()
    };
    let mut inputs = calls(&mut host, "hot", 1000);
    for key in ["a", "b", "c"] {
        inputs.extend(calls(&mut host, key, 1));
    }
    host.step(inputs);
    assert_eq!(host.commands.len(), 4 + 3, "a window of the hot one, and each of the others");
}
