// SPDX-License-Identifier: Apache-2.0
//! What a proxy must not say, and hears for it.

use adjoin_function::cloudstate::protocol as p;
use p::eventsourced::event_sourced_stream_in::Message;
use p::eventsourced::{EventSourcedEvent, EventSourcedSnapshot, EventSourcedStreamIn};
use p::metadata_entry::Value;

use crate::messages::{any, emit, request, text};
use crate::proxy::{ES, Es, VE, command, command_of, es, es_in, event, init, value_command, value_init, ve};
use crate::world::World;

/// Fails a stream that has said this.
async fn failed(world: &World, messages: Vec<EventSourcedStreamIn>) -> p::Failure {
    let entity: Es = es(&world.channel).await;
    for message in messages {
        entity.say(message).await;
    }
    entity.fails().await
}

fn begun() -> EventSourcedStreamIn {
    init(ES, "ada", None)
}

fn snapshot(sequence: i64, snapshot: Option<prost_types::Any>) -> EventSourcedStreamIn {
    let Some(Message::Init(init)) = begun().message else { unreachable!() };
    let snapshot = Some(EventSourcedSnapshot { snapshot_sequence: sequence, snapshot });
    es_in(Message::Init(p::eventsourced::EventSourcedInit { snapshot, ..init }))
}

#[tokio::test]
async fn a_breach_fails_the_stream_with_a_protocol_error() {
    let world = World::new().await;
    let nothing = EventSourcedStreamIn { message: None };
    let no_payload = es_in(Message::Command(command_of(3, "ada", "Process", None)));
    let unknown = es_in(Message::Command(command_of(3, "ada", "Nothing", Some(request("ada", vec![])))));
    let empty_event = es_in(Message::Event(EventSourcedEvent { sequence: 1, payload: None }));
    let nameless = Some(prost_types::Any::default());
    let mut loud = command_of(3, "ada", "Process", Some(request("ada", vec![])));
    let entry = p::MetadataEntry { key: "x".into(), value: Some(Value::StringValue("y".into())) };
    loud.metadata = Some(p::Metadata { entries: vec![entry; 300] });
    let cases = [
        (vec![command(3, "ada", vec![])], 3, "a command before the init"),
        (vec![event(1, "A")], 0, "an event before the init"),
        (vec![nothing.clone()], 0, "an empty message"),
        (vec![begun(), nothing], 0, "an empty message"),
        (vec![begun(), begun()], 0, "a second init"),
        (vec![begun(), command(3, "bob", vec![])], 3, "on the stream of \"ada\""),
        (vec![begun(), no_payload], 3, "a command without a payload"),
        (vec![begun(), unknown], 3, "has no command \"Nothing\""),
        (vec![begun(), empty_event], 0, "an event without a payload"),
        (vec![begun(), es_in(Message::Event(EventSourcedEvent { sequence: 1, payload: nameless }))], 0, "a payload"),
        (vec![begun(), event(0, "A")], 0, "the event 0 after 0"),
        (vec![begun(), event(2, "A"), event(2, "B")], 0, "the event 2 after 2"),
        (vec![begun(), event(-1, "A")], 0, "the event -1 after 0"),
        (vec![snapshot(-1, Some(any("Persisted", &text("A"))))], 0, "below 0"),
        (vec![snapshot(1, None)], 0, "a snapshot without a payload"),
        (vec![init(ES, "", None)], 0, ""),
        (vec![init(ES, &"k".repeat(1025), None)], 0, ""),
        (vec![begun(), es_in(Message::Command(loud))], 3, "metadata has 300 entries"),
    ];
    for (messages, id, why) in cases {
        let failure = failed(&world, messages).await;
        assert_eq!((failure.command_id, failure.restart), (id, false), "{failure:?}");
        let said = failure.description;
        assert!(said.starts_with("Protocol error: ") && said.contains(why), "{said}, not {why}");
    }
}

#[tokio::test]
async fn an_event_after_a_command_is_a_breach() {
    let world = World::new().await;
    let mut entity = es(&world.channel).await;
    entity.say(begun()).await;
    entity.asks(1, "ada", vec![emit("A")]).await;
    entity.say(event(2, "B")).await;
    let said = entity.fails().await.description;
    assert!(said.starts_with("Protocol error: an event after"), "{said}");
}

#[tokio::test]
async fn a_service_that_is_not_of_the_kind_is_not_found() {
    let world = World::new().await;
    for service in ["no.Such", VE, crate::proxy::ACTION] {
        let failure = failed(&world, vec![init(service, "ada", None)]).await;
        assert_eq!(failure.description, format!("Service not found: {service}"));
    }
    let entity = ve(&world.channel).await;
    entity.say(value_command(4, "ada", vec![])).await;
    assert!(entity.fails().await.description.starts_with("Protocol error: a command before"));
}

#[tokio::test]
async fn a_stream_that_says_nothing_ends_well() {
    let world = World::new().await;
    es(&world.channel).await.leaves().await;
    ve(&world.channel).await.leaves().await;
    let entity = ve(&world.channel).await;
    entity.say(value_init("ada", None)).await;
    entity.leaves().await;
}

#[tokio::test]
async fn a_peer_s_words_do_not_reach_a_terminal() {
    let world = World::new().await;
    let failure = failed(&world, vec![init(&format!("\u{1b}[2J{}", "x".repeat(10_000)), "ada", None)]).await;
    assert!(!failure.description.contains('\u{1b}') && failure.description.len() < 3_000);
}
