// SPDX-License-Identifier: Apache-2.0
//! The engine: loops, writer and readers of one node, and the calls that edges make.

use std::sync::{Arc, Mutex, PoisonError};

use adjoin_entity::spec::Spec;
use adjoin_entity::{CallId, Operation, Reply, SessionId};
use adjoin_model::{Mono, Result, Sequence};
use adjoin_storage::Store;
use tokio::sync::{oneshot, watch};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::elements::{self, Elements, Upstream};
use crate::message::{FrameSink, Message};
use crate::request::Request;
use crate::responder::Responder;
use crate::session::{Hello, Session};
use crate::settings::Settings;
use crate::shared::{Shared, stopped};
use crate::status::Status;

/// The driver of one node: cheap to clone, usable from any task. Dropping the last clone stops it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    store: Arc<dyn Store>,
    settings: Settings,
    catalog: watch::Sender<Arc<Catalog>>,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    last: SessionId,
    up: Vec<SessionId>,
}

impl Engine {
    /// Claims every shard of the store under a fresh random owner and starts the loops on the current tokio runtime.
    ///
    /// # Errors
    /// `Invalid` for settings out of range; `Fenced` when another node claims at the same time; what the store says.
    pub async fn start(store: Arc<dyn Store>, settings: Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        settings.check()?;
        let _ = (store, clock);
        Err(adjoin_model::Error::unavailable("being written"))
    }

    /// Makes a function process usable: its frames go to `sink`, one batch per step of a loop; what it says comes
    /// through [`Session::deliver`]. Several sessions may be up at once.
    ///
    /// # Errors
    /// `Invalid` when the spec has problems, naming all of them; `Unavailable` when the engine has stopped.
    pub fn session_up(&self, spec: Arc<Spec>, hello: Hello, sink: FrameSink) -> Result<Session> {
        spec.check()?;
        let loops = self.inner.shared.inboxes.len() as u32;
        let or = |said: u32, setting: u32| if said == 0 { setting } else { said };
        let running = or(hello.running, self.inner.settings.function_running).div_ceil(loops);
        let bytes = if hello.bytes == 0 { self.inner.settings.function_bytes } else { hello.bytes };
        let bytes = bytes.div_ceil(u64::from(loops));
        let id = self.inner.sessions().next();
        for index in 0..loops {
            let message = Message::SessionUp { session: id, spec: spec.clone(), running, bytes, sink: sink.clone() };
            self.inner.shared.send(index as u8, message).map_err(|_| stopped())?;
        }
        self.inner.catalog.send_modify(|catalog| Arc::make_mut(catalog).session_up(id, &spec));
        Ok(Session { engine: self.inner.clone(), id, over: false })
    }

    /// Every entity type that a function has declared so far.
    #[must_use]
    pub fn types(&self) -> Arc<Catalog> {
        self.inner.catalog.borrow().clone()
    }

    /// The same, with news of every change.
    #[must_use]
    pub fn watch_types(&self) -> watch::Receiver<Arc<Catalog>> {
        self.inner.catalog.subscribe()
    }

    /// Makes a call and waits for its reply. Dropping the future cancels the call.
    ///
    /// # Errors
    /// What the call ended with; `outcome` says whether it can have had an effect.
    pub async fn call(&self, request: Request) -> Result<Reply> {
        let (sender, receiver) = oneshot::channel();
        let call = self.submit(request, Responder::Once(sender));
        let mut dropped = CancelOnDrop { shared: &self.inner.shared, call: Some(call) };
        let result = receiver.await;
        dropped.call = None;
        result.unwrap_or_else(|_| Err(stopped()))
    }

    /// Makes a call whose end goes to `responder`, exactly once.
    pub fn submit(&self, request: Request, responder: Responder) -> CallId {
        self.inner.shared.submit(request, responder)
    }

    /// Watches a query: its answer now and after every change, the latest only. `after` is the last sequence that the
    /// watcher has seen; nothing at or below it is sent.
    #[must_use]
    pub fn watch(&self, request: Request, after: Option<Sequence>) -> Elements {
        self.stream(Request { operation: Operation::Watch { after }, ..request })
    }

    /// Calls a handler that streams its reply.
    #[must_use]
    pub fn stream(&self, request: Request) -> Elements {
        let (sink, items) = elements::channel();
        let call = self.submit(request, Responder::Stream(sink));
        Elements::of(self.inner.shared.clone(), call, items)
    }

    /// Calls a handler that streams its input, its reply, or both.
    #[must_use]
    pub fn duplex(&self, request: Request) -> (Upstream, Elements) {
        let elements = self.stream(request);
        (Upstream::of(self.inner.shared.clone(), elements.call()), elements)
    }

    /// Nobody waits for this call any more. A command that the function has may still have its effect.
    pub fn cancel(&self, call: CallId) {
        self.inner.shared.cancel(call);
    }

    /// So many elements of a call with a queue as responder were passed on: more may follow.
    pub fn taken(&self, call: CallId, elements: u32) {
        self.inner.shared.taken(call, elements);
    }

    /// Stops taking calls and waits until those in flight have ended or `deadline` has come; says whether they have.
    /// Watches end as Unavailable.
    pub async fn drain(&self, deadline: Mono) -> bool {
        let _ = deadline;
        self.inner.shared.admission.drain();
        false
    }

    /// The store, for reading: journal, keys.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.shared.clock
    }

    /// The settings it was started with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// What it can say about itself. Asks every loop, so it costs a step of each.
    pub async fn status(&self) -> Status {
        let admission = &self.inner.shared.admission;
        Status {
            calls: admission.calls(),
            waiting_bytes: admission.bytes(),
            draining: admission.is_draining(),
            sessions: self.inner.sessions().up.clone(),
            ..Status::default()
        }
    }
}

impl Inner {
    fn sessions(&self) -> std::sync::MutexGuard<'_, Sessions> {
        // A list of numbers is whole at any time.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session_down(&self, session: SessionId) {
        self.sessions().up.retain(|other| *other != session);
        self.catalog.send_modify(|catalog| Arc::make_mut(catalog).session_down(session));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for index in 0..self.shared.inboxes.len() {
            // One that has stopped needs no telling.
            let _ = self.shared.send(index as u8, Message::Stop);
        }
    }
}

impl Sessions {
    fn next(&mut self) -> SessionId {
        self.last += 1;
        self.up.push(self.last);
        self.last
    }
}

struct CancelOnDrop<'a> {
    shared: &'a Shared,
    call: Option<CallId>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.shared.cancel(call);
        }
    }
}
