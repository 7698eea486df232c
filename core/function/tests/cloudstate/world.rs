// SPDX-License-Identifier: Apache-2.0
//! A host around the scripted function: engine, store, and the link between them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use adjoin_engine::{Engine, Request, Settings, SystemClock};
use adjoin_function::cloudstate::protocol as p;
use adjoin_function::{DialSettings, Protocol, Status, Supervised, supervise};
use adjoin_model::{EntityId, Limits, Payload, Result};
use adjoin_storage::{MemoryStore, Store};
use prost::Message;
use prost_types::Any;

use crate::function::{Function, Seen, spec};
use crate::messages::{Act, Text, ValueAct, request, url, value_request};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) function: Function,
    pub(crate) supervised: Supervised,
}

pub(crate) fn dialling() -> DialSettings {
    let protocol = Protocol::Cloudstate;
    DialSettings { protocol, retry_first_ms: 5, retry_most_ms: 20, ..DialSettings::default() }
}

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(16, 9).expect("16 shards"))
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(memory(), Function::serve(spec()).await).await
    }

    pub(crate) async fn with(store: Arc<dyn Store>, function: Function) -> Self {
        Self::dialling(store, function, dialling()).await
    }

    pub(crate) async fn dialling(store: Arc<dyn Store>, function: Function, dialling: DialSettings) -> Self {
        let settings = Settings { loops: 2, ..Settings::default() };
        let engine = Engine::start(store, settings, Arc::new(SystemClock)).await.expect("an engine");
        let address = function.address.parse().expect("an address");
        let supervised = supervise(address, dialling, Limits::default(), engine.clone());
        let world = Self { engine, function, supervised };
        world.connected().await;
        world
    }

    pub(crate) async fn connected(&self) {
        self.status(|status| matches!(status, Status::Connected { .. })).await;
    }

    pub(crate) async fn status(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.supervised.status();
        let found = within("a status", status.wait_for(|status| wanted(status))).await;
        found.expect("supervised").clone()
    }

    /// Calls the event-sourced model entity.
    pub(crate) async fn process(&self, key: &str, acts: Vec<Act>) -> Result<String> {
        self.call("event-sourced-tck-model", key, "Process", request(key, acts)).await
    }

    /// Calls the model entity with one value.
    pub(crate) async fn value(&self, key: &str, acts: Vec<ValueAct>) -> Result<String> {
        self.call("value-entity-tck-model", key, "Process", value_request(key, acts)).await
    }

    pub(crate) async fn call(&self, entity_type: &str, key: &str, name: &str, body: Any) -> Result<String> {
        let reply = within("a reply", self.engine.call(call(entity_type, key, name, body))).await?;
        Ok(reply.payload.map(|payload| response(&payload)).unwrap_or_default())
    }

    pub(crate) async fn end(self) {
        self.supervised.stop().await;
        within("the engine's end", self.engine.stop()).await;
        within("the store's end", self.engine.store().close()).await.expect("closed");
    }
}

pub(crate) fn call(entity_type: &str, key: &str, name: &str, body: Any) -> Request {
    let entity = EntityId::new(entity_type, key).expect("an id");
    Request {
        // Entities never hear of it.
        metadata: vec![("x-trace".into(), "7".into())],
        ..Request::new(entity, name, Payload::new(body.type_url, body.value))
    }
}

pub(crate) fn response(payload: &Payload) -> String {
    assert!(payload.type_name.ends_with(".Response"), "{}", payload.type_name);
    Text::decode(&payload.data[..]).expect("a response").text
}

/// A command as the function must see it: nothing beside these.
pub(crate) fn command(id: i64, entity_id: &str, name: &str, payload: Any) -> p::Command {
    p::Command {
        entity_id: entity_id.into(),
        id,
        name: name.into(),
        payload: Some(payload),
        streamed: false,
        metadata: None,
    }
}

/// What the event-sourced model entity is sent.
pub(crate) mod es {
    use super::{Any, Seen, p, url};
    use p::eventsourced::event_sourced_stream_in::Message;
    use p::eventsourced::{EventSourcedEvent, EventSourcedInit, EventSourcedSnapshot, EventSourcedStreamIn};

    fn seen(stream: usize, message: Message) -> Seen {
        Seen::EventSourced(stream, EventSourcedStreamIn { message: Some(message) })
    }

    pub(crate) fn init(stream: usize, service: &str, id: &str, snapshot: Option<(i64, &str)>) -> Seen {
        let snapshot = snapshot.map(|(snapshot_sequence, state)| EventSourcedSnapshot {
            snapshot_sequence,
            snapshot: Some(crate::messages::any("Persisted", &crate::messages::text(state))),
        });
        let service_name = format!("cloudstate.tck.model.{service}");
        seen(stream, Message::Init(EventSourcedInit { service_name, entity_id: id.into(), snapshot }))
    }

    pub(crate) fn event(stream: usize, sequence: i64, value: &str) -> Seen {
        let value = prost::Message::encode_to_vec(&crate::messages::text(value));
        let payload = Some(Any { type_url: url("Persisted"), value });
        seen(stream, Message::Event(EventSourcedEvent { sequence, payload }))
    }

    pub(crate) fn command(stream: usize, id: i64, entity: &str, acts: Vec<crate::messages::Act>) -> Seen {
        named(stream, id, entity, "Process", acts)
    }

    pub(crate) fn named(stream: usize, id: i64, entity: &str, name: &str, acts: Vec<crate::messages::Act>) -> Seen {
        let command = super::command(id, entity, name, crate::messages::request(entity, acts));
        seen(stream, Message::Command(command))
    }
}

/// What the model entity with one value is sent.
pub(crate) mod ve {
    use super::{Seen, p};
    use p::valueentity::value_entity_stream_in::Message;
    use p::valueentity::{ValueEntityInit, ValueEntityInitState, ValueEntityStreamIn};

    fn seen(stream: usize, message: Message) -> Seen {
        Seen::Value(stream, ValueEntityStreamIn { message: Some(message) })
    }

    pub(crate) fn init(stream: usize, service: &str, id: &str, value: Option<&str>) -> Seen {
        let text = |value| crate::messages::any("valueentity.Persisted", &crate::messages::text(value));
        let state = Some(ValueEntityInitState { value: value.map(text) });
        let service_name = format!("cloudstate.tck.model.valueentity.{service}");
        seen(stream, Message::Init(ValueEntityInit { service_name, entity_id: id.into(), state }))
    }

    pub(crate) fn command(stream: usize, id: i64, entity: &str, acts: Vec<crate::messages::ValueAct>) -> Seen {
        named(stream, id, entity, "Process", acts)
    }

    pub(crate) fn named(
        stream: usize,
        id: i64,
        entity: &str,
        name: &str,
        acts: Vec<crate::messages::ValueAct>,
    ) -> Seen {
        let command = super::command(id, entity, name, crate::messages::value_request(entity, acts));
        seen(stream, Message::Command(command))
    }
}
