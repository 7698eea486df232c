// SPDX-License-Identifier: Apache-2.0
//! One session with the function: ids, credit, and who a frame is for. It has no transport.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use adjoin_entity::frame::{ActivationId, CommandFrame, FrameCall, FunctionFrame, HostFrame};
use adjoin_model::{CommandId, EntityId, Epoch, Error, Metadata, Payload, Sequence};
use adjoin_wire::protocol::Hello;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::catalogue::Offered;
use crate::inbound::Inbound;

/// Handlers at once, and bytes of what they were given, where the function's Hello leaves it to the host.
const RUNNING: usize = 256;
const BYTES: u32 = 64 << 20;

/// A session.
pub(super) struct Line {
    to_function: UnboundedSender<Vec<HostFrame>>,
    table: Mutex<Table>,
    last: AtomicU64,
    /// The upper half of every command's id: unlike that of any other session.
    seed: u64,
    running: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    most_bytes: u32,
    over: CancellationToken,
    /// Given back when the session is over, whoever still holds this.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

/// A session that is to be given to the function.
pub(super) struct Opening {
    pub(super) line: Arc<Line>,
    pub(super) to_host: UnboundedSender<Vec<FunctionFrame>>,
    pub(super) from_host: Inbound<HostFrame>,
    /// Hands out what the function says, for as long as it lasts.
    pub(super) route: Pin<Box<dyn Future<Output = ()> + Send>>,
}

#[derive(Default)]
struct Table {
    activations: HashMap<ActivationId, UnboundedSender<FunctionFrame>>,
    entities: HashMap<EntityId, (ActivationId, CancellationToken)>,
    calls: HashMap<FrameCall, Calling>,
    /// Nobody hands frames out any more: whoever comes now hears the end at once.
    over: bool,
}

/// A call of an action that the function has; it holds its credit until it is answered, whoever waits.
struct Calling {
    frames: UnboundedSender<FunctionFrame>,
    _credit: Credit,
}

/// A handler may run, and has got so much.
pub(super) struct Credit {
    _running: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// An activation. Dropping it ends it.
pub(super) struct Seat {
    pub(super) line: Arc<Line>,
    pub(super) activation: ActivationId,
    entity: EntityId,
    frames: UnboundedReceiver<FunctionFrame>,
    superseded: CancellationToken,
}

/// Why nothing more is heard of an activation.
pub(super) enum Gone {
    /// The function has ended the session.
    Over,
    /// The entity was activated anew.
    Superseded,
}

/// A call of an action. Dropping it before its answer cancels it.
pub(super) struct Call {
    line: Arc<Line>,
    pub(super) id: FrameCall,
    frames: UnboundedReceiver<FunctionFrame>,
    pub(super) answered: bool,
    /// What stands for no reply, where the output is `google.protobuf.Empty`: clients wait for a message.
    pub(super) nothing: Option<Payload>,
}

/// What a handler is run with.
pub(super) struct Run<'a> {
    pub(super) offered: &'a Offered,
    pub(super) payload: Payload,
    pub(super) metadata: Metadata,
}

impl Line {
    /// Makes a session, which lasts until nobody holds it.
    pub(super) fn opening(hello: Hello, place: OwnedSemaphorePermit) -> adjoin_model::Result<Opening> {
        let (to_function, from_host) = mpsc::unbounded_channel();
        let (to_host, said) = mpsc::unbounded_channel();
        let seed = getrandom::u64().map_err(|error| Error::internal(format!("no randomness: {error}")))?;
        let running = usize::try_from(hello.running).ok().filter(|running| *running > 0).unwrap_or(RUNNING);
        let bytes = if hello.bytes == 0 { BYTES } else { u32::try_from(hello.bytes).unwrap_or(BYTES).min(1 << 30) };
        let line = Arc::new(Self {
            to_function,
            table: Mutex::default(),
            last: AtomicU64::new(0),
            seed,
            running: Arc::new(Semaphore::new(running)),
            bytes: Arc::new(Semaphore::new(bytes as usize)),
            most_bytes: bytes,
            over: CancellationToken::new(),
            place: Mutex::new(Some(place)),
        });
        let route = Box::pin(route(Arc::downgrade(&line), line.over.clone(), said));
        Ok(Opening { line, to_host, from_host: Inbound::here(from_host), route })
    }

    /// Whether the function has ended it.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled() || self.to_function.is_closed()
    }

    /// Hands frames to the function, in order. What is sent is bounded: replays by their answers, commands by credit.
    pub(super) fn say(&self, frames: Vec<HostFrame>) {
        // One that has ended wants nothing any more.
        let _ = self.to_function.send(frames);
    }

    /// A fresh id. Its lowest byte says the lane: a function may run what has the same one in order.
    fn id(&self, lane: u64) -> u64 {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        (number << 8) | (lane & 0xff)
    }

    /// Waits until the function takes a further handler with so many bytes. More bytes than it takes at all wait for the
    /// whole of them.
    pub(super) async fn credit(&self, bytes: usize) -> adjoin_model::Result<Credit> {
        let over = |_| ended();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.most_bytes);
        let running = self.running.clone().acquire_owned().await.map_err(over)?;
        let bytes = self.bytes.clone().acquire_many_owned(bytes).await.map_err(over)?;
        Ok(Credit { _running: running, _bytes: bytes })
    }

    /// Begins an activation; an earlier one of the same entity is told that it has ended.
    pub(super) fn activate(self: &Arc<Self>, entity: EntityId, sequence: Sequence, state: Option<Payload>) -> Seat {
        let activation = self.id(self.last.load(Ordering::Relaxed));
        let (sender, frames) = mpsc::unbounded_channel();
        let superseded = CancellationToken::new();
        let earlier = {
            let mut table = self.lock();
            if table.over {
                drop(sender);
                None
            } else {
                table.activations.insert(activation, sender);
                table.entities.insert(entity.clone(), (activation, superseded.clone()))
            }
        };
        if let Some((activation, stream)) = earlier {
            stream.cancel();
            self.say(vec![HostFrame::Deactivate { activation }]);
        }
        // A proxy of this protocol has no epochs.
        let frame = HostFrame::Activate { activation, entity: entity.clone(), epoch: Epoch(0), sequence, state };
        self.say(vec![frame]);
        Seat { line: self.clone(), activation, entity, frames, superseded }
    }

    /// Begins a call of an action; `elements` is the credit of a streamed reply.
    pub(super) fn act(self: &Arc<Self>, entity: EntityId, run: Run<'_>, credit: Credit, elements: u32) -> Call {
        let id = self.id(self.last.load(Ordering::Relaxed));
        let (sender, frames) = mpsc::unbounded_channel();
        let streams = run.offered.method.server_streaming;
        let nothing = run.offered.empty();
        let mut table = self.lock();
        if !table.over {
            table.calls.insert(id, Calling { frames: sender, _credit: credit });
        }
        drop(table);
        let mut said = vec![HostFrame::Command(self.command(0, id, Some(entity), run))];
        if streams {
            said.push(HostFrame::StreamCredit { call: id, elements });
        }
        self.say(said);
        Call { line: self.clone(), id, frames, answered: false, nothing }
    }

    /// What this protocol does not say is said as a first attempt of nobody, without a deadline.
    fn command(
        &self,
        activation: ActivationId,
        call: FrameCall,
        entity: Option<EntityId>,
        run: Run<'_>,
    ) -> CommandFrame {
        let Run { offered, payload, metadata } = run;
        CommandFrame {
            activation,
            call,
            entity,
            name: offered.method.name.as_str().into(),
            payload,
            query: offered.query,
            want_snapshot: false,
            attempt: 1,
            id: self.command_id(call),
            remaining_ms: 0,
            caller: "".into(),
            metadata,
            chain: Vec::new(),
        }
    }

    fn command_id(&self, call: FrameCall) -> CommandId {
        CommandId((u128::from(self.seed) << 64) | u128::from(call))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change of it is a single one, so it is whole at any time.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, frame: FunctionFrame) {
        match frame {
            FunctionFrame::Replayed { activation, .. } | FunctionFrame::ActivationFailed { activation, .. } => {
                self.to_activation(activation, frame);
            }
            FunctionFrame::Answer(ref answer) if answer.activation != 0 => {
                self.to_activation(answer.activation, frame);
            }
            FunctionFrame::Answer(ref answer) => self.to_call(answer.call, frame, true),
            FunctionFrame::StreamEnd { call, .. } => self.to_call(call, frame, true),
            FunctionFrame::StreamElement { call, .. } | FunctionFrame::StreamInputCredit { call, .. } => {
                self.to_call(call, frame, false);
            }
            FunctionFrame::Call(call) => {
                let said =
                    "a proxy of the Cloudstate protocol makes no calls for handlers: use a forward or a side effect";
                self.say(vec![HostFrame::CallAnswer { id: call.id, result: Err(Error::invalid(said)) }]);
            }
            // What it names has been answered already.
            FunctionFrame::CancelCall { .. } => {}
            FunctionFrame::Pressure { level } => {
                tracing::debug!(level, "the function is short of memory, which this protocol cannot say");
            }
        }
    }

    fn to_activation(&self, activation: ActivationId, frame: FunctionFrame) {
        if let Some(frames) = self.lock().activations.get(&activation) {
            // One that has just ended needs no word.
            let _ = frames.send(frame);
        }
    }

    fn to_call(&self, call: FrameCall, frame: FunctionFrame, last: bool) {
        let mut table = self.lock();
        if let Some(calling) = table.calls.get(&call) {
            // Nobody may wait any more.
            let _ = calling.frames.send(frame);
        }
        if last {
            table.calls.remove(&call);
        }
    }
}

/// Hands out what the function says until it ends the session, or nobody is left.
async fn route(line: Weak<Line>, over: CancellationToken, mut said: UnboundedReceiver<Vec<FunctionFrame>>) {
    while let Some(frames) = said.recv().await {
        let Some(line) = line.upgrade() else { break };
        frames.into_iter().for_each(|frame| line.hear(frame));
    }
    over.cancel();
    if let Some(line) = line.upgrade() {
        // Whoever waits sees the end of its frames.
        *line.lock() = Table { over: true, ..Table::default() };
        *line.place.lock().unwrap_or_else(PoisonError::into_inner) = None;
        line.running.close();
        line.bytes.close();
    }
}

/// The session is over.
pub(super) fn ended() -> Error {
    Error::unavailable("the function has ended")
}

impl Seat {
    /// The next frame of the activation. Dropping the future loses nothing.
    pub(super) async fn recv(&mut self) -> Result<FunctionFrame, Gone> {
        tokio::select! {
            biased;
            () = self.superseded.cancelled() => Err(Gone::Superseded),
            frame = self.frames.recv() => frame.ok_or(Gone::Over),
            // It may have ended before this was begun.
            () = self.line.over.cancelled() => Err(Gone::Over),
        }
    }

    /// Runs a handler; its answer comes with the activation's frames.
    pub(super) fn run(&self, run: Run<'_>) -> FrameCall {
        let call = self.line.id(self.activation);
        self.line.say(vec![HostFrame::Command(self.line.command(self.activation, call, None, run))]);
        call
    }

    /// Asks for the state alone.
    pub(super) fn snapshot(&self) -> FrameCall {
        let call = self.line.id(self.activation);
        let command = CommandFrame {
            activation: self.activation,
            call,
            entity: None,
            name: "".into(),
            payload: Payload::new("", Vec::new()),
            query: true,
            want_snapshot: true,
            attempt: 1,
            id: self.line.command_id(call),
            remaining_ms: 0,
            caller: "".into(),
            metadata: Vec::new(),
            chain: Vec::new(),
        };
        self.line.say(vec![HostFrame::Command(command)]);
        call
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.line.lock();
        table.activations.remove(&self.activation);
        let own = table.entities.get(&self.entity).is_some_and(|(activation, _)| *activation == self.activation);
        if own {
            table.entities.remove(&self.entity);
        }
        drop(table);
        if own {
            // One that another has taken the place of was ended then.
            self.line.say(vec![HostFrame::Deactivate { activation: self.activation }]);
        }
    }
}

impl Call {
    /// The next frame of the call; none when the session is over. Dropping the future loses nothing.
    pub(super) async fn recv(&mut self) -> Option<FunctionFrame> {
        tokio::select! {
            biased;
            frame = self.frames.recv() => frame,
            // It may have ended before this was begun.
            () = self.line.over.cancelled() => None,
        }
    }

    /// Hands on what the client streams, or its end, or credit.
    pub(super) fn say(&self, frame: HostFrame) {
        self.line.say(vec![frame]);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.answered {
            self.line.say(vec![HostFrame::Cancel { call: self.id }]);
        }
    }
}
