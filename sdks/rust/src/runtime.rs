// SPDX-License-Identifier: Apache-2.0
//! An app that runs in this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adjoin_engine::{Engine, Hello, Session, SystemClock};
use adjoin_entity::frame::FunctionFrame;
use adjoin_ingress::Ingress;
use adjoin_model::{Error, Result};
use adjoin_storage::Store;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::app::App;
use crate::entity::{Entity, Link, Named};
use crate::shared::{Bounds, Calls};
use crate::typed::Surroundings;
use crate::worker::{Line, Speak, Worker};

/// How long [`Runtime::close`] waits for calls in flight.
const DRAIN_MS: u64 = 10_000;

/// An app in this process: the engine, the threads of its handlers, and the port if one was asked for.
///
/// Dropping it ends everything at once; what was acknowledged is kept. [`Runtime::close`] lets calls in flight end.
pub struct Runtime {
    engine: Engine,
    store: Arc<dyn Store>,
    workers: Vec<Worker>,
    calls: Calls,
    http: Option<Ingress>,
}

/// A worker's way into the engine.
struct InProcess(Session);

impl Speak for InProcess {
    fn say(&mut self, frames: Vec<FunctionFrame>) -> bool {
        self.0.deliver_now(frames).is_ok()
    }

    fn hang_up(self: Box<Self>) {
        self.0.down(true);
    }
}

impl Runtime {
    pub(crate) async fn start(mut app: App, store: Arc<dyn Store>) -> Result<Self> {
        let calls = Calls::default();
        let around = Surroundings { bounds: Arc::new(Bounds::of(&app.engine.limits)), calls: calls.clone() };
        let (spec, types) = app.types(&around)?;
        let listener = match &app.http {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let engine = Engine::start(store.clone(), app.engine.clone(), Arc::new(SystemClock)).await?;
        calls.set(Some(engine.clone()));
        let mut runtime = Self { engine, store, workers: Vec::new(), calls, http: None };
        for index in 0..app.worker_count() {
            let (sink, frames) = mpsc::unbounded_channel();
            let session = runtime.engine.session_up(spec.clone(), Hello::default(), sink)?;
            let line = Line { frames, speak: Box::new(InProcess(session)), calls: false };
            runtime.workers.push(Worker::start(index, types.clone(), line)?);
        }
        if let Some(listener) = listener {
            runtime.http = Some(adjoin_ingress::serve(runtime.engine.clone(), app.ingress, listener)?);
        }
        Ok(runtime)
    }

    /// One entity: `rt.entity::<Cart>("ada")`.
    #[must_use]
    pub fn entity<T>(&self, key: impl Into<Arc<str>>) -> Entity<T> {
        Entity::new(Link::Local(self.engine.clone()), key.into())
    }

    /// One entity by the name of its type, with JSON in and out.
    #[must_use]
    pub fn named(&self, entity_type: &str, key: &str) -> Named {
        Named::new(Link::Local(self.engine.clone()), entity_type, key)
    }

    /// Where HTTP and gRPC are served, if they are.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(Ingress::address)
    }

    /// The engine, for what this face does not have.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Takes no new calls, lets those in flight end (at most ten seconds), and closes the store.
    ///
    /// # Errors
    /// What the store says; everything else has ended then all the same.
    pub async fn close(mut self) -> Result<()> {
        if let Some(http) = self.http.take()
            && !http.close(Duration::from_millis(DRAIN_MS)).await
        {
            tracing::warn!("requests were still open after {DRAIN_MS} ms");
        }
        let deadline = self.engine.clock().now().mono.plus_ms(DRAIN_MS);
        if !self.engine.drain(deadline).await {
            tracing::warn!("calls were still in flight after {DRAIN_MS} ms");
        }
        self.calls.set(None);
        let workers = std::mem::take(&mut self.workers);
        let ended = tokio::task::spawn_blocking(|| workers.into_iter().for_each(Worker::end));
        if tokio::time::timeout(Duration::from_millis(DRAIN_MS), ended).await.is_err() {
            tracing::warn!("a handler still runs after {DRAIN_MS} ms");
        }
        self.store.close().await
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // Handlers hold the engine through this; without it the engine would never end.
        self.calls.set(None);
    }
}

/// A listener at an address such as `127.0.0.1:9000`.
pub(crate) async fn bind(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Error::unavailable(format!("cannot listen at {address}: {error}; is another process there?")))
}
