// SPDX-License-Identifier: Apache-2.0
//! A function that hosts dial.

use std::sync::Arc;

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_entity::spec::Spec;
use adjoin_model::Result;
use adjoin_wire::protocol::Welcome;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::connections::Connections;
use crate::inbound::Inbound;
use crate::listener::Listener;
use crate::served::Served;
use crate::service::Service;
use crate::settings::ServeSettings;

/// What hosts do.
pub enum Event {
    /// A host has opened a session and was told Hello.
    Session(FunctionSession),
    /// A host cannot take what the function declares: what is wrong, where, what to do.
    SpecRefused(String),
    /// What a proxy of the Cloudstate protocol reports, or why it cannot be served: of the spec, or of something that a
    /// handler wanted.
    Reported(String),
}

/// One session with a host. Dropping it ends it.
pub struct FunctionSession {
    /// The limits and the version that the host gave.
    pub welcome: Welcome,
    /// Frames to the host; never waits, since what it carries is bounded by the host's credit. Dropping every clone ends
    /// the session in an orderly way: what was sent before still arrives.
    pub to_host: mpsc::UnboundedSender<Vec<FunctionFrame>>,
    /// Frames of the host.
    pub from_host: Inbound<HostFrame>,
}

/// A function's server. Dropping it cuts every connection.
pub struct Server {
    address: Address,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Takes no more connections, ends every session after what it has sent, and waits for their ends; what has not
    /// ended within [`ServeSettings::stop_ms`] is cut.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the function's server ended unexpectedly");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves a function, to hosts of adjoin and, where it is contract first, to proxies of the Cloudstate protocol, whose
/// connections are sessions like those of hosts: answers Discover with `spec`, and gives each session, and each refusal of the spec, to the
/// receiver. A session that nobody takes within the handshake time is refused. Needs a tokio runtime.
///
/// # Errors
/// `Invalid` when the token is no header value.
pub fn serve(listener: Listener, spec: Spec, settings: ServeSettings) -> Result<(Server, mpsc::Receiver<Event>)> {
    settings.token.as_deref().map(crate::token::header).transpose()?;
    let (events, receiver) = mpsc::channel(settings.sessions.max(1));
    let stop = CancellationToken::new();
    let address = listener.address().clone();
    let settings = Arc::new(settings);
    let sessions = Arc::new(Semaphore::new(settings.sessions));
    let served = settings.cloudstate.then(|| {
        let (settings, events) = (settings.clone(), events.clone());
        Arc::new(Served::new(&spec, settings, events, sessions.clone(), stop.clone()))
    });
    let service = Service::new(spec, settings.clone(), events, sessions, stop.clone());
    let connections = Connections::new(service, served, settings, stop.clone());
    tracing::info!(function = %address, "waiting for a host");
    Ok((Server { address, stop, task: tokio::spawn(connections.run(listener)) }, receiver))
}
