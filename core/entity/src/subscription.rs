// SPDX-License-Identifier: Apache-2.0
//! What an entity type is called with beside calls: events, of a log or (later) of a topic.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use adjoin_model::{ConsumerId, Error, Payload, Result};

use crate::spec::{EntityKind, EntityType};

/// Types of payloads that no message's name stands for.
const WRAPPED: [&str; 2] = ["json.cloudstate.io/", "p.cloudstate.io/"];

/// Where events come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The events of an event-sourced entity type, by its stored name, of this function or another on the same store.
    EventLog(Arc<str>),
    /// A topic of a broker. No host of this version has one: [`Spec::check`](crate::spec::Spec::check) refuses it.
    Topic(Arc<str>),
}

/// The events that an entity type's handlers are called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Where they come from.
    pub source: Source,
    /// The group that shares them: each group is given every event once; a group belongs to one entity type.
    pub group: Arc<str>,
    /// Which handler takes which event. The part of an event's type name after its last `/` counts too.
    pub events: Vec<Taker>,
    /// The handler of every other event. None: they are passed over.
    pub rest: Option<Arc<str>>,
    /// Which entity takes an event.
    pub key: EventKey,
}

/// A handler of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taker {
    /// The stored name of the event.
    pub event: String,
    /// The handler's name.
    pub handler: Arc<str>,
}

/// Which entity of the subscribing type takes an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EventKey {
    /// The one with the key of the entity whose event it is. For an action this is all the order that it is given.
    #[default]
    Subject,
    /// The one that the event itself names.
    Message(KeyOf),
}

/// Finds an entity's key in an event, by handler and payload.
#[derive(Clone)]
pub struct KeyOf(Arc<Find>);

type Find = dyn Fn(&str, &Payload) -> Result<String> + Send + Sync;

impl KeyOf {
    /// What `find` says, for a handler and an event.
    pub fn new(find: impl Fn(&str, &Payload) -> Result<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    /// The key.
    ///
    /// # Errors
    /// Why the event names none.
    pub fn find(&self, handler: &str, event: &Payload) -> Result<String> {
        (self.0)(handler, event)
    }
}

impl fmt::Debug for KeyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyOf")
    }
}

/// The same, not merely one that says the same.
impl PartialEq for KeyOf {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for KeyOf {}

impl Subscription {
    /// The handler of an event with this type name.
    #[must_use]
    pub fn handler(&self, event: &str) -> Option<&Arc<str>> {
        let message = event.rsplit_once('/').map(|(_, message)| message);
        let message = message.filter(|_| !WRAPPED.iter().any(|prefix| event.starts_with(prefix)));
        let taker = self.events.iter().find(|taker| taker.event == event || Some(&*taker.event) == message);
        taker.map(|taker| &taker.handler).or(self.rest.as_ref())
    }

    /// The consumer that it makes.
    ///
    /// # Errors
    /// `Invalid` for names that cannot be one, and for a topic.
    pub fn consumer(&self) -> Result<ConsumerId> {
        match &self.source {
            Source::EventLog(log) => ConsumerId::new(log.clone(), self.group.clone()),
            Source::Topic(topic) => Err(Error::invalid(format!(
                "the topic {topic:?} needs a broker, which this version of adjoin does not speak to: take events of an \
                 event log instead"
            ))),
        }
    }
}

/// Says what is wrong with the subscriptions of a type.
pub(crate) fn check(entity_type: &EntityType, problems: &mut Vec<String>) {
    let place = &entity_type.name;
    for subscription in &entity_type.subscriptions {
        problems.extend(subscription.consumer().err().map(|error| format!("{place}: {}", error.message)));
        let mut events: Vec<&str> = subscription.events.iter().map(|taker| &*taker.event).collect();
        events.sort_unstable();
        for pair in events.windows(2).filter(|pair| pair[0] == pair[1]) {
            let group = &subscription.group;
            problems.push(format!(
                "{place}: two handlers take {:?} for the group {group:?}: give one another group",
                pair[0]
            ));
        }
        let takers = subscription.events.iter().map(|taker| &taker.handler).chain(&subscription.rest);
        for name in takers {
            match entity_type.handler(name) {
                None => problems.push(format!("{place} has no handler {name}, which is to take events")),
                Some(handler) if handler.query => {
                    problems.push(format!("{place}.{name} is a query: only commands take events"));
                }
                Some(handler) if handler.streamed_in => {
                    problems.push(format!("{place}.{name} takes a stream, but events come one by one"));
                }
                Some(_) => {}
            }
        }
        if entity_type.kind == EntityKind::Action && subscription.key != EventKey::Subject {
            problems.push(format!("{place} is an action, which has no key that an event could name"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription() -> Subscription {
        let taker = |event: &str, handler: &str| Taker { event: event.into(), handler: handler.into() };
        Subscription {
            source: Source::EventLog("log".into()),
            group: "g".into(),
            events: alloc::vec![taker("shop.Added", "added"), taker("JsonEvent", "never")],
            rest: Some("rest".into()),
            key: EventKey::Subject,
        }
    }

    #[test]
    fn an_event_is_taken_by_its_message_else_by_the_rest() {
        let subscription = subscription();
        let taken = |event| subscription.handler(event).map(|name| &**name);
        assert_eq!(taken("shop.Added"), Some("added"));
        assert_eq!(taken("type.googleapis.com/shop.Added"), Some("added"));
        assert_eq!(taken("type.googleapis.com/shop.Removed"), Some("rest"));
        assert_eq!(taken("json.cloudstate.io/JsonEvent"), Some("rest"), "a name of JSON is no message's");
        assert_eq!(Subscription { rest: None, ..subscription.clone() }.handler("other"), None);
    }

    #[test]
    fn a_topic_is_refused_with_the_reason() {
        let topic = Subscription { source: Source::Topic("orders".into()), ..subscription() };
        let error = topic.consumer().expect_err("no broker");
        assert!(error.message.contains("\"orders\" needs a broker"), "{error}");
    }
}
