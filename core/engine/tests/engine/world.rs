// SPDX-License-Identifier: Apache-2.0
//! An engine, its store, its clock and a function around each test.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use adjoin_engine::{Clock, Engine, ManualClock, Request, Settings};
use adjoin_entity::Reply;
use adjoin_model::{EntityId, Result};
use adjoin_storage::{MemoryStore, Store};
use tokio::task::JoinHandle;

use crate::faulty::FaultyStore;
use crate::function::{self, Probe, json, text};

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) clock: ManualClock,
    pub(crate) probe: Arc<Probe>,
    pub(crate) function: JoinHandle<()>,
}

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(16, 9).expect("16 shards"))
}

pub(crate) fn settings() -> Settings {
    Settings { loops: 3, ..Settings::default() }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(settings()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let store = Arc::new(FaultyStore::new(memory()));
        let clock = ManualClock::default();
        let engine = Engine::start(store.clone(), settings, Arc::new(clock.clone())).await.expect("an engine");
        let probe = Arc::default();
        let function = function::connect(&engine, &probe);
        Self { engine, store, clock, probe, function }
    }

    pub(crate) async fn call(&self, key: &str, name: &str) -> Result<Reply> {
        within(self.engine.call(cart(key, name))).await
    }

    /// The reply's body.
    pub(crate) async fn ok(&self, key: &str, name: &str) -> String {
        let reply = self.call(key, name).await.expect("a reply");
        text(&reply.payload.expect("a body"))
    }

    /// Kills the function's process.
    pub(crate) async fn kill(&mut self) {
        self.function.abort();
        drop((&mut self.function).await);
    }

    pub(crate) fn reconnect(&mut self) {
        self.function = function::connect(&self.engine, &self.probe);
    }

    pub(crate) async fn commands(&self, wanted: usize) {
        eventually("commands", || self.probe.commands.load(Ordering::SeqCst) >= wanted).await;
    }

    pub(crate) async fn stop(self) {
        within(self.engine.stop()).await;
    }

    pub(crate) async fn drain(&self, ms: u64) -> bool {
        within(self.engine.drain(self.clock.now().mono.plus_ms(ms))).await
    }
}

pub(crate) fn request(entity_type: &str, key: &str, name: &str, body: &str) -> Request {
    Request::new(EntityId::new(entity_type, key).expect("an id"), name, json(body))
}

pub(crate) fn cart(key: &str, name: &str) -> Request {
    request("shop.Cart", key, name, "1")
}

/// Longest wait of a test for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes in time")
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, reached: impl Fn() -> bool) {
    let polling = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, polling).await.unwrap_or_else(|_| panic!("{what} did not come"));
}
