// SPDX-License-Identifier: Apache-2.0
//! What functions of the Cloudstate protocol need of the machine.

use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult};
use adjoin_entity::spec::{Answers, Spec};
use adjoin_entity::{Input, Reply};
use adjoin_model::{Body, Code, Error, Payload};

use crate::host::{Host, event, id, json, refused, reply, settings, side_effect, spec, target};

fn cloudstate() -> Host {
    let mut host = Host::without_function(settings());
    let mut spec = Spec { answers: Answers::Cloudstate, ..spec() };
    spec.types[0].readable_events = Vec::new();
    spec.types[0].reads_any_event = true;
    host.up_with(1, spec, 1000);
    host
}

#[test]
fn a_snapshot_beside_events_is_kept_though_nobody_asked() {
    let mut host = cloudstate();
    host.call("ada", "add");
    let command = host.command();
    assert!(!command.want_snapshot);
    let events = vec![Payload::new("type.googleapis.com/shop.Added", vec![1]), event("B")];
    host.answer(&command, reply("1"), Effects { events, snapshot: Some(json("two")), ..Effects::default() });
    assert!(host.snapshots.is_empty(), "not before it is durable");
    host.durable();
    assert!(matches!(&host.snapshots[..], [(_, snapshot)] if snapshot.sequence == 2 && snapshot.state == json("two")));
}

#[test]
fn a_snapshot_without_events_is_passed_over() {
    let mut host = cloudstate();
    let call = host.call("ada", "add");
    let command = host.command();
    host.answer(&command, reply("1"), Effects { snapshot: Some(json("none")), ..Effects::default() });
    assert!(host.reply(call).is_ok() && host.snapshots.is_empty() && host.writes.is_empty());
}

#[test]
fn what_came_beside_a_failure_stands() {
    let mut host = cloudstate();
    let call = host.call("ada", "add");
    let command = host.command();
    let effects = Effects {
        events: vec![event("A")],
        side_effects: vec![side_effect(id("bob"), "add", false)],
        ..Effects::default()
    };
    let failed = Error::rejected("boom").with_code(Code::Unknown);
    host.answer(&command, HandlerResult::Failed(failed.clone()), effects);
    assert!(!host.replied(call), "not before the event is durable");
    let batch = host.durable();
    assert!(matches!(&batch.records[..], [record] if matches!(record.body, Body::Event(_))));
    assert_eq!(host.reply(call), Err(failed));
    assert_eq!(host.effects.len(), 1);
    host.call("ada", "add");
    assert_eq!(host.activated(), 1, "the activation goes on");
}

#[test]
fn what_came_beside_a_failure_of_any_other_function_does_not() {
    let mut host = Host::new();
    host.call("ada", "add");
    let command = host.command();
    host.answer(&command, refused(), Effects { events: vec![event("A")], ..Effects::default() });
    assert!(host.writes.is_empty());
}

fn ended(host: &mut Host, result: HandlerResult, effects: Effects) {
    let command = host.command();
    let answer = AnswerFrame {
        activation: command.activation,
        call: command.call,
        result,
        effects,
        activation_ended: true,
        metadata: Vec::new(),
    };
    host.answer_frame(1, FunctionFrame::Answer(answer));
}

#[test]
fn a_restart_begins_anew_at_once_though_nobody_waits() {
    let mut host = cloudstate();
    let call = host.call("ada", "add");
    ended(&mut host, refused(), Effects::default());
    assert!(host.reply(call).is_err());
    assert_eq!((host.activated(), host.commands.len()), (2, 0));
    host.later_ms(120_000);
    assert_eq!(host.deactivated(), 1, "then it is idle as any other");
}

#[test]
fn what_was_queued_behind_a_restart_runs_in_order_after_it() {
    let mut host = cloudstate();
    let first = host.call("ada", "add");
    let second = host.call("ada", "add");
    let third = host.call("ada", "add");
    ended(&mut host, refused(), Effects::default());
    assert!(host.reply(first).is_err());
    let again: Vec<_> = host.commands.drain(..).filter(|command| command.attempt == 2).map(|c| c.id).collect();
    assert_eq!(again, [u128::from(second), u128::from(third)].map(adjoin_model::CommandId));
}

#[test]
fn any_other_function_that_ends_an_activation_waits_to_be_wanted() {
    let mut host = Host::new();
    host.call("ada", "add");
    ended(&mut host, refused(), Effects::default());
    assert_eq!(host.activated(), 1);
}

fn mailer(host: &mut Host) -> (u64, CommandFrame) {
    let entity = adjoin_model::EntityId::new("shop.Mailer", "any").expect("an id");
    let call = host.new_call(entity, "list");
    let call = host.send(call);
    (call, host.command())
}

fn element(host: &mut Host, call: u64) {
    let frame = FunctionFrame::StreamElement { call, payload: json("1"), effects: vec![], metadata: Vec::new() };
    host.answer_frame(1, frame);
}

fn done(host: &mut Host, effect: Option<u64>, payload: &str) {
    let reply = Reply { payload: Some(json(payload)), ..Reply::default() };
    host.step(vec![Input::EffectDone { effect: effect.expect("waited for"), result: Ok(reply), sent: 0 }]);
}

#[test]
fn a_forward_in_a_stream_is_an_element_and_what_follows_waits_for_it() {
    let mut host = cloudstate();
    let (call, command) = mailer(&mut host);
    element(&mut host, command.call);
    let forward = HandlerResult::Forward(target(id("bob"), "add"));
    host.answer(&command, forward, Effects::default());
    element(&mut host, command.call);
    host.answer_frame(1, FunctionFrame::StreamEnd { call: command.call, error: None });
    assert_eq!((host.elements.len(), host.ends.len()), (1, 0), "the rest waits");
    let (effect, to) = host.effects.remove(0);
    assert_eq!((to.entity, &*to.name), (id("bob"), "add"));
    done(&mut host, effect, "forwarded");
    assert_eq!((host.elements.len(), host.ends.as_slice()), (3, &[(call, None)][..]));
}

#[test]
fn a_part_of_a_stream_waits_for_its_synchronous_side_effects() {
    let mut host = cloudstate();
    let (_, command) = mailer(&mut host);
    let side_effects = vec![side_effect(id("bob"), "add", true), side_effect(id("eve"), "add", false)];
    host.answer(&command, reply("1"), Effects { side_effects, ..Effects::default() });
    assert_eq!((host.effects.len(), host.elements.len()), (1, 0), "the second comes behind the first");
    let effect = host.effects[0].0;
    done(&mut host, effect, "ignored");
    assert_eq!((host.effects.len(), host.elements.len()), (2, 1));
    host.answer(&command, HandlerResult::Reply(None), Effects::default());
    assert_eq!(host.elements.len(), 1, "nothing to show");
}

#[test]
fn a_failure_in_a_stream_ends_it_and_cancels_the_function() {
    let mut host = cloudstate();
    let (call, command) = mailer(&mut host);
    host.answer(&command, refused(), Effects::default());
    assert!(matches!(&host.ends[..], [(id, Some(error))] if *id == call && error.message == "no"));
    assert_eq!(host.cancelled(), 1);
}

fn three_effects() -> Effects {
    let side_effects = [("one", true), ("two", false), ("three", true)];
    let side_effects = side_effects.map(|(key, synchronous)| side_effect(id(key), "add", synchronous)).into();
    Effects { side_effects, ..Effects::default() }
}

/// The calls that were made for a command since the last look, and what the last one's end is told under.
fn made(host: &mut Host) -> (Vec<String>, Option<u64>) {
    let effects: Vec<_> = host.effects.drain(..).collect();
    let last = effects.last().and_then(|(effect, _)| *effect);
    (effects.iter().map(|(_, call)| call.entity.key().to_owned()).collect(), last)
}

#[test]
fn side_effects_are_made_one_after_the_other_and_hold_the_reply() {
    let mut host = cloudstate();
    let call = host.call("ada", "add");
    let command = host.command();
    host.answer(&command, reply("1"), three_effects());
    let (first, one) = made(&mut host);
    assert_eq!(first, ["one"], "the next waits for it");
    done(&mut host, one, "1");
    let (next, three) = made(&mut host);
    assert_eq!(next, ["two", "three"]);
    assert!(!host.replied(call));
    done(&mut host, three, "1");
    assert!(host.reply(call).is_ok());
}

#[test]
fn a_forward_waits_for_the_side_effects_before_it() {
    let mut host = cloudstate();
    for key in ["entity", "action"] {
        host.forwards.clear();
        let command = match key {
            "entity" => {
                host.call("ada", "add");
                host.command()
            }
            _ => {
                let entity = adjoin_model::EntityId::new("shop.Mailer", "any").expect("an id");
                let call = host.new_call(entity, "send");
                host.send(call);
                host.command()
            }
        };
        host.answer(&command, HandlerResult::Forward(target(id("bob"), "add")), three_effects());
        let (_, one) = made(&mut host);
        done(&mut host, one, "1");
        let (_, three) = made(&mut host);
        assert!(host.forwards.is_empty(), "{key}: not before the third has ended");
        done(&mut host, three, "1");
        assert!(matches!(&host.forwards[..], [call] if call.entity == id("bob") && call.wrote), "{key}");
    }
}

#[test]
fn what_is_left_is_made_though_the_caller_has_gone() {
    let mut host = cloudstate();
    let call = host.call("ada", "add");
    let command = host.command();
    host.answer(&command, HandlerResult::Forward(target(id("bob"), "add")), three_effects());
    made(&mut host);
    host.step(vec![Input::Cancel(call)]);
    assert_eq!(made(&mut host).0, ["two", "three", "bob"]);
    assert!(host.forwards.is_empty() && !host.replied(call));
}

#[test]
fn side_effects_of_a_streams_part_are_made_one_after_the_other() {
    let mut host = cloudstate();
    let (call, command) = mailer(&mut host);
    host.answer(&command, reply("1"), three_effects());
    element(&mut host, command.call);
    let (first, one) = made(&mut host);
    assert_eq!((first, host.elements.len()), (vec!["one".to_owned()], 0));
    done(&mut host, one, "1");
    let (next, three) = made(&mut host);
    assert_eq!((next.len(), host.elements.len()), (2, 0));
    done(&mut host, three, "1");
    assert_eq!(host.elements, [(call, 0), (call, 0)]);
}

/// The host drains, though the one who asked for a stream left while a part of it waited.
fn drains_after(host: &mut Host, command: &CommandFrame, waits: Option<u64>) {
    host.answer_frame(1, FunctionFrame::StreamEnd { call: command.call, error: None });
    if let Some(effect) = waits {
        done(host, Some(effect), "1");
    }
    host.step(vec![Input::Drain]);
    assert!(host.drained && host.ends.is_empty(), "nobody is told, nothing is under way");
}

#[test]
fn a_caller_that_leaves_a_stream_that_waits_holds_nothing_up() {
    let forward = HandlerResult::Forward(target(id("bob"), "add"));
    for (result, effects, made_after) in [(reply("1"), three_effects(), 2), (forward, Effects::default(), 0)] {
        let mut host = cloudstate();
        let (call, command) = mailer(&mut host);
        host.answer(&command, result, effects);
        let (_, waits) = made(&mut host);
        host.step(vec![Input::Cancel(call)]);
        assert_eq!(made(&mut host).0.len(), made_after, "what is left of the part is made all the same");
        assert_eq!(host.cancelled(), 1);
        drains_after(&mut host, &command, waits);
    }
}

#[test]
fn a_deadline_that_passes_while_a_stream_waits_holds_nothing_up() {
    let mut host = cloudstate();
    let entity = adjoin_model::EntityId::new("shop.Mailer", "any").expect("an id");
    let mut call = host.new_call(entity, "list");
    call.deadline = Some(host.now.mono.plus_ms(10));
    host.send(call);
    let command = host.command();
    host.answer(&command, reply("1"), three_effects());
    let (_, waits) = made(&mut host);
    host.later_ms(10);
    assert_eq!(host.ends.drain(..).count(), 1);
    drains_after(&mut host, &command, waits);
}

#[test]
fn parts_of_a_stream_that_nobody_waits_for_any_more_do_not_wait_either() {
    for forwards in [false, true] {
        let mut host = cloudstate();
        let (call, command) = mailer(&mut host);
        host.step(vec![Input::Cancel(call)]);
        let (result, effects) = if forwards {
            (HandlerResult::Forward(target(id("bob"), "add")), Effects::default())
        } else {
            (reply("1"), three_effects())
        };
        host.answer(&command, result, effects);
        let effects: Vec<_> = host.effects.drain(..).map(|(effect, _)| effect).collect();
        assert_eq!(effects, vec![None; if forwards { 1 } else { 3 }]);
        drains_after(&mut host, &command, None);
    }
}
