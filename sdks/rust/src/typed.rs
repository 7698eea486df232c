// SPDX-License-Identifier: Apache-2.0
//! An entity type as the dispatcher uses it: its handlers, and how its state is made, read, folded and written.

use std::collections::HashMap;
use std::sync::Arc;

use adjoin_entity::spec::{EntityKind, EntityType};
use adjoin_model::{Error, Limits, Payload, Result, Sequence};
use schemars::schema_for;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cx::{Cx, State};
use crate::handlers::{Entry, Handlers};
use crate::json;
use crate::kinds::{Action, EventSourced, OldEvent, Value};
use crate::mutant::{Mutant, is};
use crate::shared::{Bounds, Calls, Shared};

/// Names, in an error's context, what a function cannot read.
const UNREADABLE_TYPE: &str = "unreadable_type";

/// What every entity type of an app is told.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) bounds: Arc<Bounds>,
    pub(crate) calls: Calls,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { bounds: Arc::new(Bounds::of(&Limits::default())), calls: Calls::default() }
    }
}

type Fold<S> = fn(&mut S, &Payload) -> Result<()>;

/// An entity type.
pub(crate) struct Type<S> {
    pub(crate) spec: EntityType,
    pub(crate) handlers: HashMap<String, Entry<S>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) initial: Box<dyn Fn() -> State<S> + Send + Sync>,
    load: fn(&Payload) -> Result<S>,
    fold: Fold<S>,
    write: fn(&S) -> serde_json::Result<Vec<u8>>,
    /// What is left to do when a handler has returned.
    pub(crate) finish: fn(&mut Cx<S>),
}

impl<S: 'static> Type<S> {
    /// The state from a snapshot or a stored value.
    pub(crate) fn load(&self, payload: &Payload) -> Result<S> {
        (self.load)(payload).map_err(|error| {
            let said = format!("{} cannot read the stored state: {}", self.spec.name, error.message);
            Error::unavailable(said).at(UNREADABLE_TYPE, &payload.type_name)
        })
    }

    /// Folds one stored event into the state.
    pub(crate) fn fold(&self, state: &mut S, sequence: Sequence, event: &Payload) -> Result<()> {
        if is(Mutant::ReplayIgnored) {
            return Ok(());
        }
        let folded = (self.fold)(state, event);
        if is(Mutant::UnknownEventsSkipped) {
            return Ok(());
        }
        folded.map_err(|error| {
            let said = format!("{} cannot read its event {sequence}: {}", self.spec.name, error.message);
            Error::unavailable(said).at(UNREADABLE_TYPE, &event.type_name)
        })
    }

    /// The state as it is stored.
    pub(crate) fn save(&self, state: &S) -> Result<Payload> {
        let data =
            (self.write)(state).map_err(|error| Error::internal(format!("the state has no JSON form: {error}")))?;
        Ok(Payload::new(self.shared.state_name.clone(), data))
    }
}

/// An event-sourced type.
pub(crate) fn event_sourced<S: EventSourced>(around: &Surroundings) -> Type<S> {
    let events = json::event_names::<S::Event>();
    let state_name = format!("state.{}", S::STATE_VERSION);
    let mut made = made(
        S::NAME,
        EntityKind::EventSourced,
        S::handlers(Handlers::new()),
        Model {
            initial: Box::new(own::<S>),
            load: |payload| {
                let expected = format!("state.{}", S::STATE_VERSION);
                if *payload.type_name != *expected {
                    return Err(Error::unavailable(format!("it is of {}, not of {expected}", payload.type_name)));
                }
                read(payload)
            },
            fold: fold::<S>,
            write: |state| json::encode(state),
            finish: |_| {},
            shared: Shared::new(&events, &state_name, around.bounds.clone(), around.calls.clone()),
        },
    );
    let spec = &mut made.spec;
    spec.readable_events = events.iter().chain(S::OLD_EVENTS).map(|name| (*name).to_owned()).collect();
    spec.readable_events.sort_unstable();
    spec.readable_events.dedup();
    spec.snapshot_every = S::SNAPSHOT_EVERY;
    spec.passivate_after_ms = S::PASSIVATE_AFTER_MS;
    spec.event_schemas = event_schemas(&schema_for!(S::Event).to_value(), &events);
    S::SUMMARY.clone_into(&mut spec.summary);
    made
}

/// A value type.
pub(crate) fn value<S: Value>(around: &Surroundings) -> Type<S> {
    let short = S::NAME.rsplit('.').next().unwrap_or(S::NAME);
    let mut made = made(
        S::NAME,
        EntityKind::Value,
        S::handlers(Handlers::new()),
        Model {
            initial: Box::new(own::<S>),
            load: read,
            fold: no_events,
            write: |state| json::encode(state),
            finish: Cx::save,
            shared: Shared::new(&[], short, around.bounds.clone(), around.calls.clone()),
        },
    );
    made.spec.passivate_after_ms = S::PASSIVATE_AFTER_MS;
    S::SUMMARY.clone_into(&mut made.spec.summary);
    made
}

/// An action.
pub(crate) fn action<S: Action>(around: &Surroundings, instance: Arc<S>) -> Type<S> {
    let mut made = made(
        S::NAME,
        EntityKind::Action,
        S::handlers(Handlers::new()),
        Model {
            initial: Box::new(move || State::Shared(instance.clone())),
            load: |_| Err(Error::protocol("an action has no state")),
            fold: no_events,
            write: |_| Ok(Vec::new()),
            finish: |_| {},
            shared: Shared::new(&[], "", around.bounds.clone(), around.calls.clone()),
        },
    );
    S::SUMMARY.clone_into(&mut made.spec.summary);
    made
}

struct Model<S> {
    initial: Box<dyn Fn() -> State<S> + Send + Sync>,
    load: fn(&Payload) -> Result<S>,
    fold: Fold<S>,
    write: fn(&S) -> serde_json::Result<Vec<u8>>,
    finish: fn(&mut Cx<S>),
    shared: Shared,
}

fn made<S: 'static>(name: &str, kind: EntityKind, table: Handlers<S>, model: Model<S>) -> Type<S> {
    let spec = EntityType { handlers: table.entries.iter().map(Entry::spec).collect(), ..EntityType::new(name, kind) };
    let Model { initial, load, fold, write, finish, shared } = model;
    // Two handlers of one name are said by the spec's check, which sees the list.
    let handlers = table.entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    Type { spec, handlers, shared: Arc::new(shared), initial, load, fold, write, finish }
}

fn own<S: Default>() -> State<S> {
    State::Own(Box::default())
}

fn read<S: DeserializeOwned>(payload: &Payload) -> Result<S> {
    json::decode(&payload.data).map_err(|error| Error::unavailable(error.to_string()))
}

fn no_events<S>(_: &mut S, event: &Payload) -> Result<()> {
    Err(Error::protocol(format!("an entity without events was sent one: {}", event.type_name)))
}

fn fold<S: EventSourced>(state: &mut S, event: &Payload) -> Result<()> {
    self::event::<S>(event)?.into_iter().for_each(|event| state.apply(event));
    Ok(())
}

/// A stored event as one of today; none when it means nothing any more.
pub(crate) fn event<S: EventSourced>(stored: &Payload) -> Result<Option<S::Event>> {
    let name = &*stored.type_name;
    let unreadable = |error: &dyn std::fmt::Display| Error::unavailable(format!("{name}: {error}"));
    if S::OLD_EVENTS.contains(&name) {
        return S::upcast(OldEvent { type_name: name, data: &stored.data }).map_err(|error| unreadable(&error));
    }
    json::decode_event(name, &stored.data).map(Some).map_err(|error| unreadable(&error))
}

/// The schema of each event by its stored name, from the schema of the enum.
fn event_schemas(schema: &serde_json::Value, names: &[&str]) -> String {
    let variants = schema.get("oneOf").and_then(serde_json::Value::as_array);
    let of = |name: &str| {
        let data = variants?.iter().find_map(|variant| variant.get("properties")?.get(name))?;
        let mut data = data.clone();
        if let (Some(object), Some(definitions)) = (data.as_object_mut(), schema.get("$defs")) {
            object.insert("$defs".into(), definitions.clone());
        }
        Some((name.to_owned(), data))
    };
    let found: serde_json::Map<_, _> = names.iter().filter_map(|name| of(name)).collect();
    serde_json::Value::Object(found).to_string()
}

/// The stored form of an event, for tests and for reading a journal.
pub(crate) fn stored<E: Serialize>(event: &E) -> Result<Payload> {
    let (name, data) =
        json::encode_event(event).map_err(|error| Error::internal(format!("the event has no JSON form: {error}")))?;
    Ok(Payload::new(name, data))
}
