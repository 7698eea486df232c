// SPDX-License-Identifier: Apache-2.0
//! Eventing: events of a log are given to the handlers that subscribe to it.

use adjoin_entity::frame::{CommandFrame, Effects, HandlerResult, HostFrame};
use adjoin_entity::spec::{EventKey, KeyOf, Source, Spec, Subscription, Taker};
use adjoin_entity::{ConsumerStatus, Input, Settings, ShardInput};
use adjoin_model::{
    Body, Consumed, ConsumerId, Consumption, EntityId, Error, Kind, Payload, Position, Progress, ShardId, Unfinished,
    shard_of,
};

use crate::host::*;

const LOG: &str = "shop.Cart";

pub(crate) fn subscription(group: &str, event: &str, handler: &str) -> Subscription {
    let taker = Taker { event: event.into(), handler: handler.into() };
    let source = Source::EventLog(LOG.into());
    Subscription { source, group: group.into(), events: vec![taker], rest: None, key: EventKey::Subject }
}

/// The spec of all tests, and these subscriptions of its types.
pub(crate) fn subscribed(subscriptions: Vec<(&str, Subscription)>) -> Spec {
    let mut spec = spec();
    for (name, subscription) in subscriptions {
        let found = spec.types.iter_mut().find(|entity_type| *entity_type.name == *name);
        found.expect("a type").subscriptions.push(subscription);
    }
    spec
}

/// `shop.Mailer.send` takes `A` of carts.
pub(crate) fn mailing() -> Spec {
    subscribed(vec![("shop.Mailer", subscription("mail", "A", "send"))])
}

pub(crate) fn mail() -> ConsumerId {
    ConsumerId::new(LOG, "mail").expect("a consumer")
}

pub(crate) fn with_spec(spec: Spec, settings: Settings) -> Host {
    let mut host = Host::without_function(settings);
    host.up_with(1, spec, 1000);
    host
}

pub(crate) fn host() -> Host {
    with_spec(mailing(), settings())
}

pub(crate) fn shard(key: &str) -> ShardId {
    shard_of(&id(key), settings().shards)
}

/// A key of the same shard as `ada`.
pub(crate) fn neighbour() -> String {
    let found = (0..).map(|number| format!("n{number}")).find(|key| shard(key) == shard("ada"));
    found.expect("there is one")
}

/// A command of this cart emits these, and the write of it is durable.
pub(crate) fn emits(host: &mut Host, key: &str, events: &[&str]) {
    host.call(key, "add");
    let place = host.commands.iter().position(|command| &*command.name == "add").expect("a command");
    let command = host.commands.remove(place);
    host.emit(&command, events);
    host.durable();
    host.carry();
}

pub(crate) fn well(host: &mut Host, command: &CommandFrame) {
    host.answer(command, reply("ok"), Effects::default());
    host.carry();
}

pub(crate) fn badly(host: &mut Host, command: &CommandFrame) {
    host.answer(command, HandlerResult::Failed(Error::internal("no")), Effects::default());
    host.carry();
}

/// The oldest command that the function has fails.
pub(crate) fn fails(host: &mut Host) {
    let command = host.command();
    badly(host, &command);
}

pub(crate) fn status(host: &Host, key: &str) -> ConsumerStatus {
    let all = host.machine.consumers(1000);
    all.into_iter().find(|status| status.shard == shard(key)).expect("a consumer")
}

pub(crate) fn dead(host: &Host, key: &str) -> Vec<Position> {
    status(host, key).dead.into_iter().map(|(event, _)| event).collect()
}

/// The entity that was activated last.
fn activated(host: &Host) -> Option<EntityId> {
    let found = host.frames.iter().rev().find_map(|(_, frame)| match frame {
        HostFrame::Activate { entity, .. } => Some(entity),
        _ => None,
    });
    found.cloned()
}

fn consumed(body: &Body) -> Option<(Position, Consumed)> {
    let Body::Consumed(consumption) = body else { return None };
    Some((consumption.event, consumption.what.clone()))
}

/// What the oldest write notes of a consumer; it becomes durable.
pub(crate) fn noted(host: &mut Host) -> (Position, Consumed) {
    let batch = host.durable();
    host.carry();
    assert_eq!(batch.records.len(), 1, "{batch:?}");
    consumed(&batch.records[0].body).expect("a note of a consumer")
}

pub(crate) fn quick() -> Settings {
    Settings { effect_retry_ms: 100, effect_attempts: 3, ..settings() }
}

#[test]
fn an_event_is_given_once_it_is_durable_as_a_cloud_event() {
    let mut host = host();
    host.call("ada", "add");
    host.run(&["A"]);
    host.carry();
    assert!(host.commands.is_empty(), "it is not durable");
    host.durable();
    host.carry();
    let command = host.command();
    let mailer = EntityId::new("shop.Mailer", "ada").expect("an id");
    assert_eq!((&*command.name, command.entity.as_ref()), ("send", Some(&mailer)));
    assert_eq!(command.payload, event("A"));
    let entry = |name: &str| {
        let found = command.metadata.iter().find(|(entry, _)| entry == name);
        found.map(|(_, value)| value.as_str())
    };
    let id = format!("{}-1", shard("ada"));
    for (name, value) in [
        ("ce-id", &*id),
        ("ce-source", LOG),
        ("ce-specversion", "1.0"),
        ("ce-type", "A"),
        ("ce-subject", "ada"),
        ("ce-time", "2023-11-14T22:13:20.000Z"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(entry(name), Some(value), "{name}");
    }
}

#[test]
fn an_event_that_no_handler_takes_is_passed_over() {
    let mut host = host();
    emits(&mut host, "ada", &["B"]);
    assert!(host.commands.is_empty() && host.writes.is_empty());
    assert_eq!(status(&host, "ada").position, 1);
    assert_eq!(host.machine.status(0).consumers.passed_over, 1);
}

#[test]
fn events_of_an_entity_are_given_one_at_a_time_in_order() {
    let mut host = host();
    emits(&mut host, "ada", &["A", "A", "A"]);
    emits(&mut host, &neighbour(), &["A"]);
    assert_eq!(host.commands.len(), 2, "one of each entity");
    let mut ids = Vec::new();
    while !host.commands.is_empty() {
        let command = host.command();
        let given = command.metadata.iter().find(|(name, _)| name == "ce-id").expect("an id").1.clone();
        if command.entity.as_ref().is_some_and(|mailer| mailer.key() == "ada") {
            ids.push(given);
        }
        well(&mut host, &command);
    }
    assert_eq!(ids, [1, 2, 3].map(|position| format!("{}-{position}", shard("ada"))));
}

#[test]
fn the_position_is_written_behind_what_has_ended_and_never_past_what_has_not() {
    let mut host = host();
    emits(&mut host, "ada", &["A"]);
    emits(&mut host, &neighbour(), &["A"]);
    let (first, second) = (host.command(), host.command());
    well(&mut host, &second);
    assert!(host.writes.is_empty(), "the first has not ended");
    well(&mut host, &first);
    assert_eq!(noted(&mut host), (2, Consumed::Passed));
    assert!(host.writes.is_empty() && host.commands.is_empty(), "its own record asks for no other");
    assert_eq!(status(&host, "ada").position, 3, "nor is it read");
}

#[test]
fn a_host_that_comes_later_goes_on_behind_the_position() {
    let mut first = host();
    emits(&mut first, "ada", &["A", "A"]);
    let command = first.command();
    well(&mut first, &command);
    assert_eq!(noted(&mut first), (1, Consumed::Passed));
    let mut second = Host::without_function(settings());
    second.journal = first.journal.clone();
    let position = second.journal[&shard("ada")].len() as u64;
    second.restart_at(shard("ada"), position);
    let progress = Progress { passed: 1, ..Progress::default() };
    let left = Unfinished { consumers: vec![(mail(), progress)], ..Unfinished::default() };
    second.machine.resume(shard("ada"), left);
    second.up_with(1, mailing(), 1000);
    second.carry();
    let again = second.command();
    let id = again.metadata.iter().find(|(name, _)| name == "ce-id").map(|(_, id)| id.clone());
    assert_eq!(id, Some(format!("{}-2", shard("ada"))));
    assert!(second.commands.is_empty(), "the first is not given again");
}

#[test]
fn a_new_group_begins_with_the_first_event() {
    let mut host = Host::new();
    emits(&mut host, "ada", &["A", "A"]);
    assert!(host.machine.consumers(10).is_empty());
    host.up_with(2, mailing(), 1000);
    host.carry();
    assert_eq!(status(&host, "ada").open, 2);
    assert_eq!(host.commands.len(), 1);
}

#[test]
fn each_group_is_given_every_event() {
    let mut host = with_spec(
        subscribed(vec![
            ("shop.Mailer", subscription("mail", "A", "send")),
            ("shop.Mailer", subscription("audit", "A", "send")),
        ]),
        settings(),
    );
    emits(&mut host, "ada", &["A"]);
    let (first, second) = (host.command(), host.command());
    assert_ne!(first.id, second.id);
    well(&mut host, &first);
    let positions: Vec<Position> = host.machine.consumers(10).iter().map(|status| status.position).collect();
    assert!(positions.contains(&0) && positions.contains(&1), "{positions:?}");
}

#[test]
fn an_entity_takes_an_event_as_a_command_that_it_knows_again() {
    let mut host = with_spec(subscribed(vec![("shop.Profile", subscription("names", "A", "add"))]), settings());
    emits(&mut host, "ada", &["A"]);
    let command = host.command();
    assert_eq!(activated(&host), EntityId::new("shop.Profile", "ada").ok());
    let effects = Effects { value: Some(json("v")), ..Effects::default() };
    host.answer(&command, reply("1"), effects);
    let batch = host.durable();
    assert!(matches!(batch.records[1].body, Body::Dedup(_)), "{batch:?}");
    host.carry();
    assert_eq!(noted(&mut host), (1, Consumed::Passed));
    // The position is lost with the host, the entity is not: it is given the event again.
    let call = {
        let mut call = host.new_call(EntityId::new("shop.Profile", "ada").expect("an id"), "add");
        call.payload = event("A");
        call.caller = "consumer shop.Cart/names".into();
        call.idempotency_key = Some(format!("{}-1", shard("ada")).into());
        host.send(call)
    };
    assert!(host.reply(call).is_ok_and(|reply| reply.replayed));
    assert!(host.commands.is_empty());
}

#[test]
fn an_entity_may_be_named_by_the_event() {
    let key = EventKey::Message(KeyOf::new(|handler, event: &Payload| Ok(format!("{handler}-{}", event.type_name))));
    let subscription = Subscription { key, ..subscription("names", "A", "add") };
    let mut host = with_spec(subscribed(vec![("shop.Profile", subscription)]), settings());
    emits(&mut host, "ada", &["A"]);
    assert_eq!(activated(&host), EntityId::new("shop.Profile", "add-A").ok());
}

#[test]
fn an_event_that_names_no_entity_fails_like_any_other() {
    let key = EventKey::Message(KeyOf::new(|_, _: &Payload| Err(Error::invalid("it has no key"))));
    let subscription = Subscription { key, ..subscription("names", "A", "add") };
    let settings = Settings { effect_attempts: 1, ..settings() };
    let mut host = with_spec(subscribed(vec![("shop.Profile", subscription)]), settings);
    emits(&mut host, "ada", &["A"]);
    let (event, what) = noted(&mut host);
    let Consumed::Dead { attempts: 1, error } = what else { panic!("{what:?}") };
    assert_eq!((event, error.contains("it has no key")), (1, true));
}

#[test]
fn a_failed_event_is_given_again_ever_later_and_holds_those_of_its_entity_behind_it() {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A", "A"]);
    fails(&mut host);
    host.later_ms(99);
    host.carry();
    assert!(host.commands.is_empty(), "neither it nor the one behind it");
    assert_eq!(status(&host, "ada").error.map(|error| error.kind), Some(Kind::Internal));
    host.later_ms(1);
    host.carry();
    fails(&mut host);
    host.later_ms(199);
    host.carry();
    assert!(host.commands.is_empty());
    host.later_ms(1);
    host.carry();
    let command = host.command();
    well(&mut host, &command);
    assert_eq!(host.commands.len(), 1, "the one behind it");
    assert_eq!(noted(&mut host), (1, Consumed::Passed));
}

#[test]
fn a_refusal_is_a_failure() {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A"]);
    let command = host.command();
    host.answer(&command, refused(), Effects::default());
    host.carry();
    assert_eq!((status(&host, "ada").position, host.writes.len()), (0, 0));
}

#[test]
fn without_its_function_nothing_is_given_and_nothing_is_counted() {
    let mut host = with_spec(mailing(), quick());
    host.down(1);
    host.up(2);
    emits(&mut host, "ada", &["A"]);
    host.later_ms(60_000);
    host.carry();
    assert!(host.commands.is_empty() && host.writes.is_empty());
    assert!(!status(&host, "ada").declared);
    host.up_with(3, mailing(), 1000);
    host.carry();
    assert_eq!(host.commands.len(), 1);
}

#[test]
fn what_failed_is_given_again_at_once_when_a_function_comes() {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A"]);
    host.down(1);
    host.carry();
    assert_eq!(status(&host, "ada").error.map(|error| error.kind), Some(Kind::Unavailable));
    host.commands.clear();
    host.up_with(2, mailing(), 1000);
    host.carry();
    assert_eq!(host.commands.len(), 1);
}

#[test]
fn a_function_with_other_handlers_takes_what_waits() {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A", "B"]);
    let command = host.command();
    let mut both = subscription("mail", "A", "send");
    both.events.push(Taker { event: "B".into(), handler: "send".into() });
    host.up_with(2, subscribed(vec![("shop.Mailer", both)]), 1000);
    host.carry();
    assert!(host.commands.is_empty(), "the first is still with its handler");
    well(&mut host, &command);
    assert_eq!(host.command().payload, event("B"));
}

#[test]
fn what_waits_goes_to_the_handlers_of_the_function_that_comes() {
    let mut host = with_spec(mailing(), quick());
    emits(&mut host, "ada", &["A"]);
    host.down(1);
    host.carry();
    host.commands.clear();
    let listing = subscription("mail", "A", "list");
    host.up_with(3, subscribed(vec![("shop.Mailer", listing)]), 1000);
    host.carry();
    assert_eq!(&*host.command().name, "list");
}

#[test]
fn a_position_that_was_not_written_is_written_again_after_a_while() {
    let mut host = host();
    emits(&mut host, "ada", &["A"]);
    let command = host.command();
    well(&mut host, &command);
    let lost = host.write();
    host.store_says(lost.shard, ShardInput::Refused(Error::unavailable("full")));
    host.carry();
    assert!(host.writes.is_empty(), "a disk that is full is full for a while");
    host.later_ms(800);
    assert_eq!(noted(&mut host), (1, Consumed::Passed));
    assert!(host.writes.is_empty());
}

#[test]
fn a_host_that_lost_the_shard_moves_no_position() {
    let mut host = host();
    emits(&mut host, "ada", &["A"]);
    let command = host.command();
    well(&mut host, &command);
    let fenced = host.write();
    host.store_says(fenced.shard, ShardInput::Fenced);
    host.later_ms(60_000);
    host.carry();
    assert!(host.writes.is_empty() && host.commands.is_empty());
}

#[test]
fn events_that_run_at_once_are_bounded() {
    let mut settings = settings();
    settings.limits.consuming = 2;
    let mut host = with_spec(mailing(), settings);
    for key in ["a", "b", "c", "d"] {
        emits(&mut host, key, &["A"]);
    }
    assert_eq!(host.commands.len(), 2);
    let mut taken = 0;
    while !host.commands.is_empty() {
        let command = host.command();
        well(&mut host, &command);
        taken += 1;
        assert!(host.commands.len() <= 2);
    }
    assert_eq!(taken, 4);
}

#[test]
fn a_draining_host_begins_no_event() {
    let mut host = host();
    emits(&mut host, "ada", &["A", "A"]);
    let command = host.command();
    host.step(vec![Input::Drain]);
    assert!(!host.drained);
    well(&mut host, &command);
    assert!(host.commands.is_empty());
    host.settle();
    assert!(host.drained);
}

#[test]
fn subscriptions_that_cannot_be_kept_are_refused_with_the_reason() {
    let refused = |spec: Spec| spec.check().expect_err("refused").message;
    let topic = Subscription { source: Source::Topic("orders".into()), ..subscription("g", "A", "send") };
    assert!(refused(subscribed(vec![("shop.Mailer", topic)])).contains("needs a broker"));
    let twice = subscribed(vec![
        ("shop.Mailer", subscription("g", "A", "send")),
        ("shop.Profile", subscription("g", "A", "add")),
    ]);
    assert!(refused(twice).contains("consumer group of its own"));
    assert!(refused(subscribed(vec![("shop.Mailer", subscription("g", "A", "none"))])).contains("no handler none"));
    assert!(refused(subscribed(vec![("shop.Profile", subscription("g", "A", "read"))])).contains("is a query"));
    let mut both = subscription("g", "A", "send");
    both.events.push(both.events[0].clone());
    assert!(refused(subscribed(vec![("shop.Mailer", both)])).contains("two handlers take"));
}

#[test]
fn a_note_says_whose_it_is() {
    let mut host = host();
    emits(&mut host, "ada", &["A"]);
    let command = host.command();
    well(&mut host, &command);
    let record = host.write().records.remove(0);
    let note = Consumption { consumer: mail(), event: 1, what: Consumed::Passed };
    assert_eq!((record.entity, record.sequence, record.body), (id("ada"), 0, Body::Consumed(Box::new(note))));
}

#[test]
fn the_position_is_written_after_many_records_of_others_though_nothing_was_read() {
    let mut host = host();
    let profile = |key: String| EntityId::new("shop.Profile", key).expect("an id");
    let profile = (0..).map(|n| profile(format!("p{n}"))).find(|id| shard_of(id, 16) == shard("ada")).expect("one");
    for _ in 0..=1024 {
        assert!(host.writes.is_empty(), "not yet");
        let call = host.new_call(profile.clone(), "add");
        host.send(call);
        let command = host.command();
        host.answer(&command, reply("1"), Effects { value: Some(json("v")), ..Effects::default() });
        host.durable();
    }
    let record = host.write().records.remove(0);
    assert_eq!((record.entity, consumed(&record.body)), (profile, Some((1025, Consumed::Passed))));
}
