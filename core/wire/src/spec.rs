// SPDX-License-Identifier: Apache-2.0
//! What a function has, as Discover says it.

use adjoin_entity::spec::{EntityKind, EntityType, EventKey, Handler, Source, Spec, Subscription, Taker};
use adjoin_model::{Error, Result};
use bytes::Bytes;
use prost::Message;

use crate::protocol;
use crate::scan;
use crate::{Discovery, VERSIONS};

/// Most entity types of a function.
pub const TYPES: usize = 1024;

/// Most handlers and readable events of one entity type, together.
pub const MEMBERS: usize = 16_384;

/// A spec as the answer to Discover, with the versions of this build.
#[must_use]
pub fn discovery_out(spec: Spec) -> Discovery {
    let types = spec.types.into_iter().map(|entity_type| Bytes::from(type_out(entity_type).encode_to_vec())).collect();
    Discovery { versions: Some(VERSIONS), sdk: spec.sdk, types, descriptors: spec.descriptors }
}

/// A spec from the answer to Discover. Whether a host can take it is for [`Spec::check`] to say.
///
/// # Errors
/// `Protocol` when it is not encoded as the protocol says, `Invalid` when it is too large or of a kind that this
/// version does not know, with every such problem, one a line.
pub fn discovery_in(discovery: Discovery) -> Result<Spec> {
    if discovery.types.len() > TYPES {
        let said = format!("a function has at most {TYPES} entity types, not {}", discovery.types.len());
        return Err(Error::invalid(said));
    }
    let (mut types, mut problems) = (Vec::new(), Vec::new());
    for encoded in discovery.types {
        scan::entity_type(&encoded, MEMBERS)?;
        let decoded = protocol::EntityType::decode(encoded)
            .map_err(|_| Error::protocol("an entity type in the answer to Discover is no EntityType message"))?;
        match type_in(decoded) {
            Ok(entity_type) => types.push(entity_type),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(Error::invalid(problems.join("\n")));
    }
    Ok(Spec { descriptors: discovery.descriptors, ..Spec::new(discovery.sdk, types) })
}

fn type_out(entity_type: EntityType) -> protocol::EntityType {
    protocol::EntityType {
        name: entity_type.name.as_ref().to_owned(),
        kind: kind_out(entity_type.kind).into(),
        handlers: entity_type.handlers.into_iter().map(handler_out).collect(),
        readable_events: entity_type.readable_events,
        passivate_after_ms: entity_type.passivate_after_ms,
        snapshot_every: entity_type.snapshot_every,
        event_schemas: entity_type.event_schemas,
        state_schema: entity_type.state_schema,
        summary: entity_type.summary,
        services: entity_type.services,
        reads_any_event: entity_type.reads_any_event,
        subscriptions: entity_type.subscriptions.into_iter().map(subscription_out).collect(),
    }
}

fn type_in(entity_type: protocol::EntityType) -> core::result::Result<EntityType, String> {
    let kind = kind_in(entity_type.kind).ok_or_else(|| {
        let name: String = entity_type.name.chars().take(64).collect();
        format!("{name:?} is of kind {}, which this host does not know: use a newer host", entity_type.kind)
    })?;
    let place = entity_type.name.clone();
    let subscriptions = entity_type.subscriptions.into_iter().map(|one| subscription_in(&place, one));
    let subscriptions = subscriptions.collect::<core::result::Result<_, _>>()?;
    Ok(EntityType {
        name: entity_type.name.into(),
        kind,
        handlers: entity_type.handlers.into_iter().map(handler_in).collect(),
        readable_events: entity_type.readable_events,
        passivate_after_ms: entity_type.passivate_after_ms,
        snapshot_every: entity_type.snapshot_every,
        event_schemas: entity_type.event_schemas,
        state_schema: entity_type.state_schema,
        summary: entity_type.summary,
        services: entity_type.services,
        reads_any_event: entity_type.reads_any_event,
        subscriptions,
    })
}

/// A key that an event itself names is for hosts that read contracts: it does not travel.
fn subscription_out(subscription: Subscription) -> protocol::Subscription {
    let source = match subscription.source {
        Source::EventLog(log) => protocol::subscription::Source::EventLog(log.as_ref().to_owned()),
        Source::Topic(topic) => protocol::subscription::Source::Topic(topic.as_ref().to_owned()),
    };
    let taker = |taker: Taker| protocol::EventTaker { event: taker.event, handler: taker.handler.as_ref().to_owned() };
    protocol::Subscription {
        source: Some(source),
        group: subscription.group.as_ref().to_owned(),
        takers: subscription.events.into_iter().map(taker).collect(),
        rest: subscription.rest.map(|rest| rest.as_ref().to_owned()).unwrap_or_default(),
    }
}

fn subscription_in(place: &str, subscription: protocol::Subscription) -> core::result::Result<Subscription, String> {
    let source = match subscription.source {
        Some(protocol::subscription::Source::EventLog(log)) => Source::EventLog(log.into()),
        Some(protocol::subscription::Source::Topic(topic)) => Source::Topic(topic.into()),
        None => {
            let place: String = place.chars().take(64).collect();
            return Err(format!("{place:?} subscribes to a source that this host does not know: use a newer host"));
        }
    };
    let taker = |taker: protocol::EventTaker| Taker { event: taker.event, handler: taker.handler.into() };
    Ok(Subscription {
        source,
        group: subscription.group.into(),
        events: subscription.takers.into_iter().map(taker).collect(),
        rest: (!subscription.rest.is_empty()).then(|| subscription.rest.into()),
        key: EventKey::Subject,
    })
}

fn kind_out(kind: EntityKind) -> protocol::EntityKind {
    match kind {
        EntityKind::EventSourced => protocol::EntityKind::EventSourced,
        EntityKind::Value => protocol::EntityKind::Value,
        EntityKind::Action => protocol::EntityKind::Action,
    }
}

fn kind_in(kind: i32) -> Option<EntityKind> {
    match protocol::EntityKind::try_from(kind).ok()? {
        protocol::EntityKind::Unspecified => None,
        protocol::EntityKind::EventSourced => Some(EntityKind::EventSourced),
        protocol::EntityKind::Value => Some(EntityKind::Value),
        protocol::EntityKind::Action => Some(EntityKind::Action),
    }
}

fn handler_out(handler: Handler) -> protocol::Handler {
    protocol::Handler {
        name: handler.name.as_ref().to_owned(),
        query: handler.query,
        streamed_in: handler.streamed_in,
        streamed_out: handler.streamed_out,
        input_schema: handler.input_schema,
        output_schema: handler.output_schema,
        summary: handler.summary,
    }
}

fn handler_in(handler: protocol::Handler) -> Handler {
    Handler {
        name: handler.name.into(),
        query: handler.query,
        streamed_in: handler.streamed_in,
        streamed_out: handler.streamed_out,
        input_schema: handler.input_schema,
        output_schema: handler.output_schema,
        summary: handler.summary,
    }
}
