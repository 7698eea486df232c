// SPDX-License-Identifier: Apache-2.0
//! What the option `cloudstate.eventing` makes a function subscribe to.

use adjoin_entity::spec::{EntityKind, EntityType, EventKey, Source, Spec, Subscription, Taker};
use adjoin_function::cloudstate::protocol as p;
use adjoin_model::Payload;

use crate::discovery::refused;
use crate::function::{Function, entity, spec};
use crate::world::{World, dialling, memory};

const ACTION: &str = "cloudstate.action.ActionProtocol";
const VALUE: &str = "cloudstate.valueentity.ValueEntity";

fn with(entities: Vec<p::Entity>) -> p::EntitySpec {
    p::EntitySpec { entities, ..spec() }
}

async fn subscriptions(entity: p::Entity, name: &str) -> Vec<Subscription> {
    let world = World::with(memory(), Function::serve(with(vec![entity])).await).await;
    let types = world.engine.types();
    let found = types.get(name).expect("declared").entity_type.subscriptions.clone();
    world.end().await;
    found
}

#[tokio::test]
async fn methods_with_one_group_and_log_are_one_consumer() {
    let name = "cloudstate.tck.model.eventing.Listener";
    let found = subscriptions(entity(ACTION, "eventing.Listener", ""), name).await;
    assert!(found.iter().all(|one| one.source == Source::EventLog("pupils".into()) && one.key == EventKey::Subject));
    let groups: Vec<&str> = found.iter().map(|one| &*one.group).collect();
    assert_eq!(groups, [name, "an audit"], "a group that is not named is the service");
    let taken = |at: usize, event: &str| found[at].handler(event).map(|name| &**name);
    let learned = "type.googleapis.com/cloudstate.tck.model.eventing.Learned";
    assert_eq!((taken(0, learned), taken(1, learned)), (Some("OnLearned"), Some("Audit")));
    assert_eq!(taken(0, "json.cloudstate.io/Learned"), Some("OnAnything"));
}

#[tokio::test]
async fn an_event_names_the_entity_that_takes_it() {
    let found = subscriptions(entity(VALUE, "eventing.Lesson", "lessons"), "lessons").await;
    let [Subscription { key: EventKey::Message(key), .. }] = &found[..] else { panic!("{found:?}") };
    // pupil = "ada", lesson = "sums"
    let event =
        Payload::new("type.googleapis.com/cloudstate.tck.model.eventing.Learned", &b"\x0a\x03ada\x12\x04sums"[..]);
    assert_eq!(key.find("Learn", &event), Ok("sums".into()));
    let nobody = Payload::new("json.cloudstate.io/Learned", &b"\x0a\x02{}"[..]);
    assert!(key.find("Learn", &nobody).is_err(), "it names none");
}

#[tokio::test]
async fn what_cannot_be_taken_is_told_with_the_reason() {
    let cases = [
        ("Topical", vec!["topic \"lessons\"", "needs a broker"]),
        ("Publisher", vec!["Publisher.Give", "topic \"heard\"", "needs a broker"]),
        ("Sourceless", vec!["Sourceless.Take", "without a source"]),
        ("Twice", vec!["two handlers take", "another group"]),
        ("Streaming", vec!["Streaming.Take", "one by one"]),
    ];
    for (service, parts) in cases {
        let declared = with(vec![entity(ACTION, &format!("eventing.{service}"), "")]);
        let (told, function, supervised, engine) = refused(declared, dialling()).await;
        for part in parts {
            assert!(told.contains(part), "{part}: {told}");
        }
        drop((function, supervised));
        engine.stop().await;
    }
}

/// A spec of adjoin's protocol with one type, which serves the services of these names.
fn ours(kind: EntityKind, services: &[&str], subscriptions: Vec<Subscription>) -> Spec {
    let services = services.iter().map(|name| format!("cloudstate.tck.model.eventing.{name}")).collect();
    let one = EntityType { services, subscriptions, ..EntityType::new("taker", kind) };
    Spec { descriptors: spec().proto.into(), ..Spec::new("x", vec![one]) }
}

#[test]
fn a_function_of_adjoins_protocol_takes_events_under_the_key_of_their_entity() {
    for (kind, service, groups) in [(EntityKind::Action, "Listener", 2), (EntityKind::Value, "Lesson", 1)] {
        let mut spec = ours(kind, &[service], Vec::new());
        adjoin_function::subscribe(&mut spec).expect("sound");
        let found = &spec.types[0].subscriptions;
        assert_eq!(found.len(), groups, "{found:?}");
        assert!(
            found.iter().all(|one| one.key == EventKey::Subject && one.source == Source::EventLog("pupils".into()))
        );
    }
}

#[test]
fn an_annotation_joins_what_the_spec_subscribes_to_by_itself() {
    let group = "cloudstate.tck.model.eventing.Listener";
    let own = |rest: Option<&str>| Subscription {
        source: Source::EventLog("pupils".into()),
        group: group.into(),
        events: vec![Taker { event: "Forgotten".into(), handler: "Called".into() }],
        rest: rest.map(Into::into),
        key: EventKey::Subject,
    };
    let mut spec = ours(EntityKind::Action, &["Listener"], vec![own(None)]);
    adjoin_function::subscribe(&mut spec).expect("sound");
    let [joined, _audit] = &spec.types[0].subscriptions[..] else { panic!("{spec:?}") };
    let taken = |event: &str| joined.handler(event).map(|name| &**name);
    let learned = "cloudstate.tck.model.eventing.Learned";
    assert_eq!((taken("Forgotten"), taken(learned)), (Some("Called"), Some("OnLearned")));
    assert_eq!(taken("other"), Some("OnAnything"));
    let mut twice = ours(EntityKind::Action, &["Listener"], vec![own(Some("Called"))]);
    let error = adjoin_function::subscribe(&mut twice).expect_err("two take any event");
    assert!(error.message.contains("Called and OnAnything take any event"), "{error}");
}

#[test]
fn an_annotation_that_no_host_can_follow_is_refused_here_too() {
    let mut spec = ours(EntityKind::Action, &["Publisher", "Sourceless"], Vec::new());
    let error = adjoin_function::subscribe(&mut spec).expect_err("refused");
    assert!(error.message.contains("needs a broker") && error.message.contains("without a source"), "{error}");
    let mut unread = Spec { descriptors: (&b"x"[..]).into(), ..ours(EntityKind::Action, &["Listener"], Vec::new()) };
    assert!(adjoin_function::subscribe(&mut unread).is_err());
}
