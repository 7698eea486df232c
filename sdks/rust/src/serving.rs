// SPDX-License-Identifier: Apache-2.0
//! An app behind the proxy.

use std::sync::Arc;

use adjoin_entity::frame::{CommandFrame, FunctionFrame, HostFrame};
use adjoin_function::{Address, Event, FunctionSession, Listener, ServeSettings, Server};
use adjoin_model::{Error, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::app::App;
use crate::asking::WORKER_BITS;
use crate::dispatch::Types;
use crate::shared::Bounds;
use crate::typed::Surroundings;
use crate::worker::{Line, Speak, Worker};

/// An app that waits for a proxy. Dropping it cuts every session.
pub struct Serving {
    server: Server,
    sessions: JoinSet<()>,
}

impl App {
    /// Like [`App::serve`], up to where hosts can come: port 0 takes a free one, a path with a `/` is a Unix socket, an
    /// empty one is the variable `ADJOIN_FUNCTION_LISTEN` or else `127.0.0.1:8080`.
    ///
    /// # Errors
    /// `Invalid` when the types or the address are not sound, `Unavailable` when the address cannot be had.
    pub async fn bind(mut self, address: &str) -> Result<Serving> {
        let address: Address = listen(address, std::env::var("ADJOIN_FUNCTION_LISTEN").ok()).parse()?;
        let around = Surroundings::default();
        let (spec, types) = self.types(&around)?;
        let listener = Listener::bind(&address).await?;
        let (server, events) = adjoin_function::serve(listener, Arc::unwrap_or_clone(spec), ServeSettings::default())?;
        let house = House { types, bounds: around.bounds, workers: self.worker_count() };
        let mut sessions = JoinSet::new();
        sessions.spawn(house.receive(events));
        Ok(Serving { server, sessions })
    }
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.server.address()
    }

    /// Serves until the process is told to end (SIGTERM, Ctrl-C), then lets sessions end in an orderly way.
    ///
    /// # Errors
    /// `Internal` when the system cannot say so.
    pub async fn until_told(self) -> Result<()> {
        told_to_end().await?;
        self.stop().await;
        Ok(())
    }

    /// Ends every session in an orderly way.
    pub async fn stop(mut self) {
        self.server.stop().await;
        self.sessions.shutdown().await;
    }
}

/// Where to listen: what was given, what the environment says, or the default.
fn listen(given: &str, variable: Option<String>) -> String {
    let variable = variable.filter(|variable| !variable.is_empty());
    if given.is_empty() { variable.unwrap_or_else(|| "127.0.0.1:8080".into()) } else { given.into() }
}

/// Waits until the process is told to end: SIGTERM or Ctrl-C.
///
/// # Errors
/// `Internal` when the system cannot say so.
pub async fn told_to_end() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| Error::internal(format!("signals cannot be heard: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failed),
    }
}

/// What every session is served with.
struct House {
    types: Arc<Types>,
    bounds: Arc<Bounds>,
    workers: usize,
}

impl House {
    async fn receive(self, mut events: mpsc::Receiver<Event>) {
        let mut sessions = JoinSet::new();
        while let Some(event) = events.recv().await {
            while sessions.try_join_next().is_some() {}
            match event {
                Event::Session(session) => {
                    self.bounds.set(&session.welcome);
                    match self.workers(&session) {
                        Ok(workers) => drop(sessions.spawn(route(session, workers))),
                        Err(error) => tracing::error!(%error, "a host's session cannot be served"),
                    }
                }
                Event::SpecRefused(said) => tracing::error!("the host refuses what this function declares: {said}"),
                // Said already, where it came in.
                Event::Reported(_) => {}
            }
        }
    }

    fn workers(&self, session: &FunctionSession) -> Result<Vec<Desk>> {
        let desk = |index| {
            let (sender, frames) = mpsc::unbounded_channel();
            let speak = Box::new(ToHost(session.to_host.clone()));
            let worker = Worker::start(index, self.types.clone(), Line { frames, speak, calls: true })?;
            Ok(Desk { frames: sender, _worker: worker })
        };
        (0..self.workers).map(desk).collect()
    }
}

/// One worker, as a session sees it.
struct Desk {
    frames: mpsc::UnboundedSender<Vec<HostFrame>>,
    _worker: Worker,
}

struct ToHost(mpsc::UnboundedSender<Vec<FunctionFrame>>);

impl Speak for ToHost {
    fn say(&mut self, frames: Vec<FunctionFrame>) -> bool {
        self.0.send(frames).is_ok()
    }

    fn hang_up(self: Box<Self>) {}
}

/// Hands the frames of a session to its workers until it ends.
async fn route(session: FunctionSession, desks: Vec<Desk>) {
    let FunctionSession { mut from_host, .. } = session;
    loop {
        match from_host.recv().await {
            Ok(Some(frames)) => hand_out(frames, &desks),
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "the session with the host is over"),
        }
    }
}

/// Frames of one activation go to one worker; so do those of one call.
fn hand_out(frames: Vec<HostFrame>, desks: &[Desk]) {
    let mut portions: Vec<Vec<HostFrame>> = desks.iter().map(|_| Vec::new()).collect();
    for frame in frames {
        portions[desk_of(&frame, desks.len())].push(frame);
    }
    for (desk, portion) in desks.iter().zip(portions).filter(|(_, portion)| !portion.is_empty()) {
        // A worker that has ended said why.
        let _ = desk.frames.send(portion);
    }
}

/// An answer goes to the worker whose handler called. The others are told apart by the loop of the host that they come
/// from: ids carry it in their lowest byte.
fn desk_of(frame: &HostFrame, desks: usize) -> usize {
    let number = match frame {
        HostFrame::CallAnswer { id, .. } => id & ((1 << WORKER_BITS) - 1),
        HostFrame::Activate { activation: id, .. }
        | HostFrame::Replay { activation: id, .. }
        | HostFrame::Deactivate { activation: id }
        | HostFrame::Command(CommandFrame { call: id, .. })
        | HostFrame::StreamInput { call: id, .. }
        | HostFrame::StreamInputEnd { call: id }
        | HostFrame::StreamCredit { call: id, .. }
        | HostFrame::Cancel { call: id } => id & 0xff,
    };
    // At most as many as there are desks, which fit a usize.
    number as usize % desks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_given_counts_then_the_variable_then_the_default() {
        let variable = || Some("127.0.0.1:1".to_owned());
        assert_eq!(listen("127.0.0.1:2", variable()), "127.0.0.1:2");
        assert_eq!(listen("", variable()), "127.0.0.1:1");
        assert_eq!(listen("", Some(String::new())), "127.0.0.1:8080");
        assert_eq!(listen("", None), "127.0.0.1:8080");
    }
}
