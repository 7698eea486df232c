// SPDX-License-Identifier: Apache-2.0
//! A host put together: journal, engine, function, clients' port and admin port, started and ended in order.

mod function;
mod ingress;
mod note;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adjoin_engine::{Engine, SystemClock};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::admin::{self, Admin};
use crate::failure::{Exit, Failure, Outcome};
use crate::folder::Store;
use crate::metrics;
use crate::readiness::Gauge;
use crate::settings::Settings;
use function::Function;
pub(crate) use note::Note;

/// A running host.
pub(crate) struct Node {
    engine: Engine,
    store: Store,
    readiness: Gauge,
    listen: SocketAddr,
    admin: SocketAddr,
    ingress: adjoin_ingress::Ingress,
    function: Function,
    note: Option<Note>,
    tasks: Tasks,
}

/// Background tasks; they end with the node, also when it never came to life.
#[derive(Default)]
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Node {
    /// Starts a host. The admin port comes first, so that a probe hears why nothing is served yet; the addresses of
    /// both ports are taken before the journal is opened, so that a wrong one costs nothing.
    ///
    /// # Errors
    /// A taken address, a held or damaged folder, settings that fit nothing.
    pub(crate) async fn start(settings: &Settings) -> Outcome<Self> {
        let address = function::address(settings)?;
        let mut tasks = Tasks::default();
        let handle = metrics::start()?;
        let readiness = Gauge::new("the journal is being opened", "the function has not been dialled yet");
        let front = Admin::new(readiness.clone(), handle.clone());
        let port = admin::bind(settings.admin).await?;
        let listener = ingress::bind(settings.listen).await?;
        let admin = address_of(&port)?;
        let listen = address_of(&listener)?;
        tasks.0.push(admin::serve(front.clone(), port, !settings.admin_beyond_loopback));
        tasks.0.push(tokio::spawn(metrics::upkeep(handle)));
        tasks.0.push(tokio::spawn(metrics::ready(readiness.watch())));

        let store = Store::open(settings).await?;
        let note = settings.data.as_deref().filter(|_| !settings.memory).map(|path| Note::write(path, admin, listen));
        let engine = Engine::start(store.shared(), settings.engine.clone(), Arc::new(SystemClock)).await?;
        front.opened(engine.clone(), store.clone());
        let function = Function::dial(address, settings, engine.clone(), readiness.clone());
        let ingress = adjoin_ingress::serve(engine.clone(), settings.ingress.clone(), listener)?;
        readiness.host(None);
        tracing::info!(%listen, %admin, function = settings.function, store = store.shared().capability().name, "serving");
        Ok(Self { engine, store, readiness, listen, admin, ingress, function, note, tasks })
    }

    /// Where clients connect.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where the admin port is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Comes with the reason once it cannot serve all entities any more: only a new process can.
    pub(crate) async fn failed(&self) -> adjoin_model::Error {
        let error = self.engine.failed().await;
        tracing::error!(%error, "ending: a new process serves what this one cannot");
        error
    }

    /// Whether it serves.
    pub(crate) fn readiness(&self) -> &Gauge {
        &self.readiness
    }

    /// Its engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Drains and ends: not ready, no new calls, those under way end or the deadline comes; new ones are told so for a
    /// moment, then everything closes.
    ///
    /// # Errors
    /// Unavailable when calls were cut off by the deadline; what the store says when it closes.
    pub(crate) async fn end(self, why: &str, settings: &Settings) -> Outcome<()> {
        let drain_ms = settings.drain_ms;
        self.readiness.host(Some(format!("the host is ending after {why}")));
        // Clients that ask by gRPC hear it as long as calls under way are waited for.
        self.ingress.set_ready(false);
        let deadline = self.engine.clock().now().mono.plus_ms(drain_ms);
        let drained = self.engine.drain(deadline).await;
        let left = if drained { 0 } else { self.engine.status().await.calls };
        sleep_until(Instant::now() + Duration::from_millis(settings.linger_ms)).await;
        ingress::end(self.ingress).await;
        self.function.end().await;
        self.store.shared().close().await?;
        drop(self.note);
        drop(self.tasks);
        if drained {
            tracing::info!("ended");
            return Ok(());
        }
        Err(Failure::new(Exit::Unavailable, format!("{left} calls were still under way after {drain_ms} ms"))
            .help("their callers were told `outcome: unknown`; give them longer with --drain-ms"))
    }
}

fn address_of(listener: &tokio::net::TcpListener) -> Outcome<SocketAddr> {
    listener.local_addr().map_err(|error| Failure::new(Exit::Failed, format!("a port has no address: {error}")))
}
