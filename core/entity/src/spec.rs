// SPDX-License-Identifier: Apache-2.0
//! What a user function says it has: entity types, their handlers, what they can read.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use adjoin_model::{ConsumerId, Error, Result, check_name};
use bytes::Bytes;

use crate::subscription;
pub use crate::subscription::{EventKey, KeyOf, Source, Subscription, Taker};

/// What an entity type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntityKind {
    /// State is the fold of events.
    EventSourced,
    /// State is one value, replaced as a whole.
    Value,
    /// No state.
    Action,
}

/// A command or a query of an entity type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    /// lowerCamel: `addItem`.
    pub name: Arc<str>,
    /// Changes nothing; queries of one entity may run together.
    pub query: bool,
    /// The client streams its input (actions).
    pub streamed_in: bool,
    /// The reply is a stream (actions).
    pub streamed_out: bool,
    /// JSON Schema 2020-12 of the body, `x-adjoin-params` naming the parameters in order; empty when unknown.
    pub input_schema: String,
    /// JSON Schema of the reply; empty when unknown.
    pub output_schema: String,
    /// One line for people.
    pub summary: String,
}

/// An entity type of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityType {
    /// The stored name: `shop.Cart`.
    pub name: Arc<str>,
    /// What it is.
    pub kind: EntityKind,
    /// Its commands and queries, names unique.
    pub handlers: Vec<Handler>,
    /// Names of events it can read, aliases included.
    pub readable_events: Vec<String>,
    /// Idle milliseconds after which an activation ends; 0 takes the host's setting.
    pub passivate_after_ms: u64,
    /// Events between two snapshots; 0 means it makes none.
    pub snapshot_every: u32,
    /// JSON object: schema of each event by its stored name; empty when unknown.
    pub event_schemas: String,
    /// Schema of the state; empty when unknown.
    pub state_schema: String,
    /// One line for people.
    pub summary: String,
    /// Contract first: full names of the gRPC services, of [`Spec::descriptors`], whose methods the handlers are. A
    /// payload is then an encoded message, and its type name says which. Empty: code first.
    pub services: Vec<String>,
    /// Every event can be read, whatever its name: `readable_events` is empty.
    pub reads_any_event: bool,
    /// Events that its handlers are called with.
    pub subscriptions: Vec<Subscription>,
}

impl EntityType {
    /// An entity type without handlers, of which nothing more is known.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, kind: EntityKind) -> Self {
        Self {
            name: name.into(),
            kind,
            handlers: Vec::new(),
            readable_events: Vec::new(),
            passivate_after_ms: 0,
            snapshot_every: 0,
            event_schemas: String::new(),
            state_schema: String::new(),
            summary: String::new(),
            services: Vec::new(),
            reads_any_event: false,
            subscriptions: Vec::new(),
        }
    }

    /// Whether an event of this name can be folded into its state.
    #[must_use]
    pub fn reads(&self, event: &str) -> bool {
        self.reads_any_event || self.readable_events.iter().any(|name| name == event)
    }

    /// The handler of this name.
    #[must_use]
    pub fn handler(&self, name: &str) -> Option<&Handler> {
        self.handlers.iter().find(|handler| *handler.name == *name)
    }
}

/// Everything one function has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// Name and version of the SDK: `adjoin-python 0.1.0`.
    pub sdk: String,
    /// Its entity types, names unique.
    pub types: Vec<EntityType>,
    /// Contract first: an encoded `google.protobuf.FileDescriptorSet`, imports included; empty without a contract. Never
    /// read here.
    pub descriptors: Bytes,
    /// How the function expects its clients to be answered.
    pub answers: Answers,
    /// Full names of further services of the function that no type here serves: clients may be told of them.
    pub unserved: Vec<String>,
}

/// How clients of a function are answered where its protocol leaves a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answers {
    /// As adjoin's table of errors says.
    #[default]
    Adjoin,
    /// As the reference proxy of the Cloudstate protocol does.
    Cloudstate,
}

impl Spec {
    /// A code-first function's spec.
    #[must_use]
    pub fn new(sdk: impl Into<String>, types: Vec<EntityType>) -> Self {
        Self { sdk: sdk.into(), types, ..Self::default() }
    }

    /// The entity type of this name.
    #[must_use]
    pub fn entity_type(&self, name: &str) -> Option<&EntityType> {
        self.types.iter().find(|entity_type| *entity_type.name == *name)
    }

    /// Says whether a host can take the spec.
    ///
    /// # Errors
    /// `Invalid`, with every problem found, one a line: what is wrong, where, what to do.
    pub fn check(&self) -> Result<()> {
        let mut problems = Vec::new();
        if self.types.is_empty() {
            problems.push("the function declares no entity type: pass at least one to its App".into());
        }
        let mut names = BTreeSet::new();
        for entity_type in &self.types {
            if !names.insert(&entity_type.name) {
                problems.push(format!(
                    "the entity type {} is declared twice: give each a name of its own",
                    entity_type.name
                ));
            }
            check_type(entity_type, &mut problems);
            subscription::check(entity_type, &mut problems);
        }
        problems.extend(self.shared_groups());
        if problems.is_empty() { Ok(()) } else { Err(Error::invalid(problems.join("\n"))) }
    }
}

impl Spec {
    /// The consumers that its subscriptions make.
    pub fn consumers(&self) -> impl Iterator<Item = ConsumerId> + '_ {
        let all = self.types.iter().flat_map(|entity_type| &entity_type.subscriptions);
        all.filter_map(|subscription| subscription.consumer().ok())
    }

    /// Groups that two subscriptions share: each event would go to one of them, and nobody could say to which.
    fn shared_groups(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let all =
            self.types.iter().flat_map(|entity_type| entity_type.subscriptions.iter().map(move |s| (entity_type, s)));
        let twice =
            all.filter(|(_, subscription)| subscription.consumer().is_ok_and(|consumer| !seen.insert(consumer)));
        let said = |(entity_type, subscription): (&EntityType, &Subscription)| {
            let (name, group) = (&entity_type.name, &subscription.group);
            format!("{name} takes events as the group {group:?}, which is taken: give it a consumer group of its own")
        };
        twice.map(said).collect()
    }
}

fn check_type(entity_type: &EntityType, problems: &mut Vec<String>) {
    let place = &entity_type.name;
    problems.extend(check_name("entity type", place).err().map(|error| error.message));
    let mut names = BTreeSet::new();
    for handler in &entity_type.handlers {
        let name = &handler.name;
        problems.extend(check_name("command", name).err().map(|error| format!("{place}: {}", error.message)));
        if !names.insert(name) {
            problems.push(format!("{place}.{name} is declared twice: give each handler a name of its own"));
        }
        if (handler.streamed_in || handler.streamed_out) && entity_type.kind != EntityKind::Action {
            problems.push(format!("{place}.{name} streams, which only actions do: make {place} an action"));
        }
        if handler.query && entity_type.kind == EntityKind::Action {
            problems.push(format!("{place}.{name} is a query of an action, which has no state: make it a command"));
        }
    }
    if entity_type.kind != EntityKind::EventSourced && !entity_type.readable_events.is_empty() {
        problems.push(format!("{place} lists events, which only event-sourced entities have"));
    }
    if entity_type.reads_any_event && !entity_type.readable_events.is_empty() {
        problems.push(format!("{place} lists events and says it can read any: say one of the two"));
    }
    for event in &entity_type.readable_events {
        problems.extend(check_name("event", event).err().map(|error| format!("{place}: {}", error.message)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec;

    fn handler(name: &str) -> Handler {
        Handler {
            name: name.into(),
            query: false,
            streamed_in: false,
            streamed_out: false,
            input_schema: String::new(),
            output_schema: String::new(),
            summary: String::new(),
        }
    }

    fn cart() -> EntityType {
        EntityType {
            handlers: vec![handler("addItem")],
            readable_events: vec!["ItemAdded".into()],
            ..EntityType::new("shop.Cart", EntityKind::EventSourced)
        }
    }

    fn problems(types: Vec<EntityType>) -> String {
        Spec::new("x", types).check().expect_err("refused").to_string()
    }

    #[test]
    fn a_sound_spec_is_taken() {
        assert_eq!(Spec::new("x", vec![cart()]).check(), Ok(()));
    }

    #[test]
    fn every_problem_is_said_at_once() {
        assert!(problems(vec![]).contains("no entity type"));
        let mut broken = cart();
        broken.handlers.push(handler("addItem"));
        broken.handlers.push(Handler { streamed_out: true, ..handler("a b") });
        let said = problems(vec![cart(), broken]);
        for part in ["shop.Cart is declared twice", "addItem is declared twice", "cannot name a command", "streams"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let action =
            EntityType { kind: EntityKind::Action, handlers: vec![Handler { query: true, ..handler("q") }], ..cart() };
        let said = problems(vec![action]);
        assert!(said.contains("query of an action") && said.contains("lists events"), "{said}");
    }
}
