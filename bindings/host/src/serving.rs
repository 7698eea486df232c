// SPDX-License-Identifier: Apache-2.0
//! A function that a proxy dials. One session at a time: a new one ends the one before, whose host is gone or does not
//! know it yet.
//!
//! Hosts count their ids from 1, so the foreign side is shown other ones: an answer that a handler gives after its
//! session has ended must name nothing in the next one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adjoin_entity::frame::FunctionFrame;
use adjoin_function::{Address, Event, FunctionSession, Listener, ServeSettings, Server};
use adjoin_model::{Error, Result};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::outbox::Outbox;
use crate::salt::Salt;
use crate::settings::Settings;
use crate::values::{Bounds, FromForeign, ToForeign};

/// The session that is open.
struct Open {
    to_host: mpsc::UnboundedSender<Vec<FunctionFrame>>,
    salt: Salt,
}

type Current = Arc<Mutex<Option<Open>>>;

pub(crate) struct Serving {
    server: Mutex<Option<Server>>,
    sessions: JoinHandle<()>,
    current: Current,
    outbox: Arc<Outbox>,
}

impl Serving {
    pub(crate) async fn open(settings: &Settings, outbox: Arc<Outbox>) -> Result<Self> {
        let spec = settings.spec()?;
        let address: Address = settings.address()?.parse()?;
        let listener = Listener::bind(&address).await?;
        let hello = adjoin_wire::protocol::Hello { running: settings.running, bytes: 0 };
        let serving = ServeSettings { hello, token: settings.token.clone(), ..ServeSettings::default() };
        let (server, events) = adjoin_function::serve(listener, spec, serving)?;
        outbox.push([ToForeign::Ready { address: Some(server.address().to_string()), http: None }]);
        let current = Current::default();
        let sessions = tokio::spawn(receive(events, current.clone(), outbox.clone()));
        Ok(Self { server: Mutex::new(Some(server)), sessions, current, outbox })
    }

    pub(crate) fn submit(&self, batch: Vec<FromForeign>) -> Result<()> {
        let mut frames = Vec::with_capacity(batch.len());
        for item in batch {
            match item {
                FromForeign::Frame(frame) => frames.push(frame),
                FromForeign::Request { id, .. } => {
                    let said = "behind the proxy a function has no host of its own: connect to the proxy instead";
                    self.outbox.push([ToForeign::Failed { id, error: Error::invalid(said) }]);
                }
                FromForeign::Input { .. }
                | FromForeign::InputEnd(_)
                | FromForeign::Cancel(_)
                | FromForeign::Taken(_) => {}
            }
        }
        if let Some(open) = &*lock(&self.current) {
            frames.iter_mut().for_each(|frame| open.salt.in_frame(frame));
            // A session that has just ended wants nothing any more.
            let _ = open.to_host.send(frames);
        }
        Ok(())
    }

    pub(crate) async fn close(&self) -> Result<()> {
        // Without its sender the session ends in order: what was sent still arrives.
        lock(&self.current).take();
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.stop().await;
        }
        self.sessions.abort();
        Ok(())
    }
}

async fn receive(mut events: mpsc::Receiver<Event>, current: Current, outbox: Arc<Outbox>) {
    let mut running: Option<JoinHandle<()>> = None;
    while let Some(event) = events.recv().await {
        match event {
            Event::SpecRefused(said) => outbox.push([ToForeign::SpecRefused(said)]),
            Event::Session(session) => {
                let salt = match Salt::new() {
                    Ok(salt) => salt,
                    Err(error) => {
                        tracing::error!(%error, "a session cannot be taken");
                        continue;
                    }
                };
                if let Some(before) = running.take().filter(|before| !before.is_finished()) {
                    before.abort();
                    // Awaited so that nothing of the old session comes after the new one has begun.
                    let _ = before.await;
                    outbox.push([ToForeign::SessionEnd("another host has opened a session".into())]);
                }
                outbox.push([ToForeign::Session(bounds(&session))]);
                *lock(&current) = Some(Open { to_host: session.to_host.clone(), salt });
                running = Some(tokio::spawn(pass_on(session, salt, outbox.clone())));
            }
        }
    }
}

fn lock(current: &Current) -> MutexGuard<'_, Option<Open>> {
    // It is replaced as a whole, so it is whole at any time.
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bounds(session: &FunctionSession) -> Bounds {
    let welcome = &session.welcome;
    Bounds {
        event_bytes: welcome.event_bytes,
        value_bytes: welcome.value_bytes,
        message_bytes: welcome.message_bytes,
        events_per_command: welcome.events_per_command,
    }
}

async fn pass_on(session: FunctionSession, salt: Salt, outbox: Arc<Outbox>) {
    let FunctionSession { mut from_host, to_host, .. } = session;
    drop(to_host);
    let why = loop {
        match from_host.recv().await {
            Ok(Some(mut frames)) => {
                frames.iter_mut().for_each(|frame| salt.out_frame(frame));
                outbox.push(frames.into_iter().map(ToForeign::Frame));
            }
            Ok(None) => break "the host has ended it".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    outbox.push([ToForeign::SessionEnd(why)]);
}
