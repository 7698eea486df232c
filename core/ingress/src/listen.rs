// SPDX-License-Identifier: Apache-2.0
//! Accepts connections: bounded in number and in the time they may be idle, closed gracefully.

mod connection;
mod guard;
mod refuse;
mod whole;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adjoin_engine::Engine;
use adjoin_model::{Error, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::grpc::Health;
use crate::meter::{self, OpenGauge, Refusal};
use crate::settings::Settings;
use connection::Connections;
use refuse::Refusals;

/// A pause after a failed accept, such as too many open files: trying at once would only burn the processor.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// An ingress that serves. Dropping it closes it at once; [`Ingress::close`] does it gracefully.
pub struct Ingress {
    address: SocketAddr,
    closing: CancellationToken,
    accepting: JoinHandle<JoinSet<()>>,
    health: Health,
}

/// Serves HTTP/1.1 and HTTP/2 without TLS on one port, on the current tokio runtime.
///
/// # Errors
/// `Invalid` for settings out of range or a lock file that cannot be read; `Unavailable` when the listener has no address.
pub fn serve(engine: Engine, settings: Settings, listener: TcpListener) -> Result<Ingress> {
    settings.check()?;
    let address = listener.local_addr().map_err(|error| Error::unavailable(format!("the listener: {error}")))?;
    let lock = settings.lock()?;
    let closing = CancellationToken::new();
    let app = Arc::new(App::new(engine.clone(), settings, lock, closing.clone()));
    let health = app.health.clone();
    tokio::spawn(health.clone().follow(engine, closing.clone()));
    let (reading, ends) = (app.clone(), closing.clone());
    tokio::spawn(async move { reading.routes.follow(ends).await });
    let accepting = tokio::spawn(accept(listener, app, closing.clone()));
    tracing::info!(%address, "ingress serves");
    Ok(Ingress { address, closing, accepting, health })
}

impl Ingress {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says whether the host as a whole is ready, for gRPC health. It starts as ready; an entity type is serving while
    /// the host is ready and a function that has the type is connected.
    pub fn set_ready(&self, ready: bool) {
        self.health.set_ready(ready);
    }

    /// Accepts no more, ends watches and streams with a hint to come back, lets requests under way end, and closes
    /// what is left after `grace`. Says whether all ended by themselves.
    pub async fn close(mut self, grace: Duration) -> bool {
        self.closing.cancel();
        let Ok(mut connections) = (&mut self.accepting).await else { return false };
        let ended = async { while connections.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout(grace, ended).await.is_ok();
        connections.shutdown().await;
        in_time
    }
}

impl Drop for Ingress {
    fn drop(&mut self) {
        self.closing.cancel();
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, app: Arc<App>, closing: CancellationToken) -> JoinSet<()> {
    let places = Arc::new(Semaphore::new(app.settings.connections.min(Semaphore::MAX_PERMITS)));
    let connections = Connections::new(app, closing.clone());
    let refusals = Refusals::new();
    let open = meter::connections();
    let mut tasks = JoinSet::new();
    while let Some(stream) = next(&listener, &mut tasks, &closing).await {
        match places.clone().try_acquire_owned() {
            Ok(place) => {
                let connection = connections.serve(stream);
                let counted = OpenGauge::of(&open);
                tasks.spawn(async move {
                    connection.await;
                    drop((place, counted));
                });
            }
            Err(_) => {
                Refusal::Connections.count();
                refusals.refuse(stream, &mut tasks);
            }
        }
    }
    tasks
}

/// The next connection; none once the ingress closes. Ended ones are cleared away meanwhile.
async fn next(listener: &TcpListener, tasks: &mut JoinSet<()>, closing: &CancellationToken) -> Option<TcpStream> {
    loop {
        let accepted = tokio::select! {
            biased;
            () = closing.cancelled() => return None,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => return Some(stream),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                if tokio::time::timeout(ACCEPT_AGAIN, closing.cancelled()).await.is_ok() {
                    return None;
                }
            }
        }
    }
}
