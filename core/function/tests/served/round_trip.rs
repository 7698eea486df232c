// SPDX-License-Identifier: Apache-2.0
//! Our own proxy's adapter in front of this server in front of the function: what clients hear is what they hear when the
//! two speak adjoin's own protocol.

use std::sync::Arc;

use adjoin_engine::{Engine, Request, Settings, SystemClock};
use adjoin_function::{DialSettings, Protocol, Status, Supervised, supervise};
use adjoin_model::{EntityId, Limits, Payload};
use adjoin_storage::{MemoryStore, Store};
use prost_types::Any;

use crate::function::{MODEL, TWO, VALUE};
use crate::messages::{Act, Effect, Text, ValueAct, emit, request, text, value_request};
use crate::world::{World, within};

struct Host {
    engine: Engine,
    supervised: Supervised,
}

impl Host {
    async fn new(world: &World, protocol: Protocol) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(16, 9).expect("16 shards"));
        let settings = Settings { loops: 2, ..Settings::default() };
        let engine = Engine::start(store, settings, Arc::new(SystemClock)).await.expect("an engine");
        let dialling = DialSettings { protocol, retry_first_ms: 5, retry_most_ms: 20, ..DialSettings::default() };
        let address = world.server.address().clone();
        let supervised = supervise(address, dialling, Limits::default(), engine.clone());
        let mut status = supervised.status();
        let connected = status.wait_for(|status| matches!(status, Status::Connected { .. }));
        within("a connection", connected).await.expect("supervised");
        Self { engine, supervised }
    }

    /// The text of the answer, or of the error.
    async fn asks(&self, entity_type: &str, key: &str, name: &str, body: Any) -> String {
        let entity = EntityId::new(entity_type, key).expect("an id");
        let call = Request::new(entity, name, Payload::new(body.type_url, body.value));
        match within("an answer", self.engine.call(call)).await {
            Ok(reply) => {
                // No payload is a message of nothing to whoever asked by gRPC.
                let data = reply.payload.map(|payload| payload.data).unwrap_or_default();
                let said = <Text as prost::Message>::decode(data).expect("a text").text;
                format!("{said:?} at {}", reply.sequence)
            }
            Err(error) => format!("error: {}", error.message),
        }
    }

    async fn end(self) {
        self.supervised.stop().await;
        within("the engine's end", self.engine.stop()).await;
        within("the store's end", self.engine.store().close()).await.expect("closed");
    }
}

fn fail(said: &str) -> Act {
    Act::Fail(text(said))
}

async fn events(host: &Host) -> Vec<String> {
    let effect = |id: &str| Act::Effect(Effect { id: id.into(), synchronous: true });
    let all: Vec<Vec<Act>> = vec![
        vec![],
        vec![emit("A"), emit("B")],
        vec![emit("lost"), fail("no")],
        vec![emit("C"), emit("D"), emit("E"), effect("other")],
        vec![Act::Forward(text("target"))],
        vec![],
    ];
    let mut said = Vec::new();
    for acts in all {
        said.push(host.asks(MODEL, "ada", "Process", request("ada", acts)).await);
    }
    said.push(host.asks(TWO, "bob", "Call", request("bob", vec![])).await);
    said
}

async fn values(host: &Host) -> Vec<String> {
    let update = |value: &str| ValueAct::Update(text(value));
    let all = vec![
        vec![update("A")],
        vec![update("lost"), ValueAct::Fail(text("no"))],
        vec![],
        vec![ValueAct::Delete(())],
        vec![update("B")],
    ];
    let mut said = Vec::new();
    for acts in all {
        said.push(host.asks(VALUE, "ada", "Process", value_request("ada", acts)).await);
    }
    said
}

#[tokio::test]
async fn clients_hear_the_same_through_either_protocol() {
    let world = World::new().await;
    let (own, cloudstate) = (Host::new(&world, Protocol::Adjoin).await, Host::new(&world, Protocol::Cloudstate).await);
    assert_eq!(events(&cloudstate).await, events(&own).await);
    assert_eq!(values(&cloudstate).await, values(&own).await);
    own.end().await;
    cloudstate.end().await;
}

#[tokio::test]
async fn an_entity_that_has_left_memory_comes_back_as_it_was() {
    let mut world = World::new().await;
    let host = Host::new(&world, Protocol::Cloudstate).await;
    for number in 1..=7 {
        host.asks(MODEL, "ada", "Process", request("ada", vec![emit(&number.to_string())])).await;
    }
    // It leaves after 100 ms, as the spec says.
    let gone =
        |frame: &adjoin_entity::frame::HostFrame| matches!(frame, adjoin_entity::frame::HostFrame::Deactivate { .. });
    world.frame_where(gone).await;
    let said = host.asks(MODEL, "ada", "Process", request("ada", vec![])).await;
    assert_eq!(said, "\"1234567\" at 7");
    let begun = world.frame_where(|frame| matches!(frame, adjoin_entity::frame::HostFrame::Activate { .. })).await;
    let adjoin_entity::frame::HostFrame::Activate { sequence, .. } = begun else { unreachable!() };
    assert_eq!(sequence, 5, "from the snapshot");
    host.end().await;
}

#[tokio::test]
async fn what_diverged_is_begun_anew() {
    let world = World::new().await;
    let host = Host::new(&world, Protocol::Cloudstate).await;
    host.asks(MODEL, "ada", "Process", request("ada", vec![emit("A")])).await;
    let durable = Act::Effect(Effect { id: "durable".into(), synchronous: false });
    let said = host.asks(MODEL, "ada", "Process", request("ada", vec![emit("lost"), durable])).await;
    assert!(said.contains("has no outbox"), "{said}");
    let said = host.asks(MODEL, "ada", "Process", request("ada", vec![emit("B")])).await;
    assert_eq!(said, "\"AB\" at 2");
    let said = host.asks(MODEL, "ada", "Process", request("ada", vec![fail("bug")])).await;
    assert_eq!(said, "error: Unexpected entity failure");
    let said = host.asks(MODEL, "ada", "Process", request("ada", vec![])).await;
    assert_eq!(said, "\"AB\" at 2");
    host.end().await;
}
