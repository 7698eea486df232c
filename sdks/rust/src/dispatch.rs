// SPDX-License-Identifier: Apache-2.0
//! The dispatcher: frames of the host in, frames of the function out. One per thread; both transports use it.

mod activation;
mod broken;
#[cfg(test)]
mod cost;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use adjoin_entity::frame::{
    ActivationId, AnswerFrame, CommandFrame, FrameCall, FunctionFrame, HandlerResult, HostFrame,
};
use adjoin_entity::spec::EntityType;
use adjoin_model::{EntityId, Epoch, Error, Payload, Result, Sequence};
use tokio::task::{AbortHandle, spawn_local};

use crate::outbox::Outbox;
use crate::stream::Ports;

/// The types of an app, by name.
pub(crate) type Types = HashMap<Arc<str>, Arc<dyn Definition>>;

/// A handler under way, and the frame it ends with.
pub(crate) type Task = Pin<Box<dyn Future<Output = FunctionFrame>>>;

/// How far a command got at once.
#[expect(clippy::large_enum_variant, reason = "nearly every step is done, so a box would cost an allocation a command")]
pub(crate) enum Step {
    Done(AnswerFrame),
    Later(Task),
}

/// An entity type without its Rust type.
pub(crate) trait Definition: Send + Sync {
    fn spec(&self) -> &EntityType;

    /// Begins an activation from a snapshot, a value, or nothing.
    fn activate(self: Arc<Self>, begin: Begin) -> Result<Box<dyn Activation>>;

    /// Runs a command of an action.
    fn act(self: Arc<Self>, entity: EntityId, frame: CommandFrame, ports: Ports) -> Task;
}

/// What an activation begins with.
pub(crate) struct Begin {
    pub(crate) entity: EntityId,
    pub(crate) epoch: Epoch,
    pub(crate) sequence: Sequence,
    pub(crate) state: Option<Payload>,
}

/// One entity in memory.
pub(crate) trait Activation {
    /// Folds events; answers the sequence it now contains.
    fn replay(&mut self, events: &[(Sequence, Payload)]) -> Result<Sequence>;

    /// Runs a command or a query.
    fn run(&mut self, frame: CommandFrame, outbox: &Rc<Outbox>, ports: &mut dyn FnMut() -> Ports) -> Step;

    /// Takes the state back from a command that ended later.
    fn resume(&mut self);
}

/// An activation, and what waits for a command of it that is under way.
struct Slot {
    activation: Box<dyn Activation>,
    waiting: VecDeque<CommandFrame>,
    running: Option<AbortHandle>,
}

/// Everything one thread runs.
pub(crate) struct Dispatcher {
    types: Arc<Types>,
    slots: HashMap<ActivationId, Slot>,
    calls: HashMap<FrameCall, Ports>,
    outbox: Rc<Outbox>,
}

/// The dispatcher, as the handlers under way see it.
pub(crate) type Dispatch = Rc<RefCell<Dispatcher>>;

impl Dispatcher {
    pub(crate) fn new(types: Arc<Types>, outbox: Rc<Outbox>) -> Dispatch {
        let (slots, calls) = (HashMap::new(), HashMap::new());
        Rc::new(RefCell::new(Self { types, slots, calls, outbox }))
    }

    fn take(&mut self, frame: HostFrame, this: &Dispatch) {
        match frame {
            HostFrame::Activate { activation, entity, epoch, sequence, state } => {
                self.activate(activation, Begin { entity, epoch, sequence, state });
            }
            HostFrame::Replay { activation, events, last: _ } => self.replay(activation, &events),
            HostFrame::Command(frame) if frame.activation == 0 => self.act(frame, this),
            HostFrame::Command(frame) => self.command(frame, this),
            HostFrame::StreamInput { call, payload } => self.with_call(call, |ports| ports.push(payload)),
            HostFrame::StreamInputEnd { call } => self.with_call(call, Ports::end_input),
            HostFrame::StreamCredit { call, elements } => self.with_call(call, |ports| ports.credit(elements)),
            HostFrame::Cancel { call } => self.with_call(call, Ports::cancel),
            HostFrame::Deactivate { activation } => self.forget(activation),
            HostFrame::CallAnswer { id, result } => {
                if let Some(asking) = &self.outbox.asking {
                    asking.answered(id, result);
                }
            }
        }
    }

    fn with_call(&self, call: FrameCall, f: impl FnOnce(&Ports)) {
        if let Some(ports) = self.calls.get(&call) {
            f(ports);
        }
    }

    fn forget(&mut self, activation: ActivationId) {
        if let Some(Slot { running: Some(task), .. }) = self.slots.remove(&activation) {
            task.abort();
        }
    }

    fn activate(&mut self, activation: ActivationId, begin: Begin) {
        let name = begin.entity.shared_type();
        let known = self.types.get(&name).cloned();
        let made = known.ok_or_else(|| Error::not_found(format!("no entity type {name:?} here")));
        match made.and_then(|definition| definition.activate(begin)) {
            Ok(made) => {
                let slot = Slot { activation: made, waiting: VecDeque::new(), running: None };
                self.slots.insert(activation, slot);
            }
            Err(error) => {
                self.outbox.answer(FunctionFrame::ActivationFailed { activation, error, snapshot_unreadable: true })
            }
        }
    }

    fn replay(&mut self, activation: ActivationId, events: &[(Sequence, Payload)]) {
        let Some(slot) = self.slots.get_mut(&activation) else { return };
        let frame = match slot.activation.replay(events) {
            Ok(sequence) => FunctionFrame::Replayed { activation, sequence },
            Err(error) => {
                self.slots.remove(&activation);
                FunctionFrame::ActivationFailed { activation, error, snapshot_unreadable: false }
            }
        };
        self.outbox.answer(frame);
    }

    fn command(&mut self, frame: CommandFrame, this: &Dispatch) {
        let Some(slot) = self.slots.get_mut(&frame.activation) else { return };
        if slot.running.is_some() {
            slot.waiting.push_back(frame);
            return;
        }
        let (activation, call) = (frame.activation, frame.call);
        let mut ports = None;
        let outbox = &self.outbox;
        let step = slot.activation.run(frame, outbox, &mut || ports.insert(Ports::new(call, outbox.clone())).clone());
        match step {
            Step::Done(answer) => self.answered(answer),
            Step::Later(task) => {
                let (this, task) = (this.clone(), broken::task(task));
                slot.running = Some(spawn_local(run_later(this, activation, call, task)).abort_handle());
                self.calls.extend(ports.map(|ports| (call, ports)));
            }
        }
    }

    fn answered(&mut self, answer: AnswerFrame) {
        if answer.activation_ended {
            self.slots.remove(&answer.activation);
        }
        self.outbox.answer(FunctionFrame::Answer(answer));
    }

    /// A command that waited has ended: those behind it run.
    fn ended(&mut self, activation: ActivationId, call: FrameCall, frame: FunctionFrame, this: &Dispatch) {
        self.calls.remove(&call);
        let Some(slot) = self.slots.get_mut(&activation) else { return };
        slot.running = None;
        slot.activation.resume();
        match frame {
            FunctionFrame::Answer(answer) => self.answered(answer),
            other => self.outbox.answer(other),
        }
        while let Some(slot) = self.slots.get_mut(&activation)
            && slot.running.is_none()
            && let Some(next) = slot.waiting.pop_front()
        {
            self.command(next, this);
        }
    }

    fn act(&mut self, frame: CommandFrame, this: &Dispatch) {
        let call = frame.call;
        let task = match self.action(&frame) {
            Ok((definition, entity)) => {
                let ports = Ports::new(call, self.outbox.clone());
                self.calls.insert(call, ports.clone());
                definition.act(entity, frame, ports)
            }
            Err(error) => return self.answered(answer(0, call, HandlerResult::Failed(error))),
        };
        let this = this.clone();
        spawn_local(async move {
            let frame = task.await;
            let mut dispatcher = this.borrow_mut();
            dispatcher.calls.remove(&call);
            dispatcher.outbox.push(frame);
        });
    }

    fn action(&self, frame: &CommandFrame) -> Result<(Arc<dyn Definition>, EntityId)> {
        let entity = frame.entity.clone().ok_or_else(|| Error::protocol("an action without entity"))?;
        let known = self.types.get(entity.entity_type()).cloned();
        let definition =
            known.ok_or_else(|| Error::not_found(format!("no entity type {:?} here", entity.entity_type())))?;
        Ok((definition, entity))
    }
}

/// Works through a batch of the host; what it says gathers in the outbox.
pub(crate) fn take(this: &Dispatch, frames: Vec<HostFrame>) {
    let mut dispatcher = this.borrow_mut();
    for frame in broken::batch(frames) {
        dispatcher.take(frame, this);
    }
}

async fn run_later(this: Dispatch, activation: ActivationId, call: FrameCall, task: Task) {
    let frame = task.await;
    let mut dispatcher = this.borrow_mut();
    dispatcher.ended(activation, call, frame, &this);
    dispatcher.outbox.said.notify_one();
}

pub(crate) fn answer(activation: ActivationId, call: FrameCall, result: HandlerResult) -> AnswerFrame {
    AnswerFrame { activation, call, result, effects: Default::default(), activation_ended: false, metadata: Vec::new() }
}
