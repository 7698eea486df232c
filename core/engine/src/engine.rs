// SPDX-License-Identifier: Apache-2.0
//! The engine: loops, writer and readers of one node, and the calls that edges make.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adjoin_entity::spec::Spec;
use adjoin_entity::{CallId, ConsumerStatus, EffectStatus, Input, Operation, SessionId};
use adjoin_model::{ConsumerId, Error, Head, Mono, Position, Result, Sequence, ShardId};
use adjoin_storage::Store;
use tokio::sync::{mpsc, oneshot, watch};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::elements::{self, Elements, Upstream};
use crate::handler_calls::HandlerCalls;
use crate::message::{FrameSink, Message};
use crate::pending::PendingReply;
use crate::request::Request;
use crate::responder::Responder;
use crate::session::{Hello, Session};
use crate::settings::Settings;
use crate::shared::{Shared, bug, stopped};
use crate::start::{self, Started};
use crate::status::Status;

/// The driver of one node: cheap to clone, usable from any task. Dropping the last clone, and the last session, stops it.
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
    /// Held while a function is told of.
    telling: Mutex<()>,
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

#[derive(Default)]
struct Sessions {
    last: SessionId,
    up: Vec<SessionId>,
    /// Every consumer that a function has subscribed as, or that the store remembers.
    consumers: BTreeSet<ConsumerId>,
}

impl Engine {
    /// Claims every shard of the store under a fresh random owner and starts the loops on the current tokio runtime.
    ///
    /// # Errors
    /// `Invalid` for settings out of range or outside of a runtime; `Fenced` when another node claims at the same time;
    /// what the store says.
    pub async fn start(store: Arc<dyn Store>, settings: Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let Started { shared, ended, consumers } = start::start(store.clone(), &settings, clock).await?;
        let catalog = watch::Sender::new(Arc::default());
        let sessions = Mutex::new(Sessions { consumers, ..Sessions::default() });
        let ended = tokio::sync::Mutex::new(ended);
        Ok(Self {
            inner: Arc::new(Inner { shared, store, settings, catalog, sessions, telling: Mutex::default(), ended }),
        })
    }

    /// Makes a function process usable: its frames go to `sink`, one batch per step of a loop; what it says comes
    /// through [`Session::deliver`]. Several sessions may be up at once. When the other end of `sink` goes, the session
    /// ends as if the process had died.
    ///
    /// # Errors
    /// `Invalid` when [`Engine::takes`] says so; `Unavailable` when the engine has stopped.
    pub fn session_up(&self, spec: Arc<Spec>, hello: Hello, sink: FrameSink) -> Result<Session> {
        spec.check()?;
        let (shared, settings) = (&self.inner.shared, &self.inner.settings);
        let running = if hello.running == 0 { settings.function_running } else { hello.running };
        let bytes = if hello.bytes == 0 { settings.function_bytes } else { hello.bytes };
        let id = self.inner.sessions().begin(&spec, settings.limits.consumers)?;
        let calls = HandlerCalls::new(shared.clone(), sink.clone());
        let session = Session { engine: self.inner.clone(), id, over: false, calls };
        // Everybody hears of two functions in one order, or some would take for an action what has a state for others.
        let _telling = self.inner.telling.lock().unwrap_or_else(PoisonError::into_inner);
        // The catalog first: whoever sees a call admitted finds its type there.
        self.inner.catalog.send_modify(|catalog| Arc::make_mut(catalog).session_up(id, &spec));
        let parts = shared.rehome(|homes| {
            homes.settle(id, &spec, running);
            let part = |index| (homes.share(running.into(), index) as u32, homes.share(bytes, index));
            (0..shared.inboxes.len() as u8).map(part).collect::<Vec<_>>()
        });
        for (index, (running, bytes)) in (0_u8..).zip(parts) {
            let message = Message::SessionUp { session: id, spec: spec.clone(), running, bytes, sink: sink.clone() };
            shared.send(index, message).map_or(Ok(()), |_| Err(stopped()))?;
        }
        shared.rehome(|homes| homes.spread(&spec));
        Ok(session)
    }

    /// Says whether a function with this spec may have a session.
    ///
    /// # Errors
    /// `Invalid` when the spec has problems, naming all of them, or subscribes as more groups than there is room for.
    pub fn takes(&self, spec: &Spec) -> Result<()> {
        spec.check()?;
        self.inner.sessions().new_consumers(spec, self.inner.settings.limits.consumers).map(drop)
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

    /// Makes a call, at once, and gives a future of its reply. Dropping the future cancels the call.
    ///
    /// # Errors
    /// The future's: what the call ended with; `outcome` says whether it can have had an effect.
    pub fn call(&self, request: Request) -> PendingReply {
        let (sender, receiver) = oneshot::channel();
        let call = self.submit(request, Responder::Once(sender));
        PendingReply::of(self.inner.shared.clone(), call, receiver)
    }

    /// Makes a call whose end goes to `responder`, exactly once; also when it is not taken. Never waits.
    pub fn submit(&self, request: Request, responder: Responder) -> CallId {
        self.inner.shared.submit(request, responder, None)
    }

    /// Watches a query: its answer now and after every change, the latest only. `after` is the last sequence that the
    /// watcher has seen; nothing at or below it is sent.
    pub fn watch(&self, request: Request, after: Option<Sequence>) -> Elements {
        self.stream(Request { operation: Operation::Watch { after }, ..request })
    }

    /// Calls a handler that streams its reply. A handler that does not gives a stream of one.
    pub fn stream(&self, request: Request) -> Elements {
        let (sink, items) = elements::channel();
        let call = self.submit(request, Responder::Stream(sink));
        Elements::of(self.inner.shared.clone(), call, items)
    }

    /// Calls a handler that streams its input and its reply.
    pub fn duplex(&self, request: Request) -> (Upstream, Elements) {
        let (sink, items) = elements::channel();
        let (shared, credit) = (&self.inner.shared, elements::upstream_credit());
        let call = shared.submit(request, Responder::Stream(sink), Some(credit.clone()));
        (Upstream::of(shared.clone(), call, credit), Elements::of(shared.clone(), call, items))
    }

    /// Calls a handler that streams its input and replies once.
    pub fn upload(&self, request: Request) -> (Upstream, PendingReply) {
        let (sender, receiver) = oneshot::channel();
        let (shared, credit) = (&self.inner.shared, elements::upstream_credit());
        let call = shared.submit(request, Responder::Once(sender), Some(credit.clone()));
        (Upstream::of(shared.clone(), call, credit), PendingReply::of(shared.clone(), call, receiver))
    }

    /// Nobody waits for this call any more. A command that the function has may still have its effect.
    pub fn cancel(&self, call: CallId) {
        self.inner.shared.cancel(call);
    }

    /// So many elements of a call with a queue as responder were passed on: more may follow.
    pub fn taken(&self, call: CallId, elements: u32) {
        self.inner.shared.follow(adjoin_entity::Input::Taken { call, elements }, call);
    }

    /// One element of the client's stream for a call with a queue as responder. The caller keeps within the credit
    /// that [`Delivery::InputCredit`](crate::Delivery) gives.
    pub fn stream_input(&self, call: CallId, payload: adjoin_model::Payload) {
        self.inner.shared.follow(adjoin_entity::Input::StreamInput { call, payload }, call);
    }

    /// The client's stream of such a call has ended.
    pub fn stream_input_end(&self, call: CallId) {
        self.inner.shared.follow(adjoin_entity::Input::StreamInputEnd { call }, call);
    }

    /// Stops taking calls of edges and waits until those in flight, and all that their handlers ask for, have ended or
    /// `deadline` has come; then ends the watches. Says whether nothing is under way any more.
    pub async fn drain(&self, deadline: Mono) -> bool {
        let shared = &self.inner.shared;
        shared.admission.drain();
        let drained = async {
            shared.admission.idle().await;
            for done in self.ask_all(Message::Drain) {
                // A loop that has stopped has nothing under way.
                drop(done.await);
            }
        };
        tokio::select! {
            biased;
            () = drained => true,
            () = shared.clock.sleep_until(deadline) => {
                drop(self.ask_all(Message::Drain));
                false
            }
        }
    }

    /// Ends the engine: what waits is answered as unknown. Returns when the store is not used any more; closing it is
    /// the caller's.
    pub async fn stop(&self) {
        start::stop(&self.inner.shared);
        // Nothing is ever sent: the channel closes when the last task and thread have ended.
        self.inner.ended.lock().await.recv().await;
    }

    /// Comes once a loop has stopped after a bug: its entities are lost to this process, and only a new one serves them.
    /// Their calls are answered with this error until then.
    pub async fn failed(&self) -> Error {
        let mut failed = self.inner.shared.failed.subscribe();
        // The sender is held by what this borrows.
        let index = failed.wait_for(Option::is_some).await.ok().and_then(|index| *index);
        bug().at("loop", index.unwrap_or_default())
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

    /// The durable heads of the shards that were ever written or claimed, ordered by shard.
    ///
    /// # Errors
    /// What the store says.
    pub async fn heads(&self) -> Result<Vec<(ShardId, Head)>> {
        self.inner.store.heads().await
    }

    /// What it can say about itself. Every loop looks through its resident entities for it: not for every second.
    pub async fn status(&self) -> Status {
        let slow_ms = self.inner.settings.slow_ms;
        let mut loops = Vec::new();
        for answer in self.ask_all(|answer| Message::Status { slow_ms, answer }) {
            loops.extend(answer.await);
        }
        let admission = &self.inner.shared.admission;
        Status {
            calls: admission.calls(),
            call_bytes: admission.call_bytes(),
            draining: admission.is_draining(),
            sessions: self.inner.sessions().up.clone(),
            loops,
        }
    }

    /// Durable effects that have not ended, at most about `limit`, by shard and position.
    pub async fn effects(&self, limit: usize) -> Vec<EffectStatus> {
        let mut all = Vec::new();
        for answer in self.ask_all(|answer| Message::Effects { limit, answer }) {
            all.extend(answer.await.unwrap_or_default());
        }
        all.sort_by_key(|effect| (effect.shard, effect.position));
        all.truncate(limit);
        all
    }

    /// Has a durable effect tried again at once: the inbox record at this position of a shard.
    ///
    /// # Errors
    /// `NotFound` when there is none that has not ended; `Unavailable` when the engine has stopped.
    pub async fn retry_effect(&self, shard: ShardId, inbox: Position) -> Result<()> {
        self.order(shard, |call| Input::RetryEffect { call, shard, inbox }).await
    }

    /// Drops a durable effect for good: it ends without having run, which is durable when this returns.
    ///
    /// # Errors
    /// `NotFound` when there is none that has not ended; `Conflict` while its command is under way; what the store says.
    pub async fn drop_effect(&self, shard: ShardId, inbox: Position) -> Result<()> {
        self.order(shard, |call| Input::DropEffect { call, shard, inbox }).await
    }

    /// How consumers of events stand in every shard that was written, at most about `limit`, by shard.
    pub async fn consumers(&self, limit: usize) -> Vec<ConsumerStatus> {
        let mut all = Vec::new();
        for answer in self.ask_all(|answer| Message::Consumers { limit, answer }) {
            all.extend(answer.await.unwrap_or_default());
        }
        all.sort_by(|one, other| (&one.consumer, one.shard).cmp(&(&other.consumer, other.shard)));
        all.truncate(limit);
        all
    }

    /// Has a dead letter tried again at once: the event at this position of a shard.
    ///
    /// # Errors
    /// `NotFound` when it is none, or has ended; `Conflict` while it is tried; `Unavailable` without a function that has
    /// the consumer, or when the engine has stopped.
    pub async fn retry_letter(&self, shard: ShardId, consumer: &ConsumerId, event: Position) -> Result<()> {
        let consumer = consumer.clone();
        self.order(shard, |call| Input::RetryLetter { call, shard, consumer, event }).await
    }

    /// Drops a dead letter for good, which is durable when this returns.
    ///
    /// # Errors
    /// `NotFound` when it is none, or has ended; `Conflict` while it is tried; what the store says.
    pub async fn drop_letter(&self, shard: ShardId, consumer: &ConsumerId, event: Position) -> Result<()> {
        let consumer = consumer.clone();
        self.order(shard, |call| Input::DropLetter { call, shard, consumer, event }).await
    }

    async fn order(&self, shard: ShardId, input: impl FnOnce(CallId) -> Input) -> Result<()> {
        let shared = &self.inner.shared;
        let home = shared.home_of(shard);
        let call = shared.call_id(home);
        let (answer, answered) = oneshot::channel();
        if shared.send(home, Message::Order { call, input: input(call), answer }).is_some() {
            return Err(stopped());
        }
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn ask_all<T>(&self, ask: impl Fn(oneshot::Sender<T>) -> Message) -> Vec<oneshot::Receiver<T>> {
        let shared = &self.inner.shared;
        let one = |index| {
            let (sender, receiver) = oneshot::channel();
            // A loop that has stopped drops the sender, which the receiver sees.
            drop(shared.send(index, ask(sender)));
            receiver
        };
        (0..shared.inboxes.len() as u8).map(one).collect()
    }
}

impl Inner {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Lists of names are whole at any time.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session_down(&self, session: SessionId) {
        self.sessions().up.retain(|other| *other != session);
        self.catalog.send_modify(|catalog| Arc::make_mut(catalog).session_down(session));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        start::stop(&self.shared);
    }
}

impl Sessions {
    /// Names a session. What its function subscribes as is known from now on: each consumer keeps something in every
    /// shard, for ever, and functions choose the names.
    fn begin(&mut self, spec: &Spec, most: usize) -> Result<SessionId> {
        let new = self.new_consumers(spec, most)?;
        self.consumers.extend(new);
        self.last += 1;
        self.up.push(self.last);
        Ok(self.last)
    }

    /// Those of its consumers that are not known, if there is room for them.
    fn new_consumers(&self, spec: &Spec, most: usize) -> Result<Vec<ConsumerId>> {
        let new: Vec<_> = spec.consumers().filter(|consumer| !self.consumers.contains(consumer)).collect();
        match new.first() {
            Some(first) if self.consumers.len() + new.len() > most => {
                let (known, more) = (self.consumers.len(), new.len());
                let said = format!(
                    "the function subscribes as {more} consumers that the host does not know, as {first}; it knows \
                     {known} and has room for {most}: keep the names of groups, or raise limits.consumers"
                );
                Err(Error::invalid(said).at("setting", "limits.consumers"))
            }
            _ => Ok(new),
        }
    }
}
