// SPDX-License-Identifier: Apache-2.0
//! Forwards, side effects, values, deletes, actions and their streams.
use adjoin_entity::frame::{Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_entity::{Input, Operation};
use adjoin_model::{Body, EntityId, EntityPage, Error, Kind, Outcome};

use crate::host::*;

fn profile() -> EntityId {
    EntityId::new("shop.Profile", "ada").expect("an id")
}

fn mailer() -> EntityId {
    EntityId::new("shop.Mailer", "all").expect("an id")
}

#[test]
fn rule_2_a_forward_leaves_when_the_command_is_durable() {
    let mut host = Host::new();
    let call = host.call("ada", "add");
    let command = host.command();
    let effects = Effects { events: vec![event("A")], ..Effects::default() };
    host.answer(&command, HandlerResult::Forward(target(profile(), "add")), effects);
    assert!(host.forwards.is_empty());
    host.durable();
    let forward = host.forwards.remove(0);
    assert_eq!((forward.id, forward.hops, forward.entity), (call, 1, profile()));
    assert!(!host.replied(call), "the other entity answers");
}

#[test]
fn rule_8_a_keyed_forward_is_recorded_though_it_wrote_nothing() {
    let mut host = Host::new();
    for _ in 0..2 {
        let mut call = host.new_call(id("ada"), "add");
        call.idempotency_key = Some("k".into());
        host.send(call);
        if let Some(command) = host.commands.pop() {
            host.answer(&command, HandlerResult::Forward(target(profile(), "add")), Effects::default());
        }
        host.settle();
    }
    assert_eq!(host.forwards.len(), 2, "both go on, under the same key");
    assert!(host.forwards.iter().all(|call| call.idempotency_key.as_deref() == Some("k")));
}

#[test]
fn forwards_without_end_are_refused() {
    let mut host = Host::new();
    let mut call = host.new_call(id("ada"), "add");
    call.hops = 17;
    let call = host.send(call);
    assert_eq!(host.error(call), (Kind::Rejected, Outcome::None));
}

#[test]
fn rule_2_side_effects_are_made_when_the_command_is_durable() {
    let mut host = Host::new();
    let call = host.call("ada", "add");
    let command = host.command();
    let side_effects = vec![side_effect(mailer(), "send", false)];
    host.answer(&command, reply("1"), Effects { events: vec![event("A")], side_effects, ..Effects::default() });
    assert!(host.effects.is_empty());
    host.durable();
    assert!(matches!(&host.effects[..], [(None, call)] if call.entity == mailer()));
    assert!(host.reply(call).is_ok(), "asynchronous: nobody waits");
}

#[test]
fn a_synchronous_effect_holds_the_reply_and_never_the_entity() {
    let mut host = Host::new();
    let call = host.call("ada", "add");
    let command = host.command();
    let side_effects = vec![side_effect(mailer(), "send", true)];
    host.answer(&command, reply("1"), Effects { side_effects, ..Effects::default() });
    assert!(!host.replied(call));
    let other = host.call("ada", "add");
    host.run(&["A"]);
    host.settle();
    assert!(host.replied(other));
    let (effect, _) = host.effects.remove(0);
    host.step(vec![Input::EffectDone {
        effect: effect.expect("waits"),
        result: Err(Error::internal("mail")),
        sent: 0,
    }]);
    assert!(host.reply(call).is_ok(), "the reply is the command's own");
}

#[test]
fn a_redelivered_command_asks_for_the_same_effect_again() {
    let mut host = Host::new();
    let mut ids = Vec::new();
    host.call("ada", "add");
    for session in 1..=2 {
        let command = host.command();
        let side_effects = vec![side_effect(mailer(), "send", false)];
        if session == 1 {
            host.down(1);
            host.up(2);
            continue;
        }
        host.answer(&command, reply("1"), Effects { side_effects, ..Effects::default() });
        ids.push((command.id, host.effects[0].1.command));
    }
    assert_ne!(ids[0].0, ids[0].1, "an effect has an id of its own");
}

fn set(host: &mut Host, text: &str) {
    let command = host.command();
    host.answer(&command, reply("1"), Effects { value: Some(json(text)), ..Effects::default() });
}

#[test]
fn rule_13_several_updates_of_a_value_in_a_batch_store_only_the_last() {
    let mut host = Host::new();
    let mut calls = Vec::new();
    for _ in 0..4 {
        let call = host.new_call(profile(), "add");
        calls.push(host.send(call));
    }
    for text in ["1", "2", "3", "4"] {
        set(&mut host, text);
    }
    host.durable();
    let bodies: Vec<Body> = host.durable().records.into_iter().map(|record| record.body).collect();
    assert_eq!(bodies, [Body::Superseded, Body::Superseded, Body::Value(json("4"))]);
    let sequences: Vec<u64> = calls.into_iter().map(|call| host.reply(call).expect("kept").sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
}

#[test]
fn a_value_is_activated_with_its_version() {
    let mut host = Host::new();
    let stored = EntityPage { last: 9, value: Some((9, json("v"))), ..EntityPage::default() };
    host.pages.insert(profile(), stored);
    let call = host.new_call(profile(), "read");
    let call = host.send(call);
    host.read();
    assert_eq!(host.reply(call).expect("well").sequence, 9);
    let state = |frame: &HostFrame| matches!(frame, HostFrame::Activate { sequence: 9, state: Some(_), .. });
    assert!(host.frames.iter().any(|(_, frame)| state(frame)));
}

#[test]
fn rule_13_a_delete_is_a_record_and_re_creation_goes_on() {
    let mut host = Host::new();
    host.pages.insert(id("ada"), page(&["A"]));
    host.call("ada", "add");
    let command = host.command();
    host.answer(&command, reply("1"), Effects { delete: true, ..Effects::default() });
    let batch = host.durable();
    assert_eq!((batch.records[0].sequence, &batch.records[0].body), (2, &Body::Delete));
    host.call("ada", "add");
    host.run(&["A"]);
    assert_eq!(host.durable().records[0].sequence, 3);
}

#[test]
fn rule_13_a_deleted_entity_starts_empty_at_its_last_sequence() {
    let mut host = Host::new();
    host.pages.insert(id("ada"), EntityPage { last: 5, deleted: true, ..EntityPage::default() });
    host.call("ada", "add");
    host.run(&["A"]);
    assert_eq!(host.durable().records[0].sequence, 6);
}

#[test]
fn the_host_deletes_without_asking_the_function() {
    let mut host = Host::new();
    host.pages.insert(id("ada"), page(&["A"]));
    let mut delete = host.new_call(id("ada"), "");
    delete.operation = Operation::Delete;
    let delete = host.send(delete);
    assert!(host.commands.is_empty());
    assert_eq!(host.deactivated(), 1, "its state is not the journal's any more");
    assert_eq!(host.durable().records[0].sequence, 2);
    assert_eq!(host.reply(delete).expect("well").sequence, 2);
    let mut unknown = host.new_call(id("eve"), "");
    unknown.operation = Operation::Delete;
    let unknown = host.send(unknown);
    assert_eq!(host.error(unknown), (Kind::NotFound, Outcome::None));
}

#[test]
fn an_action_answers_at_once_and_may_not_write() {
    let mut host = Host::new();
    let call = host.new_call(mailer(), "send");
    let call = host.send(call);
    let command = host.command();
    assert_eq!((command.activation, command.entity.clone()), (0, Some(mailer())));
    host.answer(&command, reply("1"), Effects::default());
    assert!(host.reply(call).is_ok());
    let call = host.new_call(mailer(), "send");
    let call = host.send(call);
    let command = host.command();
    host.answer(&command, reply("1"), Effects { events: vec![event("A")], ..Effects::default() });
    assert_eq!(host.reply(call).expect_err("no state").kind, Kind::Protocol);
    assert!(host.writes.is_empty());
}

#[test]
fn rule_10_an_action_is_not_redelivered() {
    let mut host = Host::new();
    let call = host.new_call(mailer(), "send");
    let call = host.send(call);
    host.down(1);
    host.up(2);
    assert_eq!(host.error(call), (Kind::Unavailable, Outcome::Unknown));
}

#[test]
fn an_action_waits_for_its_function() {
    let mut host = Host::without_function(settings());
    let call = host.new_call(mailer(), "send");
    let call = host.send(call);
    host.up(1);
    let command = host.command();
    host.answer(&command, reply("1"), Effects::default());
    assert!(host.reply(call).is_ok());
    assert_eq!(host.machine.status(0).entities, 0, "nothing of it stays");
}

#[test]
fn a_streamed_reply_flows_by_credit_and_ends_once() {
    let mut host = Host::new();
    let call = host.new_call(mailer(), "list");
    let call = host.send(call);
    let command = host.command();
    let credit = |host: &Host| -> u32 {
        let given = |frame: &HostFrame| match frame {
            HostFrame::StreamCredit { elements, .. } => *elements,
            _ => 0,
        };
        host.frames.iter().map(|(_, frame)| given(frame)).sum()
    };
    assert_eq!(credit(&host), 16);
    let element =
        |call| FunctionFrame::StreamElement { call, payload: json("1"), effects: Vec::new(), metadata: Vec::new() };
    host.answer_frame(1, element(command.call));
    assert_eq!(host.elements, [(call, 0)]);
    host.step(vec![Input::Taken { call, elements: 1 }]);
    assert_eq!(credit(&host), 17);
    host.answer_frame(1, FunctionFrame::StreamEnd { call: command.call, error: None });
    host.answer_frame(1, element(command.call));
    assert_eq!((host.ends.len(), host.elements.len()), (1, 1));
}
