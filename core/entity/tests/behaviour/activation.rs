// SPDX-License-Identifier: Apache-2.0
//! Rules 10 to 12: activations, process deaths, snapshots, passivation.
use std::sync::Arc;

use adjoin_entity::frame::{Effects, FunctionFrame, HostFrame};
use adjoin_entity::{Input, Operation};
use adjoin_model::{EntityPage, Error, Kind, Outcome, Snapshot};

use crate::host::*;

#[test]
fn an_entity_is_loaded_once_and_stays() {
    let mut host = Host::new();
    host.pages.insert(id("ada"), page(&["A", "B"]));
    host.call("ada", "add");
    host.run(&["A"]);
    assert_eq!(host.durable().records[0].sequence, 3);
    host.call("ada", "add");
    assert_eq!(host.activated(), 1);
}

#[test]
fn pages_are_read_ahead_and_folded_in_order() {
    let mut host = Host::new();
    host.hold_loads = true;
    host.hold_folds = true;
    host.call("ada", "add");
    for (first, more) in [(1, true), (3, true), (5, false)] {
        let (load, _, request) = host.loads.remove(0);
        assert_eq!(request.after, (first > 1).then(|| first - 1));
        let events = vec![(first, event("A")), (first + 1, event("A"))];
        host.step(vec![Input::Loaded {
            load,
            page: Ok(EntityPage { last: 6, events, more, ..EntityPage::default() }),
        }]);
        if first == 3 {
            assert!(host.loads.is_empty(), "two replays unanswered are the most");
            let activation = activation(&host);
            host.answer_frame(1, FunctionFrame::Replayed { activation, sequence: 2 });
        }
    }
    let activation = activation(&host);
    assert!(host.commands.is_empty(), "it is not folded yet");
    host.answer_frame(1, FunctionFrame::Replayed { activation, sequence: 4 });
    host.answer_frame(1, FunctionFrame::Replayed { activation, sequence: 6 });
    assert_eq!(host.commands.len(), 1);
}

fn activation(host: &Host) -> u64 {
    let begun = host.frames.iter().rev().find_map(|(_, frame)| match frame {
        HostFrame::Activate { activation, .. } => Some(*activation),
        _ => None,
    });
    begun.expect("an activation")
}

#[test]
fn a_hole_in_the_journal_never_becomes_a_state() {
    let holes = [
        EntityPage { last: 3, events: vec![(1, event("A")), (3, event("A"))], ..EntityPage::default() },
        EntityPage { last: 3, events: vec![(1, event("A"))], ..EntityPage::default() },
    ];
    for hole in holes {
        let mut host = Host::new();
        host.pages.insert(id("ada"), hole);
        let call = host.call("ada", "add");
        assert_eq!(host.error(call), (Kind::Corrupt, Outcome::None));
        assert_eq!(host.activated(), 0);
    }
}

#[test]
fn a_load_that_fails_tells_everybody_who_waits() {
    let mut host = Host::new();
    host.hold_loads = true;
    let calls = [host.call("ada", "add"), host.call("ada", "read")];
    let (load, ..) = host.loads.remove(0);
    host.step(vec![Input::Loaded { load, page: Err(Error::unavailable("no store")) }]);
    for call in calls {
        assert_eq!(host.error(call), (Kind::Unavailable, Outcome::None));
    }
    host.call("ada", "add");
    assert_eq!(host.loads.len(), 1, "the next call tries again");
}

#[test]
fn an_unreadable_event_fails_the_activation_with_its_name() {
    let mut host = Host::new();
    host.hold_folds = true;
    let call = host.call("ada", "add");
    let activation = activation(&host);
    let error = Error::unavailable("cannot read the event Gone").at("event", "Gone");
    host.answer_frame(1, FunctionFrame::ActivationFailed { activation, error, snapshot_unreadable: false });
    let error = host.reply(call).expect_err("unreadable");
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable, Outcome::None));
    assert!(error.context.iter().any(|(what, value)| what == "event" && value == "Gone"));
}

#[test]
fn rule_10_unanswered_commands_are_redelivered_in_order_with_their_id() {
    let mut host = Host::new();
    let calls = [host.call("ada", "add"), host.call("ada", "add")];
    let before: Vec<_> = host.commands.drain(..).map(|command| (command.id, command.attempt + 1)).collect();
    host.down(1);
    host.up(2);
    let after: Vec<_> = host.commands.iter().map(|command| (command.id, command.attempt)).collect();
    assert_eq!(after, before);
    host.run(&["A"]);
    host.run(&["A"]);
    host.settle();
    assert!(calls.into_iter().all(|call| host.replied(call)));
}

#[test]
fn rule_10_answered_commands_only_await_their_append() {
    let mut host = Host::new();
    let add = host.call("ada", "add");
    host.run(&["A"]);
    host.down(1);
    host.up(2);
    assert!(host.commands.is_empty());
    host.durable();
    assert_eq!(host.reply(add).expect("well").sequence, 1);
}

#[test]
fn rule_11_an_entity_is_reloaded_only_when_its_appends_are_settled() {
    let mut host = Host::new();
    host.call("ada", "add");
    host.call("ada", "add");
    host.run(&["A"]);
    host.down(1);
    host.up(2);
    assert_eq!(host.activated(), 1, "an append is open");
    host.pages.insert(id("ada"), page(&["A"]));
    host.durable();
    assert_eq!(host.activated(), 2);
    host.commands.remove(0);
    host.run(&["A"]);
    assert_eq!(host.durable().records[0].sequence, 2);
}

#[test]
fn rule_10_frames_of_an_older_session_are_dropped() {
    let mut host = Host::new();
    let add = host.call("ada", "add");
    let old = host.command();
    host.down(1);
    host.up(2);
    host.emit(&old, &["A"]);
    assert!(host.writes.is_empty() && !host.replied(add));
}

#[test]
fn rule_10_a_command_that_kills_the_process_three_times_fails_and_the_next_one_runs() {
    let mut host = Host::new();
    let deadly = host.call("ada", "add");
    let innocent = host.call("ada", "add");
    for session in 1..=3 {
        assert!(!host.replied(deadly));
        host.commands.clear();
        host.down(session);
        host.up(session + 1);
    }
    assert_eq!(host.error(deadly), (Kind::Internal, Outcome::None));
    assert_eq!(host.machine.status(0).deadly.len(), 1);
    host.run(&["A"]);
    host.settle();
    assert!(host.replied(innocent));
}

#[test]
fn rule_10_an_orderly_end_blames_nobody() {
    let mut host = Host::new();
    let call = host.call("ada", "add");
    for session in 1..=5 {
        host.commands.clear();
        host.step(vec![Input::SessionDown { session, orderly: true }]);
        host.up(session + 1);
    }
    host.run(&["A"]);
    host.settle();
    assert!(host.reply(call).is_ok());
}

#[test]
fn a_call_waits_for_its_function_and_not_for_ever() {
    let mut host = Host::without_function(settings());
    let early = host.call("ada", "add");
    host.later_ms(5_000);
    host.up(1);
    host.run(&["A"]);
    host.settle();
    assert!(host.reply(early).is_ok());
    host.down(1);
    let late = host.call("bob", "add");
    host.later_ms(10_000);
    let error = host.reply(late).expect_err("nobody came");
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable, Outcome::None));
    assert!(error.message.contains("shop.Cart"), "{error}");
}

#[test]
fn a_type_that_the_arriving_function_lacks_is_not_found() {
    let mut host = Host::without_function(settings());
    let call = host.new_call(adjoin_model::EntityId::new("shop.Unheard", "a").expect("an id"), "add");
    let call = host.send(call);
    host.up(1);
    assert_eq!(host.error(call), (Kind::NotFound, Outcome::None));
}

#[test]
fn rule_11_an_idle_entity_is_passivated_and_comes_back() {
    let mut host = Host::new();
    host.call("ada", "add");
    host.run(&["A"]);
    host.settle();
    host.later_ms(30_000);
    assert_eq!(host.deactivated(), 0);
    host.later_ms(31_000);
    assert_eq!((host.deactivated(), host.machine.status(0).entities), (1, 0));
    host.pages.insert(id("ada"), page(&["A"]));
    host.call("ada", "add");
    host.run(&["A"]);
    assert_eq!(host.durable().records[0].sequence, 2);
}

#[test]
fn rule_11_a_short_time_is_kept() {
    let mut host = Host::without_function(settings());
    let mut spec = spec();
    spec.types.iter_mut().for_each(|one| one.passivate_after_ms = 100);
    host.up_with(1, spec, 1000);
    host.call("ada", "add");
    host.run(&["A"]);
    host.settle();
    host.later_ms(99);
    assert_eq!(host.deactivated(), 0);
    host.later_ms(26);
    assert_eq!(host.deactivated(), 1, "a quarter of it later at most");
}

fn passivate(host: &mut Host, key: &str) -> adjoin_entity::CallId {
    let mut call = host.new_call(id(key), "");
    call.operation = Operation::Passivate;
    host.send(call)
}

#[test]
fn rule_11_an_idle_entity_is_passivated_when_asked() {
    let mut host = Host::new();
    host.call("ada", "add");
    host.run(&["A"]);
    let busy = passivate(&mut host, "ada");
    assert_eq!(host.error(busy), (Kind::Unavailable, Outcome::None), "its event is not durable");
    host.settle();
    let asked = passivate(&mut host, "ada");
    assert_eq!(host.reply(asked).expect("passivated").sequence, 1);
    assert_eq!((host.deactivated(), host.machine.status(0).entities), (1, 0));
    host.pages.insert(id("ada"), page(&["A"]));
    host.call("ada", "add");
    host.run(&["A"]);
    assert_eq!(host.durable().records[0].sequence, 2, "it comes back where it was");
}

#[test]
fn rule_11_what_is_not_active_or_is_watched_is_not_passivated() {
    let mut host = Host::new();
    for key in ["nobody", "ada"] {
        let missing = passivate(&mut host, key);
        assert_eq!(host.error(missing), (Kind::NotFound, Outcome::None));
    }
    let mut watch = host.new_call(id("ada"), "read");
    watch.operation = Operation::Watch { after: None };
    host.send(watch);
    host.read();
    let watched = passivate(&mut host, "ada");
    assert_eq!(host.error(watched), (Kind::Unavailable, Outcome::None));
    let mut without = Host::without_function(settings());
    let missing = passivate(&mut without, "ada");
    assert_eq!(without.error(missing), (Kind::NotFound, Outcome::None), "at once, not once a function comes");
}

#[test]
fn rule_11_a_watched_entity_stays() {
    let mut host = Host::new();
    let mut watch = host.new_call(id("ada"), "read");
    watch.operation = Operation::Watch { after: None };
    host.send(watch);
    host.read();
    host.later_ms(600_000);
    assert_eq!(host.deactivated(), 0);
}

/// So many entities that are watched, the longest used ones, and one behind them that is not.
fn behind_watched(settings: adjoin_entity::Settings, watched: usize) -> Host {
    let mut host = Host::with(settings);
    for number in 0..watched {
        let mut watch = host.new_call(id(&format!("watched-{number}")), "read");
        watch.operation = Operation::Watch { after: None };
        host.send(watch);
        host.read();
    }
    host.call("ada", "add");
    host.run(&["A"]);
    host.settle();
    host
}

#[test]
fn rule_11_what_is_idle_behind_many_that_stay_is_passivated() {
    let mut host = behind_watched(settings(), 1024);
    for _ in 0..2 {
        assert_eq!(host.deactivated(), 0);
        host.later_ms(61_000);
    }
    assert_eq!(host.deactivated(), 1);
}

#[test]
fn rule_11_what_can_go_behind_many_that_stay_makes_room() {
    let mut small = settings();
    small.limits.resident = 1025;
    let mut host = behind_watched(small, 1024);
    let refused = host.call("eve", "add");
    assert_eq!(host.error(refused), (Kind::Exhausted, Outcome::None), "so many are looked at in one step");
    let call = host.call("eve", "add");
    assert!(!host.replied(call));
    assert_eq!((host.deactivated(), host.commands.len()), (1, 1));
}

#[test]
fn rule_11_the_entity_used_longest_ago_makes_room() {
    let mut small = settings();
    small.limits.resident = 2;
    let mut host = Host::with(small);
    for key in ["a", "b"] {
        host.call(key, "add");
        host.run(&["A"]);
        host.settle();
    }
    host.pages.insert(id("a"), page(&["A"]));
    host.call("a", "read");
    host.read();
    host.call("c", "add");
    assert!(host.machine.is_active(&id("a")) && !host.machine.is_active(&id("b")));
}

#[test]
fn rule_11_all_busy_is_exhausted() {
    let mut small = settings();
    small.limits.resident = 1;
    let mut host = Host::with(small);
    host.call("a", "add");
    let refused = host.call("b", "add");
    assert_eq!(host.error(refused), (Kind::Exhausted, Outcome::None));
}

#[test]
fn pressure_passivates_idle_entities_of_that_session() {
    let mut host = Host::new();
    for key in ["a", "b"] {
        host.call(key, "add");
        host.run(&["A"]);
    }
    host.settle();
    host.call("b", "add");
    host.answer_frame(1, FunctionFrame::Pressure { level: 1 });
    assert!(!host.machine.is_active(&id("a")) && host.machine.is_active(&id("b")));
}

fn snapshotting() -> Host {
    let mut host = Host::without_function(settings());
    let mut spec = spec();
    spec.types[0].snapshot_every = 3;
    host.up_with(1, spec, 1000);
    host
}

#[test]
fn rule_12_a_snapshot_is_stored_only_after_its_sequence_is_durable() {
    let mut host = snapshotting();
    for _ in 0..3 {
        host.call("ada", "add");
        host.run(&["A"]);
        host.settle();
    }
    host.call("ada", "add");
    let command = host.command();
    assert!(command.want_snapshot, "three events since the last");
    let effects = Effects { events: vec![event("A")], snapshot: Some(json("state")), ..Effects::default() };
    host.answer(&command, reply("1"), effects);
    assert!(host.snapshots.is_empty());
    host.durable();
    assert!(matches!(&host.snapshots[..], [(_, snapshot)] if snapshot.sequence == 4));
    host.call("ada", "add");
    assert!(!host.command().want_snapshot, "counting begins anew");
}

#[test]
fn rule_12_an_unreadable_snapshot_falls_back_to_the_older_one() {
    let mut host = Host::new();
    host.hold_loads = true;
    host.hold_folds = true;
    host.call("ada", "add");
    let (load, ..) = host.loads.remove(0);
    let snapshot = Some(Snapshot { sequence: 5, state: json("new") });
    host.step(vec![Input::Loaded { load, page: Ok(EntityPage { last: 5, snapshot, ..EntityPage::default() }) }]);
    let error = Error::unavailable("unreadable");
    let activation = activation(&host);
    host.answer_frame(1, FunctionFrame::ActivationFailed { activation, error, snapshot_unreadable: true });
    let (_, _, request) = host.loads.remove(0);
    assert_eq!((request.snapshot_below, request.after), (Some(5), None));
}

#[test]
fn the_state_of_an_entity_can_be_asked_for() {
    let mut host = Host::new();
    let mut call = host.new_call(id("ada"), "");
    call.operation = Operation::State;
    let call = host.send(call);
    let command = host.command();
    assert!(command.query && command.want_snapshot && command.name.is_empty());
    let effects = Effects { snapshot: Some(json("{}")), ..Effects::default() };
    host.answer(&command, adjoin_entity::frame::HandlerResult::Reply(None), effects);
    assert_eq!(host.reply(call).expect("well").payload, Some(json("{}")));
    assert!(host.snapshots.is_empty(), "it was asked for by a person, not for the store");
}

#[test]
fn draining_finishes_what_is_under_way_and_takes_nothing_new() {
    let mut host = Host::new();
    let under_way = host.call("ada", "add");
    let mut watch = host.new_call(id("ada"), "read");
    watch.operation = Operation::Watch { after: None };
    host.send(watch);
    host.step(vec![Input::Drain]);
    assert_eq!(host.ends.len(), 1, "a watch would never end by itself");
    let refused = host.call("ada", "add");
    assert_eq!(host.error(refused), (Kind::Unavailable, Outcome::None));
    host.run(&["A"]);
    assert!(!host.drained);
    host.settle();
    host.step(vec![]);
    assert!(host.replied(under_way) && host.drained);
}

#[test]
fn entities_of_two_functions_are_shared_between_them() {
    let mut host = Host::new();
    host.step(vec![Input::SessionUp { session: 2, spec: Arc::new(spec()), running: 10, bytes: 1 << 20 }]);
    for key in ["a", "b", "c", "d"] {
        host.call(key, "add");
    }
    let activations = |session| {
        let begun = |frame: &&(u64, HostFrame)| frame.0 == session && matches!(frame.1, HostFrame::Activate { .. });
        host.frames.iter().filter(begun).count()
    };
    assert_eq!((activations(1), activations(2)), (2, 2));
}
