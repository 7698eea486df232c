// SPDX-License-Identifier: Apache-2.0
//! Event-sourced entities.

use adjoin_entity::frame::HostFrame;
use adjoin_function::cloudstate::protocol as p;
use adjoin_model::Epoch;
use p::client_action::Action;

use crate::function::MODEL;
use crate::messages::{Act, Effect, any, emit, request, text, url};
use crate::proxy::{ES, ES_TWO, Es, command_of, es, es_in, event, init, said};
use crate::world::World;

async fn model(world: &World, id: &str) -> Es {
    let entity = es(&world.channel).await;
    entity.say(init(ES, id, None)).await;
    entity
}

fn fail(said: &str) -> Act {
    Act::Fail(text(said))
}

fn effect(id: &str, synchronous: bool) -> Act {
    Act::Effect(Effect { id: id.into(), synchronous })
}

fn values(reply: &p::eventsourced::EventSourcedReply) -> Vec<String> {
    assert!(reply.events.iter().all(|event| event.type_url == url("Persisted")), "{:?}", reply.events);
    reply.events.iter().map(crate::proxy::text_of).collect()
}

#[tokio::test]
async fn a_stream_is_an_activation_and_its_half_close_ends_it() {
    let mut world = World::new().await;
    let mut entity = model(&world, "ada").await;
    let (said, reply) = entity.asks(1, "ada", vec![emit("A"), emit("B")]).await;
    assert_eq!((said.as_str(), values(&reply)), ("AB", vec!["A".into(), "B".into()]));
    assert_eq!(entity.asks(2, "ada", vec![]).await.0, "AB");
    entity.leaves().await;

    let HostFrame::Activate { activation, entity, epoch, sequence, state } = world.frame().await else { panic!() };
    assert_eq!((entity.entity_type(), entity.key(), epoch, sequence, state), (MODEL, "ada", Epoch(0), 0, None));
    let HostFrame::Replay { activation: replayed, events, last } = world.frame().await else { panic!() };
    assert_eq!((replayed, events.len(), last), (activation, 0, true));
    for _ in 0..2 {
        let HostFrame::Command(command) = world.frame().await else { panic!() };
        assert_eq!((command.activation, command.attempt, &*command.name), (activation, 1, "Process"));
        // Functions may give what has one lane to one thread.
        assert_eq!(command.call & 0xff, activation & 0xff);
    }
    assert_eq!(world.frame().await, HostFrame::Deactivate { activation });
}

#[tokio::test]
async fn what_was_kept_is_replayed_under_its_stored_names() {
    let mut world = World::new().await;
    let mut entity = es(&world.channel).await;
    entity.say(init(ES, "ada", Some((3, "ABC")))).await;
    entity.say(event(4, "D")).await;
    // The numbers of an entity that was made anew go on.
    entity.say(event(9, "E")).await;
    assert_eq!(entity.asks(1, "ada", vec![]).await.0, "ABCDE");
    let HostFrame::Activate { sequence, state, .. } = world.frame().await else { panic!() };
    assert_eq!((sequence, &*state.expect("a snapshot").type_name), (3, "cloudstate.tck.model.Persisted"));
    let mut replayed = Vec::new();
    loop {
        let HostFrame::Replay { events, last, .. } = world.frame().await else { panic!() };
        replayed.extend(events.into_iter().map(|(sequence, event)| (sequence, event.type_name.to_string())));
        if last {
            break;
        }
    }
    let name = "cloudstate.tck.model.Persisted".to_owned();
    assert_eq!(replayed, [(4, name.clone()), (9, name)]);
}

#[tokio::test]
async fn a_long_replay_comes_in_pages() {
    let mut world = World::new().await;
    let mut entity = model(&world, "long").await;
    for sequence in 1..=1000 {
        entity.say(event(sequence, "x")).await;
    }
    assert_eq!(entity.asks(1, "long", vec![]).await.0.len(), 1000);
    let (mut replayed, mut pages) = (0, 0);
    loop {
        if let HostFrame::Replay { events, last, .. } = world.frame().await {
            assert!(events.len() <= 256);
            (replayed, pages) = (replayed + events.len(), pages + 1);
            if last {
                break;
            }
        }
    }
    assert_eq!(replayed, 1000);
    assert!(pages >= 4, "{pages}");
}

#[tokio::test]
async fn the_events_that_pass_a_multiple_bring_one_snapshot() {
    let world = World::new().await;
    let mut entity = model(&world, "snap").await;
    let many = |values: &[&str]| values.iter().map(|value| emit(value)).collect::<Vec<_>>();
    let snapshot = |reply: p::eventsourced::EventSourcedReply| reply.snapshot;
    assert_eq!(snapshot(entity.asks(1, "snap", many(&["1", "2", "3"])).await.1), None);
    let crossing = entity.asks(2, "snap", many(&["4", "5", "6"])).await.1;
    assert_eq!(snapshot(crossing), Some(any("Persisted", &text("123456"))));
    assert_eq!(snapshot(entity.asks(3, "snap", many(&["7", "8", "9"])).await.1), None);
    assert_eq!(snapshot(entity.asks(4, "snap", many(&["0"])).await.1), Some(any("Persisted", &text("1234567890"))));
    assert_eq!(snapshot(entity.asks(5, "snap", vec![]).await.1), None);
}

#[tokio::test]
async fn the_count_of_snapshots_goes_on_where_the_journal_is() {
    let world = World::new().await;
    let mut entity = es(&world.channel).await;
    entity.say(init(ES, "snap", Some((8, "12345678")))).await;
    entity.say(event(9, "9")).await;
    let (said, reply) = entity.asks(1, "snap", vec![emit("0")]).await;
    assert_eq!(said, "1234567890");
    assert_eq!(reply.snapshot, Some(any("Persisted", &text("1234567890"))));
}

#[tokio::test]
async fn forwards_and_effects_name_services() {
    let world = World::new().await;
    let mut entity = model(&world, "ada").await;
    let acts = vec![emit("A"), effect("b", false), effect("c", true), Act::Forward(text("d"))];
    let (_, reply) = entity.asks(1, "ada", acts).await;
    let told = |id: &str, synchronous| p::SideEffect {
        service_name: ES_TWO.into(),
        command_name: "Call".into(),
        payload: Some(request(id, vec![])),
        synchronous,
        metadata: None,
    };
    assert_eq!(reply.side_effects, [told("b", false), told("c", true)]);
    let Some(Action::Forward(forward)) = reply.client_action.and_then(|action| action.action) else { panic!() };
    let p::SideEffect { service_name, command_name, payload, .. } = told("d", false);
    assert_eq!(forward, p::Forward { service_name, command_name, payload, metadata: None });
    assert_eq!(reply.events, [any("Persisted", &text("A"))]);
}

#[tokio::test]
async fn a_refusal_leaves_the_entity_as_it_was() {
    let world = World::new().await;
    let mut entity = model(&world, "ada").await;
    assert_eq!(entity.asks(1, "ada", vec![emit("A")]).await.0, "A");
    let (said, reply) = entity.asks(2, "ada", vec![emit("B"), effect("x", true), fail("no")]).await;
    assert_eq!((said.as_str(), reply.events.len(), reply.side_effects.len()), ("refused: no", 0, 0));
    let Some(Action::Failure(failure)) = reply.client_action.and_then(|action| action.action) else { panic!() };
    assert_eq!(failure, p::Failure { command_id: 2, description: "no".into(), restart: false });
    assert_eq!(entity.asks(3, "ada", vec![]).await.0, "A");
}

#[tokio::test]
async fn a_bug_fails_the_stream_and_names_the_command() {
    let mut world = World::new().await;
    let mut entity = model(&world, "ada").await;
    entity.asks(1, "ada", vec![]).await;
    entity.say(crate::proxy::command(2, "ada", vec![fail("bug")])).await;
    assert_eq!(entity.fails().await, p::Failure { command_id: 2, description: "a bug".into(), restart: false });
    world.frame_where(|frame| matches!(frame, HostFrame::Deactivate { .. })).await;
}

#[tokio::test]
async fn an_activation_that_the_function_ends_is_begun_anew() {
    let world = World::new().await;
    let mut entity = model(&world, "ada").await;
    let (_, reply) = entity.asks(1, "ada", vec![fail("ended")]).await;
    let Some(Action::Failure(failure)) = reply.client_action.and_then(|action| action.action) else { panic!() };
    assert_eq!(failure, p::Failure { command_id: 1, description: "ended".into(), restart: true });
    entity.leaves().await;
}

#[tokio::test]
async fn what_the_protocol_cannot_do_is_refused_and_the_entity_begun_anew() {
    let cases: [(Act, &str); 4] = [
        (effect("durable", false), "has no outbox"),
        (effect("elsewhere", false), "is not of this function"),
        (effect("other-key", false), "takes the key from the message"),
        (emit("delete"), "the Cloudstate protocol has none"),
    ];
    for (act, why) in cases {
        let world = World::new().await;
        let mut entity = model(&world, "ada").await;
        let (said, reply) = entity.asks(1, "ada", vec![emit("A"), act]).await;
        assert!(said.starts_with("refused: ") && said.contains(why), "{said}");
        assert_eq!((reply.events.len(), reply.side_effects.len(), reply.snapshot), (0, 0, None));
        let Some(Action::Failure(failure)) = reply.client_action.and_then(|action| action.action) else { panic!() };
        assert!(failure.restart, "the function has applied what the proxy does not store");
        entity.say(crate::proxy::command(2, "ada", vec![])).await;
        let failure = entity.fails().await;
        assert!(failure.description.starts_with("Protocol error: "), "{failure:?}");
    }
}

#[tokio::test]
async fn where_nothing_was_written_the_entity_lives_on() {
    let world = World::new().await;
    let mut entity = model(&world, "ada").await;
    let (_, reply) = entity.asks(1, "ada", vec![effect("durable", false)]).await;
    let Some(Action::Failure(failure)) = reply.client_action.and_then(|action| action.action) else { panic!() };
    assert!(!failure.restart && failure.description.contains("has no outbox"), "{failure:?}");
    assert_eq!(entity.asks(2, "ada", vec![emit("A")]).await.0, "A");
}

#[tokio::test]
async fn a_handler_that_calls_another_is_told_that_it_cannot() {
    let world = World::new().await;
    let mut entity = model(&world, "ada").await;
    let (said, _) = entity.asks(1, "ada", vec![fail("call")]).await;
    assert!(said.contains("makes no calls for handlers"), "{said}");
}

#[tokio::test]
async fn an_entity_that_says_nothing_answers_with_nothing_in_it() {
    let world = World::new().await;
    let mut entity = es(&world.channel).await;
    entity.say(init(ES_TWO, "ada", None)).await;
    let call = command_of(1, "ada", "Call", Some(request("ada", vec![])));
    entity.say(es_in(p::eventsourced::event_sourced_stream_in::Message::Command(call))).await;
    let reply = entity.reply().await;
    let Some(Action::Reply(answer)) = reply.client_action.clone().and_then(|action| action.action) else { panic!() };
    assert_eq!(answer.payload.map(|payload| payload.type_url), Some(url("Response")));
    assert_eq!(said(reply.client_action), "");
}

#[tokio::test]
async fn what_cannot_be_read_fails_the_stream_with_the_name() {
    let world = World::new().await;
    let entity = model(&world, "ada").await;
    let alien =
        p::eventsourced::EventSourcedEvent { sequence: 1, payload: Some(any("valueentity.Persisted", &text("A"))) };
    entity.say(es_in(p::eventsourced::event_sourced_stream_in::Message::Event(alien))).await;
    let failure = entity.fails().await;
    assert!(failure.description.contains("cloudstate.tck.model.valueentity.Persisted"), "{failure:?}");
}
