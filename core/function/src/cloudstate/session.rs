// SPDX-License-Identifier: Apache-2.0
//! A session of the engine with a function of this protocol: frames go to the activations and actions that they are
//! for, and come back from them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use adjoin_entity::frame::{ActivationId, CommandFrame, FrameCall, FunctionFrame, HostFrame};
use adjoin_entity::spec::EntityKind;
use adjoin_model::{EntityId, Error, Limits, Payload, Result, Sequence};
use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::action::{self, Input};
use super::activation::{Activation, Dialect, Order};
use super::event_sourced::EventSourced;
use super::model::Model;
use super::report::Reporter;
use super::value_entity::ValueEntity;
use crate::dial::Link;

/// Batches of frames that wait for the engine; past it the streams are held back.
const WAITING: usize = 256;

/// Ended activations, actions and last streams of entities that are kept beside three times as many as run: looking for
/// them costs as much as there are.
const ENDED: usize = 64;

/// Room for what a message has beside its payloads.
const ENVELOPE: usize = 64 << 10;

/// What everybody in a session needs.
pub(super) struct Shared {
    pub(super) channel: Channel,
    /// Largest message taken.
    pub(super) message_bytes: usize,
    pub(super) model: Model,
    pub(super) reporter: Reporter,
    frames: mpsc::Sender<Vec<FunctionFrame>>,
}

impl Shared {
    /// Hands frames to the engine, in order.
    pub(super) async fn say(&self, frames: Vec<FunctionFrame>) {
        // A session that has ended needs no word.
        drop(self.frames.send(frames).await);
    }
}

/// A session. Dropping it cuts every stream.
pub(crate) struct Session {
    frames: Receiver<Vec<FunctionFrame>>,
    gone: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Session {
    /// Carries what `to_function` brings until every sender is gone, or the connection.
    pub(crate) fn new(
        link: &Link,
        model: Model,
        limits: &Limits,
        to_function: UnboundedReceiver<Vec<HostFrame>>,
    ) -> Self {
        let (sender, frames) = mpsc::channel(WAITING);
        let (channel, gone) = (link.channel().clone(), link.gone().clone());
        let (reporter, reporting) = Reporter::new(channel.clone(), link.settings().answer_ms);
        let message_bytes = limits.value_bytes.saturating_add(limits.message_bytes).saturating_add(ENVELOPE);
        let shared = Arc::new(Shared { channel, message_bytes, model, reporter, frames: sender });
        let mut tasks = JoinSet::new();
        tasks.spawn(reporting);
        let streams = link.settings().streams;
        let mut router = Router::new(shared, streams);
        let ended = gone.clone();
        tasks.spawn(async move { router.run(to_function, ended).await });
        Self { frames, gone, _tasks: tasks }
    }

    /// What the function said, in order; none when the host has ended the session.
    ///
    /// # Errors
    /// `Unavailable` when the connection is lost, once everything that ran has been answered.
    pub(crate) async fn recv(&mut self) -> Result<Option<Vec<FunctionFrame>>> {
        match self.frames.recv().await {
            Some(frames) => Ok(Some(frames)),
            None if self.gone.is_cancelled() => {
                Err(Error::unavailable("the connection to the function was lost: look into its log"))
            }
            None => Ok(None),
        }
    }
}

struct Router {
    shared: Arc<Shared>,
    /// Activations past which the host is asked to end idle ones; past twice as many, none is begun.
    streams: usize,
    activations: HashMap<ActivationId, UnboundedSender<Order>>,
    actions: HashMap<FrameCall, UnboundedSender<Input>>,
    /// Closed once the last stream of an entity has ended.
    last: HashMap<EntityId, oneshot::Receiver<()>>,
}

impl Router {
    fn new(shared: Arc<Shared>, streams: usize) -> Self {
        Self { shared, streams, activations: HashMap::new(), actions: HashMap::new(), last: HashMap::new() }
    }

    async fn run(&mut self, mut to_function: UnboundedReceiver<Vec<HostFrame>>, gone: CancellationToken) {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(_) = tasks.join_next() => {}
                () = gone.cancelled() => break,
                frames = to_function.recv() => match frames {
                    Some(frames) => for frame in frames {
                        self.route(frame, &mut tasks).await;
                    },
                    None => break,
                },
            }
            // A task that has ended is gone from `tasks` at once, and from these only here.
            if self.activations.len() + self.actions.len() + self.last.len() > 3 * tasks.len() + ENDED {
                self.forget_ended();
            }
        }
        if !gone.is_cancelled() {
            // The host is gone: every stream is half-closed, and may end in its own time.
            self.activations.clear();
            self.actions.clear();
        }
        // With the connection every stream has broken: each tells those who wait, and ends.
        while tasks.join_next().await.is_some() {}
    }

    /// Whoever has ended by itself takes no orders any more.
    fn forget_ended(&mut self) {
        self.activations.retain(|_, orders| !orders.is_closed());
        self.actions.retain(|_, inputs| !inputs.is_closed());
        self.last.retain(|_, ended| ended.try_recv() == Err(TryRecvError::Empty));
    }

    async fn route(&mut self, frame: HostFrame, tasks: &mut JoinSet<()>) {
        match frame {
            HostFrame::Activate { activation, entity, sequence, state, .. } => {
                self.activate(activation, entity, sequence, state, tasks).await;
            }
            HostFrame::Replay { activation, events, .. } => self.order(activation, Order::Replay(events)),
            HostFrame::Command(command) if command.activation == 0 => self.act(command, tasks).await,
            HostFrame::Command(command) => self.order(command.activation, Order::Command(command)),
            HostFrame::Deactivate { activation } => {
                self.order(activation, Order::Deactivate);
                self.activations.remove(&activation);
            }
            HostFrame::StreamInput { call, payload } => self.input(call, Input::Element(payload)),
            HostFrame::StreamInputEnd { call } => self.input(call, Input::End),
            HostFrame::StreamCredit { call, elements } => self.input(call, Input::Credit(elements)),
            HostFrame::Cancel { call } => {
                // A command of an entity runs on, as with the reference: only actions are cancelled.
                self.actions.remove(&call);
            }
            // Handlers of this protocol make no calls of their own: there is nobody to answer.
            HostFrame::CallAnswer { .. } => {}
        }
    }

    async fn activate(
        &mut self,
        id: ActivationId,
        entity: EntityId,
        sequence: Sequence,
        state: Option<Payload>,
        tasks: &mut JoinSet<()>,
    ) {
        let Some(declared) = self.shared.model.declared(entity.entity_type()).cloned() else { return };
        if self.activations.len() >= self.streams {
            self.forget_ended();
        }
        let open = self.activations.len();
        if open >= self.streams.saturating_mul(2) {
            let said =
                format!("{open} entities of this function are active and busy, each on a stream: the most it takes");
            let error = Error::exhausted(said).retry_after(1000);
            let refusal = FunctionFrame::ActivationFailed { activation: id, error, snapshot_unreadable: false };
            tasks.spawn(told(self.shared.clone(), refusal));
            return;
        }
        if open >= self.streams {
            tasks.spawn(told(self.shared.clone(), FunctionFrame::Pressure { level: 1 }));
        }
        let (sender, orders) = mpsc::unbounded_channel();
        self.activations.insert(id, sender);
        let start = Start { id, entity, sequence, state, orders };
        match declared.kind {
            EntityKind::EventSourced => self.begin::<EventSourced>(start, tasks).await,
            EntityKind::Value => self.begin::<ValueEntity>(start, tasks).await,
            EntityKind::Action => {}
        }
    }

    /// The function sees one stream of an entity at a time: the next begins when it has ended the one before.
    async fn begin<D: Dialect>(&mut self, start: Start, tasks: &mut JoinSet<()>) {
        let Start { id, entity, sequence, state, orders } = start;
        let (this, ended) = oneshot::channel();
        let before = self.last.insert(entity.clone(), ended);
        let activation = Activation::<D>::new(self.shared.clone(), id, entity, sequence, orders);
        let run = async move {
            if let Some(before) = before {
                drop(before.await);
            }
            activation.run(state).await;
            drop(this);
        };
        start_in(tasks, run).await;
    }

    /// One whose activation has ended is the machine's to give out again: it hears of the end.
    fn order(&mut self, activation: ActivationId, order: Order) {
        if let Some(orders) = self.activations.get(&activation) {
            drop(orders.send(order));
        }
    }

    async fn act(&mut self, command: CommandFrame, tasks: &mut JoinSet<()>) {
        let (sender, inputs) = mpsc::unbounded_channel();
        self.actions.insert(command.call, sender);
        start_in(tasks, action::run(self.shared.clone(), command, inputs)).await;
    }

    fn input(&mut self, call: FrameCall, input: Input) {
        if let Some(inputs) = self.actions.get(&call) {
            drop(inputs.send(input));
        }
    }
}

/// Takes a task to its first wait at once, so that streams begin, and calls reach the function, in the order in which
/// they are made: tasks that are only spawned begin in any.
async fn start_in(tasks: &mut JoinSet<()>, task: impl Future<Output = ()> + Send + 'static) {
    let mut task = Box::pin(task);
    // However many begin at once: one that tokio would have wait its turn would lose it.
    let first = poll_fn(|cx| Poll::Ready(task.as_mut().poll(cx).is_pending()));
    if tokio::task::unconstrained(first).await {
        tasks.spawn(task);
    }
}

/// Says one thing to the host, when it has room for it.
async fn told(shared: Arc<Shared>, frame: FunctionFrame) {
    shared.say(vec![frame]).await;
}

/// What an activation begins with.
struct Start {
    id: ActivationId,
    entity: EntityId,
    sequence: Sequence,
    state: Option<Payload>,
    orders: UnboundedReceiver<Order>,
}

#[cfg(test)]
mod tests {
    use adjoin_contract::{Contract, NO_KEY};
    use adjoin_model::CommandId;
    use tonic::transport::Endpoint;

    use super::super::model::{Declared, Method};
    use super::*;

    /// A function with one action, at an address where nobody listens: every call fails at once.
    fn router() -> (Router, Receiver<Vec<FunctionFrame>>) {
        let channel = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        let name: Arc<str> = "a.Mailer".into();
        let method = Method {
            service: name.clone(),
            name: "Send".into(),
            input: "type.googleapis.com/a.Letter".into(),
            output: "type.googleapis.com/a.Letter".into(),
            streamed_in: false,
            streamed_out: false,
        };
        let declared = Declared { kind: EntityKind::Action, name: name.clone(), service: name, methods: vec![method] };
        let contract = Contract::parse(&bytes::Bytes::new(), &adjoin_contract::Limits::default()).expect("empty");
        let (sender, frames) = mpsc::channel(WAITING);
        let (reporter, _) = Reporter::new(channel.clone(), 1);
        let model = Model::new(contract, vec![declared]);
        let shared = Arc::new(Shared { channel, message_bytes: 1 << 20, model, reporter, frames: sender });
        (Router::new(shared, 16), frames)
    }

    fn call(call: FrameCall) -> HostFrame {
        HostFrame::Command(CommandFrame {
            activation: 0,
            call,
            entity: Some(EntityId::new("a.Mailer", NO_KEY).expect("an id")),
            name: "Send".into(),
            payload: Payload::new("type.googleapis.com/a.Letter", Vec::new()),
            query: false,
            want_snapshot: false,
            attempt: 1,
            id: CommandId(1),
            remaining_ms: 0,
            caller: "".into(),
            metadata: Vec::new(),
            chain: Vec::new(),
        })
    }

    #[tokio::test]
    async fn actions_that_have_ended_are_forgotten() {
        let (mut router, mut frames) = router();
        let (to_function, orders) = mpsc::unbounded_channel();
        let gone = CancellationToken::new();
        let calling = async {
            for number in 1..=500 {
                to_function.send(vec![call(number)]).expect("open");
                frames.recv().await.expect("an answer");
            }
            gone.cancel();
        };
        tokio::join!(router.run(orders, gone.clone()), calling);
        // The one that has answered last may still run.
        assert!(router.actions.len() <= ENDED + 2 + 1, "{}", router.actions.len());
    }
}
