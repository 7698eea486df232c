// SPDX-License-Identifier: Apache-2.0
//! A function that proxies dial. Each has a session of its own; the foreign side sees their ids in one space.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adjoin_engine::Request;
use adjoin_entity::Operation;
use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_function::{Address, Event, FunctionSession, Listener, ServeSettings, Server};
use adjoin_model::{Error, Outcome, Result};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::numbered::{self, SessionNumber};
use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::values::{Bounds, FromForeign, RequestId, ToForeign};

/// A session that is open.
struct Open {
    to_host: mpsc::UnboundedSender<Vec<FunctionFrame>>,
    /// Calls of its handlers that the host has not answered.
    asked: HashSet<RequestId>,
}

#[derive(Default)]
struct Sessions {
    last: SessionNumber,
    open: HashMap<SessionNumber, Open>,
}

pub(crate) struct Serving {
    server: Mutex<Option<Server>>,
    receiving: JoinHandle<()>,
    sessions: Arc<Mutex<Sessions>>,
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
        outbox.push([ToForeign::Ready { address: Some(server.address().to_string()), http: None, notes: Vec::new() }]);
        let sessions = Arc::default();
        let receiving = tokio::spawn(receive(events, Arc::clone(&sessions), outbox.clone()));
        Ok(Self { server: Mutex::new(Some(server)), receiving, sessions, outbox })
    }

    pub(crate) fn submit(&self, batch: Vec<FromForeign>) -> Result<()> {
        let mut sessions = lock(&self.sessions);
        let mut portions: HashMap<SessionNumber, Vec<FunctionFrame>> = HashMap::new();
        for item in batch {
            match item {
                FromForeign::Frame(mut frame) => match numbered::in_frame(&mut frame) {
                    Some(session) => portions.entry(session).or_default().push(frame),
                    None => {
                        sessions.open.keys().for_each(|open| portions.entry(*open).or_default().push(frame.clone()));
                    }
                },
                FromForeign::Request { id, streams, uploads, request } => {
                    match sessions.ask(id, *request, streams || uploads) {
                        Ok(frame) => portions.entry(numbered::session_of(id)).or_default().push(frame),
                        Err(error) => self.outbox.push([ToForeign::Failed { id, error }]),
                    }
                }
                FromForeign::Cancel(id) => {
                    let session = numbered::session_of(id);
                    if sessions.open.get_mut(&session).is_some_and(|open| open.asked.remove(&id)) {
                        let cancel = FunctionFrame::CancelCall { id: numbered::own(id) };
                        portions.entry(session).or_default().push(cancel);
                    }
                }
                FromForeign::Input { .. } | FromForeign::InputEnd(_) | FromForeign::Taken(_) => {}
            }
        }
        for (session, frames) in portions {
            if let Some(open) = sessions.open.get(&session) {
                // A session that has just ended wants nothing any more.
                let _ = open.to_host.send(frames);
            }
        }
        Ok(())
    }

    pub(crate) async fn close(&self) -> Result<()> {
        // Without their senders the sessions end in order: what was sent still arrives.
        let open = std::mem::take(&mut lock(&self.sessions).open);
        self.outbox.push(open.into_values().flat_map(|open| unanswered(open, "the function was closed")));
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.stop().await;
        }
        self.receiving.abort();
        Ok(())
    }
}

impl Sessions {
    /// A number that no open session has.
    fn begin(&mut self, to_host: mpsc::UnboundedSender<Vec<FunctionFrame>>) -> SessionNumber {
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            if !self.open.contains_key(&self.last) {
                break;
            }
        }
        self.open.insert(self.last, Open { to_host, asked: HashSet::new() });
        self.last
    }

    /// A call that a handler makes, for the host of its session.
    fn ask(&mut self, id: RequestId, request: Request, streams: bool) -> Result<FunctionFrame> {
        let session = numbered::session_of(id);
        if session == 0 {
            let said = "behind the proxy only a handler calls others, by its context: elsewhere, connect to the proxy";
            return Err(Error::invalid(said));
        }
        if streams || request.operation != Operation::Run {
            let said = "behind the proxy a handler can call others, but neither stream nor watch: connect to the proxy";
            return Err(Error::invalid(said));
        }
        let open =
            self.open.get_mut(&session).ok_or_else(|| Error::unavailable("the session with the host is over"))?;
        open.asked.insert(id);
        Ok(FunctionFrame::Call(request.into_call_frame(numbered::own(id))))
    }
}

async fn receive(mut events: mpsc::Receiver<Event>, sessions: Arc<Mutex<Sessions>>, outbox: Arc<Outbox>) {
    // Dropped with this task, and then every session ends.
    let mut running = JoinSet::new();
    while let Some(event) = events.recv().await {
        while running.try_join_next().is_some() {}
        match event {
            Event::SpecRefused(said) => outbox.push([ToForeign::SpecRefused(said)]),
            Event::Reported(said) => outbox.push([ToForeign::SpecRefused(format!("a Cloudstate proxy: {said}"))]),
            Event::Session(session) => {
                let number = lock(&sessions).begin(session.to_host.clone());
                outbox.push([ToForeign::Session { session: number, bounds: bounds(&session) }]);
                running.spawn(pass_on(number, session, sessions.clone(), outbox.clone()));
            }
        }
    }
}

fn lock(sessions: &Mutex<Sessions>) -> MutexGuard<'_, Sessions> {
    // Every change of it is a single one, so it is whole at any time.
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
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

async fn pass_on(number: SessionNumber, session: FunctionSession, sessions: Arc<Mutex<Sessions>>, outbox: Arc<Outbox>) {
    let FunctionSession { mut from_host, to_host, .. } = session;
    drop(to_host);
    let why = loop {
        match from_host.recv().await {
            Ok(Some(frames)) => {
                if let Err(error) = hand_out(number, frames, &sessions, &outbox) {
                    break error.to_string();
                }
            }
            Ok(None) => break "the host has ended it".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    // Without its sender the session ends on this side too.
    let open = lock(&sessions).open.remove(&number);
    outbox.push(open.into_iter().flat_map(|open| unanswered(open, "the session with the host has ended")));
    outbox.push([ToForeign::SessionEnd { session: number, why }]);
}

fn hand_out(
    number: SessionNumber,
    mut frames: Vec<HostFrame>,
    sessions: &Mutex<Sessions>,
    outbox: &Outbox,
) -> Result<()> {
    frames.iter_mut().try_for_each(|frame| numbered::out_frame(number, frame))?;
    let mut items = Vec::with_capacity(frames.len());
    for frame in frames {
        match frame {
            HostFrame::CallAnswer { id, result } => {
                // One that was cancelled meanwhile is dropped.
                if lock(sessions).open.get_mut(&number).is_some_and(|open| open.asked.remove(&id)) {
                    items.push(match result {
                        Ok(reply) => ToForeign::Reply {
                            id,
                            payload: reply.payload,
                            sequence: reply.sequence,
                            replayed: reply.replayed,
                        },
                        Err(error) => ToForeign::Failed { id, error },
                    });
                }
            }
            frame => items.push(ToForeign::Frame(frame)),
        }
    }
    outbox.push(items);
    Ok(())
}

/// What those hear who wait for calls of a session that is over.
fn unanswered(open: Open, said: &'static str) -> impl Iterator<Item = ToForeign> {
    let error = move || Error::unavailable(said).with_outcome(Outcome::Unknown);
    open.asked.into_iter().map(move |id| ToForeign::Failed { id, error: error() })
}
