// SPDX-License-Identifier: Apache-2.0
//! The option `cloudstate.eventing` of a function's methods: what they are called with beside calls.

use std::sync::Arc;

use adjoin_contract::{Contract, Limits, Method, Service, Source};
use adjoin_entity::spec::{self, EntityType, EventKey, KeyOf, Spec, Subscription, Taker};
use adjoin_model::{Error, Payload, Result};

/// The message that takes any event.
const ANY: &str = "google.protobuf.Any";

/// Which entity takes the events of a method that has the option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The one with the key of the entity whose event it is.
    BySubject,
    /// The one that the message itself names.
    ByMessage,
}

/// Adds what the option `cloudstate.eventing` of its methods says to the subscriptions of each contract-first type of a
/// function of adjoin's protocol. Its entities take an event under the key of the event's own.
///
/// # Errors
/// `Invalid`, with every problem found, one a line: a descriptor set that cannot be read, an option that says nothing
/// that a host can do.
pub fn subscribe(spec: &mut Spec) -> Result<()> {
    if spec.types.iter().all(|one| one.services.is_empty()) {
        return Ok(());
    }
    let contract = Contract::parse(&spec.descriptors, &Limits::default())?;
    let mut problems = Vec::new();
    for entity_type in &mut spec.types {
        let EntityType { services, subscriptions, .. } = entity_type;
        for service in services.iter().filter_map(|name| contract.service(name)) {
            for found in of(service, Taken::BySubject, &mut problems) {
                match subscriptions.iter_mut().find(|one| one.source == found.source && one.group == found.group) {
                    Some(one) => problems.extend(join(one, found)),
                    None => subscriptions.push(found),
                }
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::invalid(problems.join("\n"))) }
}

/// Makes one consumer of two. Handlers that both take the same event are found when the spec is checked; what is wrong
/// beside that is said.
fn join(one: &mut Subscription, other: Subscription) -> Option<String> {
    one.events.extend(other.events);
    let handler = other.rest?;
    match &one.rest {
        None => {
            one.rest = Some(handler);
            None
        }
        Some(taken) => {
            let group = &one.group;
            Some(format!("{taken} and {handler} take any event for the group {group:?}: give one a group of its own"))
        }
    }
}

/// What the methods of a service subscribe to, in their order; problems are added to `problems`.
pub(crate) fn of(service: &Service, taken: Taken, problems: &mut Vec<String>) -> Vec<Subscription> {
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
            all.push(begun(source, group, taken, service));
            all.len() - 1
        });
        take(&mut all[at], method, &place, problems);
    }
    all
}

fn begun(source: spec::Source, group: &str, taken: Taken, service: &Service) -> Subscription {
    let key = match taken {
        Taken::BySubject => EventKey::Subject,
        Taken::ByMessage => EventKey::Message(key_of(service)),
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
