// SPDX-License-Identifier: Apache-2.0
//! A function that a proxy dials. One session at a time: a new one ends the one before, whose host is gone or does not
//! know it yet.

use std::sync::{Arc, Mutex, PoisonError};

use adjoin_entity::frame::FunctionFrame;
use adjoin_function::{Address, Event, FunctionSession, Listener, ServeSettings, Server};
use adjoin_model::{Error, Result};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::values::{Bounds, FromForeign, ToForeign};

type ToHost = mpsc::UnboundedSender<Vec<FunctionFrame>>;

pub(crate) struct Serving {
    server: Mutex<Option<Server>>,
    sessions: JoinHandle<()>,
    to_host: Arc<Mutex<Option<ToHost>>>,
    outbox: Arc<Outbox>,
}

impl Serving {
    pub(crate) async fn open(settings: &Settings, outbox: Arc<Outbox>) -> Result<Self> {
        let spec = settings.spec()?;
        let address: Address = settings.address()?.parse()?;
        let listener = Listener::bind(&address).await?;
        let (server, events) = adjoin_function::serve(listener, spec, ServeSettings::default())?;
        outbox.push([ToForeign::Ready { address: Some(server.address().to_string()), http: None }]);
        let to_host: Arc<Mutex<Option<ToHost>>> = Arc::default();
        let sessions = tokio::spawn(receive(events, to_host.clone(), outbox.clone()));
        Ok(Self { server: Mutex::new(Some(server)), sessions, to_host, outbox })
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
                FromForeign::Cancel(_) | FromForeign::Taken(_) => {}
            }
        }
        if let Some(to_host) = &*self.to_host.lock().unwrap_or_else(PoisonError::into_inner) {
            // A session that has just ended wants nothing any more.
            let _ = to_host.send(frames);
        }
        Ok(())
    }

    pub(crate) async fn close(&self) -> Result<()> {
        // Without its sender the session ends in order: what was sent still arrives.
        self.to_host.lock().unwrap_or_else(PoisonError::into_inner).take();
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.stop().await;
        }
        self.sessions.abort();
        Ok(())
    }
}

async fn receive(mut events: mpsc::Receiver<Event>, to_host: Arc<Mutex<Option<ToHost>>>, outbox: Arc<Outbox>) {
    let mut running: Option<JoinHandle<()>> = None;
    while let Some(event) = events.recv().await {
        match event {
            Event::SpecRefused(said) => outbox.push([ToForeign::SpecRefused(said)]),
            Event::Session(session) => {
                if let Some(before) = running.take().filter(|before| !before.is_finished()) {
                    before.abort();
                    // Awaited so that nothing of the old session comes after the new one has begun.
                    let _ = before.await;
                    outbox.push([ToForeign::SessionEnd("another host has opened a session".into())]);
                }
                outbox.push([ToForeign::Session(bounds(&session))]);
                *to_host.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.to_host.clone());
                running = Some(tokio::spawn(pass_on(session, outbox.clone())));
            }
        }
    }
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

async fn pass_on(session: FunctionSession, outbox: Arc<Outbox>) {
    let FunctionSession { mut from_host, to_host, .. } = session;
    drop(to_host);
    let why = loop {
        match from_host.recv().await {
            Ok(Some(frames)) => outbox.push(frames.into_iter().map(ToForeign::Frame)),
            Ok(None) => break "the host has ended it".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    outbox.push([ToForeign::SessionEnd(why)]);
}
