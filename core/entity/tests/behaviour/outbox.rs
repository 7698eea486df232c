// SPDX-License-Identifier: Apache-2.0
//! Durable effects: outbox, inbox, and what becomes of an effect that cannot be run.

use adjoin_entity::frame::{Effects, FunctionFrame, HandlerResult, SideEffect};
use adjoin_entity::{EffectState, EffectStatus, Errand, Input, Outgoing, Settings, ShardInput};
use adjoin_model::{
    Body, CommandId, DurableCall, Ended, EntityId, Epoch, Error, Head, Incoming, Kind, Limits, Origin, Outcome,
    Position, Record, ShardBatch, ShardId, Unfinished, shard_of,
};

use crate::host::*;

fn shard(entity: &EntityId) -> ShardId {
    shard_of(entity, settings().shards)
}

fn durable(entity: EntityId) -> SideEffect {
    SideEffect { durable: true, ..side_effect(entity, "add", false) }
}

fn mailer() -> EntityId {
    EntityId::new("shop.Mailer", "all").expect("an id")
}

/// `ada` asks for these durable effects, with one event.
fn asks(host: &mut Host, effects: Vec<SideEffect>) -> u64 {
    let call = host.call("ada", "add");
    let command = host.command();
    let effects = Effects { events: vec![event("A")], side_effects: effects, ..Effects::default() };
    host.answer(&command, reply("1"), effects);
    call
}

/// A host in which an effect for `eve` waits as a command of the function.
fn with_a_run(settings: Settings) -> Host {
    let mut host = Host::with(settings);
    asks(&mut host, vec![durable(id("eve"))]);
    host.carry_all();
    host
}

fn listed(host: &Host) -> Vec<EffectStatus> {
    host.machine.effects(100)
}

fn state(host: &Host) -> Option<EffectState> {
    listed(host).first().map(|effect| effect.state)
}

const STUCK: EffectState = EffectState::Inbox(Errand::Stuck);

#[test]
fn rule_7_a_durable_effect_stands_in_the_batch_of_its_command() {
    let mut host = Host::new();
    let call = asks(&mut host, vec![durable(id("eve"))]);
    let batch = host.write();
    let bodies: Vec<&Body> = batch.records.iter().map(|record| &record.body).collect();
    assert!(matches!(bodies[..], [Body::Event(_), Body::Outbox(_)]), "{bodies:?}");
    assert!(host.deliveries.is_empty() && !host.replied(call), "nothing leaves before it is durable");
    host.store_says(batch.shard, ShardInput::Durable);
    assert!(host.reply(call).is_ok(), "the reply does not wait for the effect");
    assert!(host.effects.is_empty());
    let (from, to, records) = host.deliveries.remove(0);
    assert_eq!((from, to), (shard(&id("ada")), shard(&id("eve"))));
    assert_eq!(records.iter().map(|record| record.position).collect::<Vec<_>>(), [2]);
}

#[test]
fn rule_7_a_command_whose_batch_is_lost_has_no_effect() {
    let mut host = Host::new();
    asks(&mut host, vec![durable(id("eve"))]);
    let batch = host.write();
    host.store_says(batch.shard, ShardInput::Refused(Error::unavailable("full")));
    host.carry();
    assert!(listed(&host).is_empty());
    assert_eq!(host.machine.status(0).effects.outbox, 0);
}

#[test]
fn rule_7_an_effect_runs_once_its_inbox_record_is_durable() {
    let mut host = Host::new();
    asks(&mut host, vec![durable(id("eve"))]);
    host.durable();
    host.carry();
    let inbox = host.write();
    assert!(matches!(&inbox.records[..], [Record { body: Body::Inbox(_), sequence: 0, .. }]));
    assert!(host.commands.is_empty() && host.trimmed.is_empty(), "neither run nor acknowledged");
    host.store_says(inbox.shard, ShardInput::Durable);
    host.carry();
    assert_eq!(host.trimmed, [(shard(&id("ada")), vec![2])]);
    let command = host.command();
    let origin = Origin { shard: shard(&id("ada")), position: 2 };
    assert_eq!(command.id, origin.command(CommandId(1)), "the id names the effect for good");
    host.emit(&command, &["A"]);
    let end = host.write();
    let bodies: Vec<Body> = end.records.into_iter().map(|record| record.body).collect();
    let done = Body::Done { inbox: inbox.first, ended: Ended::Ran };
    assert_eq!(bodies, [Body::Event(event("A")), done], "its end stands with what it wrote");
    host.store_says(end.shard, ShardInput::Durable);
    host.carry();
    assert!(listed(&host).is_empty());
    assert_eq!(host.machine.status(0).effects.ran, 1);
}

#[test]
fn rule_7_a_redelivery_below_the_watermark_is_not_taken_again() {
    let mut host = with_a_run(settings());
    let (from, to) = (shard(&id("ada")), shard(&id("eve")));
    host.run(&["A"]);
    host.carry_all();
    let call = DurableCall {
        entity: id("eve"),
        command: "add".into(),
        payload: json("2"),
        caller: "".into(),
        metadata: Vec::new(),
    };
    let again = Outgoing { position: 2, command: CommandId(1), call };
    host.step(vec![Input::Deliver { from, to, records: vec![again] }]);
    assert!(host.writes.is_empty());
    assert_eq!(host.delivered, [(from, to, 2)], "the sender hears that it is there");
}

#[test]
fn rule_7_effects_of_a_shard_for_another_arrive_in_the_order_of_their_positions() {
    let mut host = Host::new();
    asks(&mut host, vec![durable(id("eve")), durable(id("eve")), durable(id("eve"))]);
    host.durable();
    let sent: Vec<Position> = host.deliveries[0].2.iter().map(|record| record.position).collect();
    assert_eq!(sent, [2, 3, 4]);
    asks(&mut host, vec![durable(id("eve"))]);
    host.durable();
    assert_eq!(host.deliveries.len(), 1, "what comes later waits until the first are acknowledged");
    host.carry_all();
    let mut ran = Vec::new();
    while !host.commands.is_empty() {
        assert_eq!(host.commands.len(), 1, "one at a time for an entity");
        let command = host.command();
        ran.push(command.id);
        host.emit(&command, &["A"]);
        host.carry_all();
    }
    let expected = [(2, 1), (3, 1), (4, 1), (6, 2)]
        .map(|(position, by)| Origin { shard: shard(&id("ada")), position }.command(CommandId(by)));
    assert_eq!(ran, expected);
}

#[test]
fn rule_7_a_lost_delivery_is_made_again() {
    let mut host = Host::new();
    asks(&mut host, vec![durable(id("eve"))]);
    host.durable();
    host.carry();
    let inbox = host.write();
    host.store_says(inbox.shard, ShardInput::Refused(Error::unavailable("full")));
    host.carry();
    assert!(host.writes.is_empty(), "it rests first");
    host.later_ms(100);
    host.carry_all();
    assert_eq!(host.commands.len(), 1);
    assert_eq!(host.trimmed.len(), 1);
}

#[test]
fn rule_7_an_unknown_delivery_is_settled_by_the_head() {
    let mut host = Host::new();
    asks(&mut host, vec![durable(id("eve"))]);
    host.durable();
    host.carry();
    let inbox = host.write();
    host.store_says(inbox.shard, ShardInput::Unknown);
    host.carry();
    assert!(host.trimmed.is_empty() && host.commands.is_empty());
    let (shard, expected) = host.raises.remove(0);
    let head = Head { position: inbox.last(), epoch: Epoch(expected.epoch.0 + 1), ..expected };
    host.store_says(shard, ShardInput::Raised(head));
    host.carry();
    assert_eq!((host.trimmed.len(), host.commands.len()), (1, 1));
}

fn unfinished(batches: &[&ShardBatch]) -> Unfinished {
    let mut unfinished = Unfinished::default();
    for (position, record) in batches.iter().flat_map(|batch| (batch.first..).zip(&batch.records)) {
        match &record.body {
            Body::Outbox(_) => unfinished.outbox.push((position, record.clone())),
            Body::Inbox(Incoming { origin, .. }) => {
                unfinished.watermarks.push((origin.shard, origin.position));
                unfinished.inbox.push((position, record.clone()));
            }
            _ => {}
        }
    }
    unfinished
}

#[test]
fn rule_7_after_a_restart_the_outbox_is_sent_and_the_inbox_is_run() {
    let mut host = Host::new();
    asks(&mut host, vec![durable(id("eve"))]);
    let outbox = host.durable();
    host.carry();
    let inbox = host.durable();

    let mut again = Host::without_function(settings());
    again.machine.resume(outbox.shard, unfinished(&[&outbox]));
    again.machine.resume(inbox.shard, unfinished(&[&inbox]));
    again.up(1);
    again.carry();
    assert!(again.writes.is_empty(), "the watermark knows it");
    assert_eq!(again.trimmed, [(outbox.shard, vec![2])]);
    let command = again.command();
    assert_eq!(command.id, inbox.records[0].command);
    assert!(again.commands.is_empty(), "once");
}

#[test]
fn rule_7_a_refusal_ends_an_effect_and_is_recorded() {
    let mut host = with_a_run(settings());
    let command = host.command();
    host.answer(&command, refused(), Effects::default());
    host.carry();
    let end = host.durable();
    assert!(matches!(end.records[0].body, Body::Done { ended: Ended::Refused, .. }));
    host.carry();
    assert!(listed(&host).is_empty());
    assert_eq!(host.machine.status(0).effects.refused, 1);
}

#[test]
fn rule_7_a_command_without_events_ends_its_effect_too() {
    let mut host = with_a_run(settings());
    let command = host.command();
    host.answer(&command, reply("1"), Effects::default());
    let end = host.durable();
    assert!(matches!(end.records[..], [Record { body: Body::Done { ended: Ended::Ran, .. }, .. }]));
    host.carry_all();
    assert!(listed(&host).is_empty());
}

#[test]
fn rule_7_an_action_gets_the_id_and_its_end_is_written_after_it_answered() {
    let mut host = Host::new();
    asks(&mut host, vec![SideEffect { durable: true, ..side_effect(mailer(), "send", false) }]);
    host.carry_all();
    let command = host.command();
    assert_ne!(command.id, CommandId(1));
    assert_eq!(state(&host), Some(EffectState::Inbox(Errand::Running)));
    host.answer(&command, reply("1"), Effects::default());
    host.carry_all();
    assert!(listed(&host).is_empty());
}

#[test]
fn rule_7_an_action_that_lost_its_process_runs_again_with_the_same_id() {
    let mut host = Host::new();
    asks(&mut host, vec![SideEffect { durable: true, ..side_effect(mailer(), "send", false) }]);
    host.carry_all();
    let first = host.command();
    host.down(1);
    host.carry();
    host.up(2);
    host.carry();
    assert_eq!(host.command().id, first.id);
}

#[test]
fn rule_7_a_forward_of_an_effect_is_an_effect() {
    let mut host = with_a_run(settings());
    let command = host.command();
    let effects = Effects { events: vec![event("A")], ..Effects::default() };
    host.answer(&command, HandlerResult::Forward(target(id("bob"), "add")), effects);
    let batch = host.durable();
    let bodies: Vec<&Body> = batch.records.iter().map(|record| &record.body).collect();
    assert!(matches!(bodies[..], [Body::Event(_), Body::Outbox(_), Body::Done { .. }]), "{bodies:?}");
    host.carry_all();
    host.run(&["B"]);
    assert_eq!(host.durable().records[0].entity, id("bob"));
    host.carry_all();
    assert!(listed(&host).is_empty());
}

/// The function has an unexpected error in the oldest command.
fn breaks(host: &mut Host) {
    let command = host.command();
    host.answer(&command, HandlerResult::Failed(Error::internal("a bug")), Effects::default());
    host.carry();
}

#[test]
fn rule_7_an_effect_that_fails_is_tried_again_ever_later_and_then_stuck() {
    let mut host = with_a_run(Settings { effect_attempts: 3, ..settings() });
    for wait in [100, 200] {
        breaks(&mut host);
        host.later_ms(wait - 1);
        host.carry();
        assert!(host.commands.is_empty());
        host.later_ms(1);
        host.carry();
    }
    breaks(&mut host);
    host.later_ms(3_600_000);
    host.carry();
    assert!(host.commands.is_empty());
    let stuck = listed(&host).remove(0);
    assert_eq!((stuck.state, stuck.attempts, stuck.target), (STUCK, 3, id("eve")));
    assert_eq!(stuck.error.map(|error| error.kind), Some(Kind::Internal));
    assert_eq!(host.machine.status(0).effects.stuck, 1);
}

#[test]
fn an_effect_that_meets_a_bound_is_not_stuck() {
    let mut host = with_a_run(Settings { effect_attempts: 1, ..settings() });
    let command = host.command();
    let full = Error::exhausted("full for now").retry_after(100);
    host.answer(&command, HandlerResult::Failed(full), Effects::default());
    host.carry();
    assert_eq!(state(&host), Some(EffectState::Inbox(Errand::Resting)));
    let again = Error::exhausted("too large for ever");
    host.later_ms(100);
    host.carry();
    let command = host.command();
    assert_eq!(command.attempt, 2, "attempts are counted over all its runs");
    host.answer(&command, HandlerResult::Failed(again), Effects::default());
    host.carry();
    assert_eq!(state(&host), Some(STUCK));
}

#[test]
fn rule_7_one_that_rests_holds_those_behind_it_and_one_that_is_stuck_does_not() {
    let mut host = Host::with(Settings { effect_attempts: 2, ..settings() });
    asks(&mut host, vec![durable(id("eve")), durable(id("eve"))]);
    host.carry_all();
    breaks(&mut host);
    assert!(host.commands.is_empty(), "the order is kept");
    host.later_ms(100);
    host.carry();
    breaks(&mut host);
    assert_eq!(state(&host), Some(STUCK));
    host.run(&["A"]);
    host.carry_all();
    assert_eq!(listed(&host).len(), 1);
}

fn stuck() -> (Host, ShardId, Position) {
    let mut host = with_a_run(Settings { effect_attempts: 1, ..settings() });
    breaks(&mut host);
    let effect = listed(&host).remove(0);
    (host, effect.shard, effect.position)
}

#[test]
fn a_stuck_effect_is_tried_again_when_an_operator_says_so() {
    let (mut host, shard, inbox) = stuck();
    host.step(vec![Input::RetryEffect { call: 77, shard, inbox }]);
    assert!(host.reply(77).is_ok());
    host.carry();
    host.run(&["A"]);
    host.carry_all();
    assert!(listed(&host).is_empty());
    host.step(vec![Input::RetryEffect { call: 78, shard, inbox }]);
    assert_eq!(host.error(78), (Kind::NotFound, Outcome::None));
}

#[test]
fn a_dropped_effect_is_gone_once_that_is_durable() {
    let (mut host, shard, inbox) = stuck();
    host.step(vec![Input::DropEffect { call: 77, shard, inbox }]);
    assert!(!host.replied(77));
    let end = host.durable();
    assert!(matches!(end.records[0].body, Body::Done { ended: Ended::Dropped, .. }));
    assert!(host.reply(77).is_ok());
    assert!(listed(&host).is_empty());
    assert_eq!(host.machine.status(0).effects.dropped, 1);
}

#[test]
fn an_effect_under_way_is_not_dropped() {
    let mut host = with_a_run(settings());
    let effect = listed(&host).remove(0);
    host.step(vec![Input::DropEffect { call: 77, shard: effect.shard, inbox: effect.position }]);
    assert_eq!(host.error(77), (Kind::Conflict, Outcome::None));
}

#[test]
fn an_effect_of_an_unknown_command_runs_when_a_function_brings_it() {
    let mut host = Host::with(Settings { effect_attempts: 1, ..settings() });
    asks(&mut host, vec![SideEffect { durable: true, ..side_effect(id("eve"), "later", false) }]);
    host.carry_all();
    assert_eq!(state(&host), Some(STUCK));
    let mut newer = spec();
    let cart = newer.types.iter_mut().find(|t| &*t.name == "shop.Cart").expect("a cart");
    cart.handlers.push(adjoin_entity::spec::Handler { name: "later".into(), ..cart.handlers[0].clone() });
    host.down(1);
    host.up_with(2, newer, 10);
    host.carry();
    assert_eq!(&*host.command().name, "later");
}

#[test]
fn a_full_outbox_refuses_the_command_that_asks_for_more() {
    let limits = Limits { outbox: 1, ..Limits::default() };
    let mut host = Host::with(Settings { limits, ..settings() });
    asks(&mut host, vec![durable(id("eve"))]);
    let second = asks(&mut host, vec![durable(id("eve"))]);
    host.durable();
    assert_eq!(host.error(second), (Kind::Exhausted, Outcome::None));
    host.carry_all();
    host.run(&["A"]);
    host.carry_all();
    let third = asks(&mut host, vec![durable(id("eve"))]);
    host.settle();
    assert!(host.reply(third).is_ok());
}

#[test]
fn a_full_inbox_leaves_the_rest_in_the_outbox() {
    let limits = Limits { inbox: 1, ..Limits::default() };
    let mut host = Host::with(Settings { limits, ..settings() });
    asks(&mut host, vec![durable(id("eve")), durable(id("eve"))]);
    host.carry_all();
    let counts = host.machine.status(0).effects;
    assert_eq!((counts.outbox, counts.inbox), (1, 1));
    host.run(&["A"]);
    host.carry_all();
    host.later_ms(100);
    host.carry_all();
    host.run(&["A"]);
    host.carry_all();
    assert!(listed(&host).is_empty());
}

#[test]
fn a_delivery_that_exceeds_a_batch_is_taken_in_parts() {
    let limits = Limits { batch_bytes: 500, ..settings().limits };
    let mut host = Host::with(Settings { limits, ..settings() });
    // Each fits a batch with its command; together they do not, and come in one delivery after the store was away.
    let calls: Vec<u64> = (0..8)
        .map(|_| {
            let call = asks(&mut host, vec![durable(id("eve"))]);
            host.durable();
            call
        })
        .collect();
    assert!(calls.into_iter().all(|call| host.reply(call).is_ok()));
    host.carry();
    host.carry_all();
    for _ in 0..8 {
        host.run(&["A"]);
        host.carry_all();
    }
    assert!(host.commands.is_empty());
    assert!(listed(&host).is_empty(), "{:?}", listed(&host));
}

#[test]
fn effects_that_run_at_once_are_bounded() {
    let limits = Limits { deliveries: 1, ..Limits::default() };
    let one = Settings { limits, shards: 16, ..settings() };
    let mut host = Host::with(one);
    let same_shard: Vec<EntityId> =
        (0..).map(|n| id(&format!("k{n}"))).filter(|id| shard(id) == ShardId(3)).take(2).collect();
    asks(&mut host, same_shard.iter().cloned().map(durable).collect());
    host.carry_all();
    assert_eq!(host.commands.len(), 1);
    host.run(&["A"]);
    host.carry_all();
    assert_eq!(host.commands.len(), 1);
}

#[test]
fn an_effect_cannot_be_both_synchronous_and_durable() {
    let mut host = Host::new();
    let call = asks(&mut host, vec![SideEffect { synchronous: true, ..durable(id("eve")) }]);
    assert_eq!(host.error(call), (Kind::Invalid, Outcome::None));
}

#[test]
fn an_action_has_no_outbox() {
    let mut host = Host::new();
    let call = host.new_call(mailer(), "send");
    let call = host.send(call);
    let command = host.command();
    let effects = Effects { side_effects: vec![durable(id("eve"))], ..Effects::default() };
    host.answer(&command, reply("1"), effects);
    assert_eq!(host.error(call), (Kind::Invalid, Outcome::None));
    let stream = host.new_call(mailer(), "list");
    let stream = host.send(stream);
    let command = host.command();
    let effects = vec![durable(id("eve"))];
    host.answer_frame(
        1,
        FunctionFrame::StreamElement { call: command.call, payload: json("1"), effects, metadata: Vec::new() },
    );
    assert_eq!(host.ends.iter().map(|(call, error)| (*call, error.is_some())).collect::<Vec<_>>(), [(stream, true)]);
}

#[test]
fn a_draining_host_begins_no_effect() {
    let mut host = Host::new();
    asks(&mut host, vec![durable(id("eve"))]);
    host.step(vec![Input::Drain]);
    host.settle();
    host.carry_all();
    assert!(host.commands.is_empty() && host.drained);
    assert_eq!(host.machine.status(0).effects.outbox, 1, "the next start sends it");
}

#[test]
fn rule_7_an_effect_that_ends_its_process_each_time_is_stuck() {
    let mut host = Host::with(Settings { effect_attempts: 2, ..settings() });
    asks(&mut host, vec![SideEffect { durable: true, ..side_effect(mailer(), "send", false) }]);
    host.carry_all();
    for session in [1, 2] {
        host.command();
        host.down(session);
        host.carry();
        host.up(session + 1);
        host.carry();
    }
    assert_eq!(state(&host), Some(STUCK));
    assert!(host.commands.is_empty());
    host.up(9);
    host.carry();
    assert_eq!(state(&host), Some(STUCK), "no function that comes is what it wants");
}

/// What an effect for `eve` counts in the outbox.
fn weight() -> usize {
    let call = DurableCall {
        entity: id("eve"),
        command: "add".into(),
        payload: json("2"),
        caller: "".into(),
        metadata: Vec::new(),
    };
    call.size()
}

#[test]
fn a_full_outbox_is_full_of_bytes_too_also_of_what_is_not_durable_yet() {
    let limits = Limits { outbox_bytes: 2 * weight() + 10, ..Limits::default() };
    let mut host = Host::with(Settings { limits, ..settings() });
    let first = asks(&mut host, vec![durable(id("eve"))]);
    let second = asks(&mut host, vec![durable(id("eve"))]);
    let third = asks(&mut host, vec![durable(id("eve"))]);
    host.settle();
    assert!(host.reply(first).is_ok() && host.reply(second).is_ok());
    assert_eq!(host.error(third), (Kind::Exhausted, Outcome::None), "one was written, one waited");
    let fourth = asks(&mut host, vec![durable(id("eve"))]);
    assert_eq!(host.error(fourth).0, Kind::Exhausted, "both are durable");
}

#[test]
fn metadata_of_a_durable_effect_is_counted_and_bounded() {
    let with = |value: String| {
        let mut effect = durable(id("eve"));
        effect.target.metadata = vec![("x".into(), value)];
        effect
    };
    let limits = Limits { outbox_bytes: weight() + 10, ..Limits::default() };
    let mut host = Host::with(Settings { limits, ..settings() });
    let call = asks(&mut host, vec![with("v".repeat(10))]);
    assert_eq!(host.error(call), (Kind::Exhausted, Outcome::None));
    let mut host = Host::new();
    let call = asks(&mut host, vec![with("v".repeat(64 << 10))]);
    let error = host.reply(call).expect_err("too long");
    assert_eq!((error.kind, error.outcome), (Kind::Exhausted, Outcome::None));
    assert!(error.message.contains("the durable effect's metadata"), "{error}");
    assert!(host.writes.is_empty());
}

#[test]
fn an_effect_that_is_still_on_its_way_is_said_to_be_so() {
    let mut host = Host::new();
    host.call("ada", "add");
    let command = host.command();
    let effects = Effects { events: vec![event("A")], side_effects: vec![durable(id("eve"))], ..Effects::default() };
    host.answer(&command, reply("1"), effects);
    host.durable();
    let sending = host.machine.effects(10).remove(0);
    for drops in [false, true] {
        let (shard, inbox, call) = (sending.shard, sending.position, host.new_call(id("ada"), "add").id);
        let input =
            if drops { Input::DropEffect { call, shard, inbox } } else { Input::RetryEffect { call, shard, inbox } };
        host.step(vec![input]);
        assert_eq!(host.error(call).0, Kind::Conflict, "it is listed, so it is not unknown");
    }
}
