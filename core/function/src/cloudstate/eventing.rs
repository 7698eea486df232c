// SPDX-License-Identifier: Apache-2.0
//! The option `cloudstate.eventing` of a function's methods: what they are called with beside calls.

use std::sync::Arc;

use adjoin_contract::{Contract, Method, Service, Source};
use adjoin_entity::spec::{self, EntityKind, EventKey, KeyOf, Subscription, Taker};
use adjoin_model::{Error, Payload};

use super::model::Declared;

/// The message that takes any event.
const ANY: &str = "google.protobuf.Any";

/// What each of these types subscribes to, in their order; problems are added to `problems`.
pub(super) fn subscriptions<'a>(
    contract: &Contract,
    types: impl Iterator<Item = &'a Declared>,
    problems: &mut Vec<String>,
) -> Vec<Vec<Subscription>> {
    types.map(|declared| of(contract, declared, problems)).collect()
}

fn of(contract: &Contract, declared: &Declared, problems: &mut Vec<String>) -> Vec<Subscription> {
    let Some(service) = contract.service(&declared.service) else { return Vec::new() };
    let mut all: Vec<Subscription> = Vec::new();
    for method in &service.methods {
        let Some(eventing) = &method.eventing else { continue };
        let place = format!("{}.{}", service.name, method.name);
        if let Some(topic) = &eventing.out_topic {
            problems.push(format!(
                "{place} publishes its replies to the topic {topic:?}, which needs a broker: this version of adjoin \
                 speaks to none; remove `out`, or keep this service on a host that has one"
            ));
        }
        let source = match &eventing.source {
            Some(Source::EventLog(log)) => spec::Source::EventLog(log.as_str().into()),
            Some(Source::Topic(topic)) => spec::Source::Topic(topic.as_str().into()),
            None if eventing.out_topic.is_some() => continue,
            None => {
                problems.push(format!("{place} has the option eventing without a source: name an event_log in `in`"));
                continue;
            }
        };
        let group = if eventing.consumer_group.is_empty() { &service.name } else { &eventing.consumer_group };
        let found = all.iter().position(|one| one.source == source && *one.group == **group);
        let at = found.unwrap_or_else(|| {
            all.push(begun(source, group, declared.kind, service));
            all.len() - 1
        });
        take(&mut all[at], method, &place, problems);
    }
    all
}

fn begun(source: spec::Source, group: &str, kind: EntityKind, service: &Service) -> Subscription {
    let key = match kind {
        EntityKind::Action => EventKey::Subject,
        EntityKind::EventSourced | EntityKind::Value => EventKey::Message(key_of(service)),
    };
    Subscription { source, group: group.into(), events: Vec::new(), rest: None, key }
}

/// An entity takes the events that name it, by the fields of its key.
fn key_of(service: &Service) -> KeyOf {
    let service = Arc::new(service.clone());
    KeyOf::new(move |handler, event: &Payload| {
        let method = service.method(handler);
        let method = method.ok_or_else(|| Error::internal(format!("{} has no method {handler}", service.name)))?;
        method.key(&event.data)
    })
}

/// The method takes the events that are messages of its input, or all others.
fn take(into: &mut Subscription, method: &Method, place: &str, problems: &mut Vec<String>) {
    let handler: Arc<str> = method.name.as_str().into();
    match method.input.full_name() {
        ANY if into.rest.is_some() => {
            let group = &into.group;
            problems.push(format!(
                "{place} takes any event, as another method does for the group {group:?}: give one a consumer group of \
                 its own"
            ));
        }
        ANY => into.rest = Some(handler),
        event => into.events.push(Taker { event: event.to_owned(), handler }),
    }
}
