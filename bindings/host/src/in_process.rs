// SPDX-License-Identifier: Apache-2.0
//! Engine, store and perhaps the ingress in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adjoin_engine::{Delivery, Engine, Hello, QueueSink, Responder, Session, SystemClock};
use adjoin_entity::CallId;
use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_ingress::Ingress;
use adjoin_model::{Error, Limits, Result};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::folder::{self, Opened};
use crate::outbox::Outbox;
use crate::settings::Settings;
use crate::values::{Bounds, FromForeign, RequestId, ToForeign};

pub(crate) struct InProcess {
    engine: Engine,
    session: Mutex<Option<Arc<Session>>>,
    ingress: Mutex<Option<Ingress>>,
    answers: Arc<Answers>,
}

/// Requests under way, and where their answers go.
struct Answers {
    outbox: Arc<Outbox>,
    /// `None` while a request is being handed in: its answer may be faster than its name.
    calls: Mutex<HashMap<RequestId, Option<CallId>>>,
}

impl InProcess {
    pub(crate) async fn open(settings: &Settings, outbox: Arc<Outbox>) -> Result<Self> {
        let spec = settings.spec()?;
        let (path, shards) = (settings.path.clone(), settings.shards);
        let Opened { store, notes } = tokio::task::spawn_blocking(move || folder::open(path.as_deref(), shards))
            .await
            .map_err(|error| Error::internal(format!("opening the folder: {error}")))??;
        let listener = match &settings.http {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let engine = Engine::start(store, settings.engine.clone(), Arc::new(SystemClock)).await?;
        let (sink, frames) = mpsc::unbounded_channel();
        let hello = Hello { running: settings.running, bytes: 0 };
        let session = engine.session_up(Arc::new(spec), hello, sink)?;
        let ingress = listener
            .map(|listener| adjoin_ingress::serve(engine.clone(), settings.ingress.clone(), listener))
            .transpose()?;
        let http = ingress.as_ref().map(|ingress| format!("http://{}", ingress.address()));
        outbox.push([
            ToForeign::Session { session: 0, bounds: bounds(&settings.engine.limits) },
            ToForeign::Ready { address: None, http, notes },
        ]);
        tokio::spawn(pass_on(frames, outbox.clone()));
        Ok(Self {
            engine,
            session: Mutex::new(Some(Arc::new(session))),
            ingress: Mutex::new(ingress),
            answers: Arc::new(Answers { outbox, calls: Mutex::default() }),
        })
    }

    pub(crate) fn submit(&self, batch: Vec<FromForeign>) -> Result<()> {
        let mut frames = Vec::with_capacity(batch.len());
        for item in batch {
            match item {
                FromForeign::Frame(frame) => frames.push(frame),
                FromForeign::Request { id, request, .. } => {
                    self.answers.calls().insert(id, None);
                    let sink: Arc<dyn QueueSink> = self.answers.clone();
                    let call = self.engine.submit(*request, Responder::Queue { sink, token: id });
                    match self.answers.calls().get_mut(&id) {
                        Some(name) => *name = Some(call),
                        // Answered already, or cancelled before it had its name.
                        None => self.engine.cancel(call),
                    }
                }
                FromForeign::Cancel(id) => {
                    if let Some(Some(call)) = self.answers.calls().remove(&id) {
                        self.engine.cancel(call);
                    }
                }
                FromForeign::Taken(id) => {
                    self.answers.call(id).into_iter().for_each(|call| self.engine.taken(call, 1));
                }
                FromForeign::Input { id, payload } => {
                    if let Some(call) = self.answers.call(id) {
                        self.engine.stream_input(call, payload);
                    }
                }
                FromForeign::InputEnd(id) => {
                    self.answers.call(id).into_iter().for_each(|call| self.engine.stream_input_end(call));
                }
            }
        }
        self.deliver(frames)
    }

    fn deliver(&self, frames: Vec<FunctionFrame>) -> Result<()> {
        if frames.is_empty() {
            return Ok(());
        }
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).clone();
        session.map_or(Ok(()), |session| session.deliver_now(frames))
    }

    pub(crate) async fn close(&self, drain: Duration) -> Result<()> {
        let ingress = self.ingress.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ingress) = ingress {
            ingress.close(drain).await;
        }
        let deadline = self.engine.clock().now().mono.plus_ms(u64::try_from(drain.as_millis()).unwrap_or(u64::MAX));
        if !self.engine.drain(deadline).await {
            tracing::warn!("calls were still under way when the host closed; their outcome is unknown");
        }
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(session) = session.and_then(Arc::into_inner) {
            session.down(true);
        }
        self.engine.stop().await;
        self.answers.outbox.push([ToForeign::SessionEnd { session: 0, why: "the host is closing".into() }]);
        self.answers.fail_rest();
        self.engine.store().close().await
    }
}

impl Answers {
    fn calls(&self) -> MutexGuard<'_, HashMap<RequestId, Option<CallId>>> {
        // A map of numbers is whole at any time.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call of a request that is under way.
    fn call(&self, id: RequestId) -> Option<CallId> {
        self.calls().get(&id).copied().flatten()
    }

    /// Whoever still waits is told that nothing will come.
    fn fail_rest(&self) {
        let rest: Vec<RequestId> = self.calls().drain().map(|(id, _)| id).collect();
        let error = || Error::unavailable("the host was closed").with_outcome(adjoin_model::Outcome::Unknown);
        self.outbox.push(rest.into_iter().map(|id| ToForeign::Failed { id, error: error() }));
    }
}

impl QueueSink for Answers {
    fn take(&self, batch: &mut Vec<(u64, Delivery)>) {
        let mut calls = self.calls();
        let known = |(id, delivery): (u64, Delivery)| {
            let over = matches!(delivery, Delivery::Reply(_) | Delivery::End(_));
            let waits = if over { calls.remove(&id).is_some() } else { calls.contains_key(&id) };
            waits.then(|| answer(id, delivery))
        };
        let answers: Vec<ToForeign> = batch.drain(..).filter_map(known).collect();
        drop(calls);
        self.outbox.push(answers);
    }
}

fn answer(id: RequestId, delivery: Delivery) -> ToForeign {
    match delivery {
        Delivery::Reply(Ok(reply)) => {
            ToForeign::Reply { id, payload: reply.payload, sequence: reply.sequence, replayed: reply.replayed }
        }
        Delivery::Reply(Err(error)) | Delivery::End(Some(error)) => ToForeign::Failed { id, error },
        Delivery::Element { payload, sequence, .. } => ToForeign::Element { id, payload, sequence },
        Delivery::End(None) => ToForeign::End { id },
        Delivery::InputCredit(elements) => ToForeign::InputCredit { id, elements },
    }
}

/// Frames of the loops, as they come, into the queue that the binding polls.
async fn pass_on(mut frames: mpsc::UnboundedReceiver<Vec<HostFrame>>, outbox: Arc<Outbox>) {
    let mut batches = Vec::new();
    while frames.recv_many(&mut batches, 64).await > 0 {
        outbox.push(batches.drain(..).flatten().map(ToForeign::Frame));
    }
}

async fn bind(address: &str) -> Result<TcpListener> {
    let said = |error| Error::unavailable(format!("cannot listen on {address}: {error}"));
    TcpListener::bind(address).await.map_err(said)
}

pub(crate) fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        event_bytes: limits.event_bytes as u64,
        value_bytes: limits.value_bytes as u64,
        message_bytes: limits.message_bytes as u64,
        events_per_command: u32::try_from(limits.events_per_command).unwrap_or(u32::MAX),
    }
}
