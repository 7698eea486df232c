// SPDX-License-Identifier: Apache-2.0
//! What a function declares is checked; what cannot be taken is told to it, and asked for again.

use adjoin_function::cloudstate::protocol as p;
use adjoin_function::{DialSettings, Protocol, Status, Supervised, supervise};
use adjoin_model::{Kind, Limits};
use prost::Message as _;

use crate::function::{Function, Seen, entity, spec};
use crate::world::{World, dialling, memory, within};

const EVENT_SOURCED: &str = "cloudstate.eventsourced.EventSourced";
const VALUE: &str = "cloudstate.valueentity.ValueEntity";
const CRDT: &str = "cloudstate.crdt.Crdt";

fn declaring(entities: Vec<p::Entity>) -> p::EntitySpec {
    p::EntitySpec { entities, ..spec() }
}

fn versioned(major: i32, minor: i32) -> p::EntitySpec {
    let info =
        p::ServiceInfo { protocol_major_version: major, protocol_minor_version: minor, ..p::ServiceInfo::default() };
    p::EntitySpec { service_info: Some(info), ..spec() }
}

#[tokio::test]
async fn the_function_is_asked_once_and_told_what_is_supported() {
    let mut world = World::new().await;
    let Seen::Discover(info) = world.function.any().await else { panic!("asked first") };
    let mut types = info.supported_entity_types.clone();
    types.sort();
    assert_eq!(
        types,
        [
            "cloudstate.action.ActionProtocol",
            "cloudstate.crdt.Crdt",
            "cloudstate.eventsourced.EventSourced",
            "cloudstate.valueentity.ValueEntity",
        ]
    );
    assert_eq!((info.protocol_major_version, info.protocol_minor_version), (0, 2));
    assert_eq!((info.proxy_name.as_str(), info.proxy_version.as_str()), ("adjoin", env!("CARGO_PKG_VERSION")));
    let types = world.engine.types();
    let model = types.get("event-sourced-tck-model").expect("by its persistence id");
    assert_eq!(model.entity_type.services, ["cloudstate.tck.model.EventSourcedTckModel"]);
    assert_eq!(types.get("event-sourced-configured").expect("there").entity_type.passivate_after_ms, 100);
    assert_eq!(model.entity_type.passivate_after_ms, 30_000, "where nothing is said");
    assert!(types.get("cloudstate.tck.model.action.ActionTckModel").is_some(), "by its service");
    world.function.nothing_more();
    world.end().await;
}

/// A function that is refused, and what it was told.
pub(crate) async fn refused(
    spec: p::EntitySpec,
    settings: DialSettings,
) -> (String, Function, Supervised, adjoin_engine::Engine) {
    let mut function = Function::serve(spec).await;
    let settings_of_engine = adjoin_engine::Settings::default();
    let clock = std::sync::Arc::new(adjoin_engine::SystemClock);
    let engine = adjoin_engine::Engine::start(memory(), settings_of_engine, clock).await.expect("an engine");
    let address = function.address.parse().expect("an address");
    let supervised = supervise(address, settings, Limits::default(), engine.clone());
    let Seen::Reported(told) = function.next().await else { panic!("told") };
    let mut status = supervised.status();
    let status = within("a status", status.wait_for(|status| matches!(status, Status::SpecRefused { .. }))).await;
    let Status::SpecRefused { problem } = status.expect("supervised").clone() else { unreachable!() };
    assert_eq!((problem.kind, &problem.message), (Kind::Invalid, &told));
    (told, function, supervised, engine)
}

#[tokio::test]
async fn every_error_of_a_spec_is_told_to_the_function_and_to_the_host() {
    let service = "EventSourcedTckModel";
    let sound = || entity(EVENT_SOURCED, service, "one");
    let mut incomplete = prost_types::FileDescriptorSet::decode(&spec().proto[..]).expect("sound");
    incomplete.file.last_mut().expect("files").dependency.push("nowhere.proto".into());
    let mut circular = prost_types::FileDescriptorSet::decode(&spec().proto[..]).expect("sound");
    let last = circular.file.last_mut().expect("files");
    let looped = last.name().to_owned();
    last.dependency.push(looped.clone());
    let cases = [
        (declaring(vec![]), vec!["no entity"]),
        (versioned(0, 3), vec!["0.3", "0.2"]),
        (versioned(1, 2), vec!["1.2", "0.2"]),
        (declaring(vec![entity(EVENT_SOURCED, "Missing", "one")]), vec!["cloudstate.tck.model.Missing"]),
        (
            declaring(vec![entity("cloudstate.Nothing", service, "one")]),
            vec!["cloudstate.Nothing", "cloudstate.crdt.Crdt"],
        ),
        (declaring(vec![entity(EVENT_SOURCED, "Streams", "one")]), vec!["Streams", "Watch"]),
        (declaring(vec![entity(EVENT_SOURCED, "Keyless", "one")]), vec!["Keyless.Call", "entity_key"]),
        (
            declaring(vec![sound(), entity(EVENT_SOURCED, "EventSourcedTwo", "one")]),
            vec!["EventSourcedTckModel", "EventSourcedTwo", "\"one\""],
        ),
        (declaring(vec![entity(EVENT_SOURCED, service, "")]), vec!["entity type"]),
        (p::EntitySpec { proto: incomplete.encode_to_vec(), ..spec() }, vec!["nowhere.proto"]),
        (p::EntitySpec { proto: circular.encode_to_vec(), ..spec() }, vec!["circle", looped.as_str()]),
        (p::EntitySpec { proto: vec![255; 9], ..spec() }, vec![]),
        (declaring(vec![entity(VALUE, "Streams", "one")]), vec!["Streams", "Watch"]),
        (declaring(vec![entity(VALUE, "Keyless", "one")]), vec!["Keyless.Call", "entity_key"]),
        (declaring(vec![entity(CRDT, "Keyless", "one")]), vec!["Keyless.Call", "entity_key"]),
        (declaring(vec![entity(CRDT, "action.ActionTckModel", "one")]), vec!["ActionTckModel", "ProcessStreamedIn"]),
        (
            declaring(vec![sound(), entity(VALUE, "valueentity.ValueEntityTwo", "one")]),
            vec!["EventSourcedTckModel", "ValueEntityTwo", "\"one\""],
        ),
        (declaring(vec![entity("cloudstate.crdt.Crdt", service, "c")]), vec!["replicated", "not run yet"]),
    ];
    for (spec, parts) in cases {
        let (told, function, supervised, engine) = refused(spec, dialling()).await;
        for part in parts {
            assert!(told.contains(part), "{part}: {told}");
        }
        drop((function, supervised));
        engine.stop().await;
    }
}

#[tokio::test]
async fn a_function_without_a_version_is_taken_unless_that_is_refused() {
    for unversioned in [versioned(0, 0), p::EntitySpec { service_info: None, ..spec() }] {
        World::with(memory(), Function::serve(unversioned.clone()).await).await.end().await;
        let strict = DialSettings { accept_unversioned: false, ..dialling() };
        let (told, _function, supervised, engine) = refused(unversioned, strict).await;
        assert!(told.contains("0.0") && told.contains("0.2"), "{told}");
        supervised.stop().await;
        engine.stop().await;
    }
}

#[tokio::test]
async fn a_function_that_was_refused_is_told_once_and_taken_when_it_is_mended() {
    let (_, mut function, supervised, engine) = refused(declaring(vec![]), dialling()).await;
    for _ in 0..3 {
        assert!(matches!(function.any().await, Seen::Discover(_)), "asked again, not told again");
    }
    function.declare(spec());
    let mut status = supervised.status();
    within("a session", status.wait_for(|status| matches!(status, Status::Connected { .. }))).await.expect("taken");
    supervised.stop().await;
    engine.stop().await;
}

#[tokio::test]
async fn the_rest_of_a_function_with_a_replicated_entity_is_served_and_it_is_told() {
    let mut spec = spec();
    spec.entities.push(entity("cloudstate.crdt.Crdt", "EventSourcedTwo", "crdt"));
    spec.entities.retain(|entity| entity.persistence_id != "event-sourced-tck-model-two");
    let mut world = World::with(memory(), Function::serve(spec).await).await;
    let Seen::Reported(told) = world.function.next().await else { panic!("told") };
    assert!(told.contains("EventSourcedTwo") && told.contains("not run yet"), "{told}");
    assert_eq!(world.process("ada", vec![]).await.expect("served"), "");
    let types = world.engine.types();
    assert!(types.iter().all(|known| known.unserved.iter().all(|name| name.ends_with("EventSourcedTwo"))));
    assert!(types.iter().any(|known| !known.unserved.is_empty()), "its name goes with the others");
    world.end().await;
}

#[tokio::test]
async fn auto_asks_for_the_own_protocol_first_and_takes_the_other() {
    let function = Function::serve(spec()).await;
    let engine = adjoin_engine::Settings::default();
    let clock = std::sync::Arc::new(adjoin_engine::SystemClock);
    let engine = adjoin_engine::Engine::start(memory(), engine, clock).await.expect("an engine");
    let address: adjoin_function::Address = function.address.parse().expect("an address");
    let auto = DialSettings { protocol: Protocol::Auto, ..dialling() };
    let wordy = Function::wordy(spec());
    for address in [address.clone(), wordy.address.parse().expect("an address")] {
        let supervised = supervise(address, auto.clone(), Limits::default(), engine.clone());
        let mut status = supervised.status();
        let connected = status.wait_for(|status| matches!(status, Status::Connected { .. }));
        within("a session", connected).await.expect("taken");
        supervised.stop().await;
    }

    let adjoin = DialSettings { protocol: Protocol::Adjoin, ..dialling() };
    let supervised = supervise(address, adjoin, Limits::default(), engine.clone());
    let mut status = supervised.status();
    let failed = |status: &Status| matches!(status, Status::Connecting { last_error: Some(_) });
    let status = within("a failure", status.wait_for(failed)).await.expect("supervised").clone();
    let Status::Connecting { last_error: Some(error) } = status else { unreachable!() };
    assert!(error.message.contains("does not speak adjoin.protocol.v1"), "{error}");
    drop(supervised);
    engine.stop().await;
}
