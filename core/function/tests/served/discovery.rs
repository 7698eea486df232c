// SPDX-License-Identifier: Apache-2.0
//! What a proxy is told, and what it reports.

use adjoin_entity::spec::{EntityKind, EntityType, Spec};
use adjoin_function::cloudstate::protocol as p;
use adjoin_function::{DialSettings, Link, ServeSettings};
use prost::Message;
use prost_reflect::DescriptorPool;
use tonic::Code;

use crate::function::{self, MODEL, VALUE};
use crate::proxy::{ACTION, ACTION_TWO, ES, ES_TWO, VE};
use crate::world::{Seen, World, within};

fn proxy(minor: i32) -> p::ProxyInfo {
    let types = ["eventsourced.EventSourced", "valueentity.ValueEntity", "action.ActionProtocol", "crdt.Crdt"];
    p::ProxyInfo {
        protocol_minor_version: minor,
        proxy_name: "test".into(),
        proxy_version: "1".into(),
        supported_entity_types: types.map(|name| format!("cloudstate.{name}")).to_vec(),
        ..p::ProxyInfo::default()
    }
}

async fn discovered(world: &World) -> Result<p::EntitySpec, tonic::Status> {
    let mut client = world.discovery();
    within("an answer", client.discover(proxy(2))).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn every_service_is_declared_with_its_type_state_and_time() {
    let spec = discovered(&World::new().await).await.expect("an answer");
    let found: Vec<(&str, &str, &str)> = spec
        .entities
        .iter()
        .map(|one| (one.entity_type.as_str(), one.service_name.as_str(), one.persistence_id.as_str()))
        .collect();
    let expected = [
        ("cloudstate.eventsourced.EventSourced", ES, MODEL),
        ("cloudstate.eventsourced.EventSourced", ES_TWO, function::TWO),
        ("cloudstate.valueentity.ValueEntity", VE, VALUE),
        ("cloudstate.action.ActionProtocol", ACTION, function::ACTION),
        ("cloudstate.action.ActionProtocol", ACTION_TWO, function::ACTION),
        ("cloudstate.action.ActionProtocol", "cloudstate.tck.model.Quiet", function::ACTION),
    ];
    assert_eq!(found, expected);
    let strategy = p::entity_passivation_strategy::Strategy::Timeout(p::TimeoutPassivationStrategy { timeout: 100 });
    let strategy = p::EntityPassivationStrategy { strategy: Some(strategy) };
    assert_eq!(spec.entities[0].passivation_strategy, Some(strategy));
    assert_eq!(spec.entities[1].passivation_strategy, None);
    let info = spec.service_info.expect("who it is");
    assert_eq!((info.protocol_major_version, info.protocol_minor_version), (0, 2));
    assert_eq!((info.support_library_name.as_str(), info.support_library_version.as_str()), ("adjoin-test", "9.8.7"));
}

#[tokio::test]
async fn the_descriptors_are_whole_and_keep_their_options() {
    let spec = discovered(&World::new().await).await.expect("an answer");
    let set = prost_types::FileDescriptorSet::decode(spec.proto.as_slice()).expect("a set");
    let names: Vec<&str> = set.file.iter().map(|file| file.name()).collect();
    for (at, file) in set.file.iter().enumerate() {
        for import in &file.dependency {
            assert!(names[..at].contains(&import.as_str()), "{import} stands before {}", file.name());
        }
    }
    assert_eq!(names.iter().filter(|name| **name == "google/protobuf/descriptor.proto").count(), 1);
    let pool = DescriptorPool::decode(spec.proto.as_slice()).expect("whole");
    let id = pool.get_message_by_name("cloudstate.tck.model.Request").and_then(|one| one.get_field_by_name("id"));
    let marked: Vec<u32> = id.expect("id").options().extensions().map(|(one, _)| one.number()).collect();
    assert_eq!(marked, [1080]);
}

#[tokio::test]
async fn another_version_and_fewer_types_are_answered_so_that_the_proxy_can_say_it() {
    let world = World::new().await;
    let mut client = world.discovery();
    let stranger = p::ProxyInfo { supported_entity_types: vec![], ..proxy(9) };
    let spec = client.discover(stranger).await.expect("an answer").into_inner();
    assert_eq!(spec.entities.len(), 6);
}

async fn refused(types: Vec<EntityType>) -> (String, String) {
    let spec = Spec { types, ..function::spec() };
    let mut world = World::with(spec, ServeSettings::default()).await;
    let status = discovered(&world).await.expect_err("refused");
    assert_eq!(status.code(), Code::FailedPrecondition);
    let Seen::Reported(told) = world.seen().await else { panic!("not told") };
    (status.message().to_owned(), told)
}

#[tokio::test]
async fn types_without_a_contract_are_refused_by_name_and_the_user_is_told() {
    let own = EntityType { handlers: vec![], ..EntityType::new("shop.Cart", EntityKind::Value) };
    let other = EntityType::new("shop.Mailer", EntityKind::Action);
    let (said, told) = refused([function::spec().types, vec![own, other]].concat()).await;
    assert!(said.contains("shop.Cart, shop.Mailer: without a .proto"), "{said}");
    assert!(told.contains("shop.Cart, shop.Mailer"), "{told}");
}

#[tokio::test]
async fn a_state_of_two_services_is_refused() {
    let mut types = function::spec().types;
    types[0].services.push(ES_TWO.into());
    let (said, _) = refused(types).await;
    assert!(said.contains(MODEL) && said.contains(ES_TWO), "{said}");
}

#[tokio::test]
async fn a_contract_that_does_not_fit_is_refused_with_every_problem() {
    let mut types = function::spec().types;
    types[0].handlers.clear();
    types[2].services = vec!["no.Such".into()];
    let (said, _) = refused(types).await;
    assert!(said.contains("no.Such") && said.contains("EventSourcedTckModel.Process"), "{said}");
}

#[tokio::test]
async fn a_report_is_told_to_the_user() {
    let mut world = World::new().await;
    let mut client = world.discovery();
    let message = "Unknown service \u{1b}[2J".to_owned();
    client.report_error(p::UserFunctionError { message }).await.expect("taken");
    let Seen::Reported(said) = world.seen().await else { panic!("not told") };
    assert_eq!(said, "Unknown service [2J");
}

#[tokio::test]
async fn hosts_of_adjoin_are_served_on_the_same_address() {
    let world = World::new().await;
    let mut link = Link::dial(world.server.address(), &DialSettings::default()).await.expect("it listens");
    assert_eq!(link.discover().await.expect("an answer").spec, function::spec());
    assert!(discovered(&world).await.is_ok());
}

#[tokio::test]
async fn a_function_may_leave_the_protocol_out() {
    let settings = ServeSettings { cloudstate: false, ..ServeSettings::default() };
    let world = World::with(function::spec(), settings).await;
    assert_eq!(discovered(&world).await.expect_err("refused").code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_token_is_asked_of_proxies_too() {
    let settings = ServeSettings { token: Some("secret".into()), ..ServeSettings::default() };
    let world = World::with(function::spec(), settings).await;
    assert_eq!(discovered(&world).await.expect_err("refused").code(), Code::Unauthenticated);
    let mut request = tonic::Request::new(proxy(2));
    request.metadata_mut().insert("authorization", "Bearer secret".parse().expect("a value"));
    assert!(world.discovery().discover(request).await.is_ok());
}
