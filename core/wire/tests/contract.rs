// SPDX-License-Identifier: Apache-2.0
//! What the code assumes about the .proto files.

use std::collections::BTreeMap;

use adjoin_entity::spec::{Answers, EntityKind, EntityType, EventKey, Handler, Source, Spec, Subscription, Taker};
use adjoin_model::{Error, Kind};
use adjoin_wire::protocol::{HostFrame, Part, host_frame};
use adjoin_wire::{DESCRIPTORS, Discovery, discovery_in, discovery_out, failure_in, failure_out};
use prost::Message;
use prost_types::field_descriptor_proto::Label;
use prost_types::{DescriptorProto, FileDescriptorSet};

fn messages() -> BTreeMap<String, DescriptorProto> {
    let set = FileDescriptorSet::decode(DESCRIPTORS).expect("committed descriptors");
    let file = set.file.into_iter().find(|file| file.package() == "adjoin.protocol.v1").expect("the protocol");
    file.message_type.into_iter().map(|message| (message.name().to_owned(), message)).collect()
}

/// Every repeated field below `name`, as `Message.number`.
fn repeated(messages: &BTreeMap<String, DescriptorProto>, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for field in &messages[name].field {
        if field.label() == Label::Repeated {
            found.push(format!("{name}.{}", field.number()));
        }
        if let Some(inner) =
            field.type_name().strip_prefix(".adjoin.protocol.v1.").filter(|name| messages.contains_key(*name))
        {
            found.extend(repeated(messages, inner));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// `scan.rs` counts these. A new repeated field belongs into its tables, then into this list.
#[test]
fn every_repeated_field_is_counted() {
    let messages = messages();
    assert_eq!(repeated(&messages, "HostFrame"), ["CallAnswer.6", "Command.11", "Command.12", "Failure.4", "Replay.2"]);
    assert_eq!(
        repeated(&messages, "FunctionFrame"),
        ["Answer.12", "Answer.6", "Answer.9", "Call.3", "Failure.4", "StreamElement.3", "StreamElement.4", "Target.5"]
    );
    assert_eq!(
        repeated(&messages, "EntityType"),
        ["EntityType.10", "EntityType.12", "EntityType.3", "EntityType.4", "Subscription.4"]
    );
}

/// `Batch` and `Discovery` stand in for messages of the contract.
#[test]
fn stand_ins_have_the_fields_of_what_they_stand_for() {
    let messages = messages();
    let fields = |name: &str| {
        messages[name].field.iter().map(|field| (field.number(), field.name().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(fields("HostBatch"), [(1, "frames".into())]);
    assert_eq!(fields("FunctionBatch"), [(1, "frames".into())]);
    let discovery = [(1, "versions"), (2, "sdk"), (3, "types"), (4, "descriptors")];
    assert_eq!(fields("DiscoverResponse"), discovery.map(|(number, name)| (number, name.to_owned())));
}

#[test]
fn a_part_of_either_direction_is_the_same_bytes() {
    let part = Part { id: 1, data: "x".into(), last: true };
    let host = HostFrame { frame: Some(host_frame::Frame::Part(part.clone())) }.encode_to_vec();
    let function =
        adjoin_wire::protocol::FunctionFrame { frame: Some(adjoin_wire::protocol::function_frame::Frame::Part(part)) };
    assert_eq!(host, function.encode_to_vec());
}

fn subscription(name: &str) -> Subscription {
    let source =
        if name == "shop.Cart" { Source::Topic("orders".into()) } else { Source::EventLog("shop.Cart".into()) };
    Subscription {
        source,
        group: name.into(),
        events: vec![Taker { event: "ItemAdded".into(), handler: "addItem".into() }],
        rest: (name != "shop.Mailer").then(|| "addItem".into()),
        key: EventKey::Subject,
    }
}

fn spec() -> Spec {
    let handler = |name: &str, query| Handler {
        name: name.into(),
        query,
        streamed_in: true,
        streamed_out: !query,
        input_schema: "{}".into(),
        output_schema: "true".into(),
        summary: "adds".into(),
    };
    let entity_type = |name: &str, kind| EntityType {
        subscriptions: vec![subscription(name)],
        handlers: vec![handler("addItem", false), handler("get", true)],
        readable_events: vec!["ItemAdded".into(), "Added".into()],
        passivate_after_ms: 5,
        snapshot_every: 7,
        event_schemas: "{\"ItemAdded\":{}}".into(),
        state_schema: "{}".into(),
        summary: "a cart".into(),
        services: vec!["shop.Carts".into()],
        reads_any_event: true,
        name: name.into(),
        kind,
    };
    Spec {
        sdk: "adjoin-rust 0.1.0".into(),
        types: vec![
            entity_type("shop.Cart", EntityKind::EventSourced),
            entity_type("shop.Profile", EntityKind::Value),
            entity_type("shop.Mailer", EntityKind::Action),
        ],
        descriptors: (&b"files"[..]).into(),
        answers: Answers::Adjoin,
        unserved: Vec::new(),
    }
}

#[test]
fn a_spec_comes_out_as_it_went_in() {
    let bytes = discovery_out(spec()).encode_to_vec();
    assert_eq!(discovery_in(Discovery::decode(&bytes[..]).expect("sound")), Ok(spec()));
}

#[test]
fn kinds_of_a_newer_version_are_named_all_at_once() {
    let newer = |name: &str| adjoin_wire::protocol::EntityType { name: name.into(), kind: 9, ..Default::default() };
    let types = ["shop.Votes", "shop.Tally"].map(|name| newer(name).encode_to_vec().into()).to_vec();
    let error = discovery_in(Discovery { types, ..discovery_out(spec()) }).expect_err("refused");
    assert_eq!(error.kind, Kind::Invalid);
    for part in ["shop.Votes", "shop.Tally", "kind 9", "newer host"] {
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn every_kind_of_error_crosses() {
    for kind in Kind::ALL {
        let error = Error::new(kind, adjoin_model::Outcome::Unknown, "x").at("entity", "shop.Cart/ada");
        assert_eq!(failure_in(failure_out(error.clone())), Ok(error));
    }
}
