// SPDX-License-Identifier: Apache-2.0
//! One entity of a known Rust type, and actions.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use adjoin_entity::frame::{ActivationId, AnswerFrame, CommandFrame, FunctionFrame, HandlerResult};
use adjoin_entity::spec::EntityType;
use adjoin_model::{EntityId, Epoch, Error, Payload, Result, Sequence};
use futures::FutureExt;

use super::{Activation, Begin, Definition, Step, Task, answer, broken};
use crate::cx::{Addressed, Cx, Ended, State};
use crate::handler::{Outcome, Run};
use crate::handlers::Entry;
use crate::outbox::Outbox;
use crate::reject::{Reason, Reject};
use crate::stream::Ports;
use crate::typed::Type;

/// An entity in memory. While a command of it waits, the state is with that command and comes back through `parked`.
struct Active<S> {
    of: Arc<Type<S>>,
    entity: EntityId,
    epoch: Epoch,
    sequence: Sequence,
    state: Option<State<S>>,
    parked: Rc<RefCell<Option<State<S>>>>,
}

impl<S: 'static> Definition for Type<S> {
    fn spec(&self) -> &EntityType {
        &self.spec
    }

    fn activate(self: Arc<Self>, begin: Begin) -> Result<Box<dyn Activation>> {
        let Begin { entity, epoch, sequence, state } = begin;
        let state = match state {
            Some(payload) => State::Own(Box::new(guarded("the stored state", || self.load(&payload))?)),
            None => guarded("the initial state", || Ok((self.initial)()))?,
        };
        Ok(Box::new(Active { of: self, entity, epoch, sequence, state: Some(state), parked: Rc::default() }))
    }

    fn act(self: Arc<Self>, entity: EntityId, frame: CommandFrame, ports: Ports) -> Task {
        Box::pin(async move {
            let call = frame.call;
            let Some(entry) = self.handlers.get(&*frame.name) else {
                return FunctionFrame::Answer(answer(0, call, HandlerResult::Failed(unknown(&self.spec, &frame.name))));
            };
            let streamed = entry.bound.streamed_out;
            let data = frame.payload.data.clone();
            let addressed = Addressed { entity, epoch: Epoch(0), frame, outbox: ports.outbox() };
            let mut cx = Cx::new((self.initial)(), addressed, self.shared.clone(), false);
            if streamed {
                cx = cx.with_ports(ports.clone());
            }
            let outcome = run(entry, &mut cx, &data, ports.clone()).await;
            let ended = cx.end(late_effects(outcome, streamed && ports.has_late_effects()));
            if streamed { stream_end(call, ended.result) } else { answer_action(ended) }
        })
    }
}

fn late_effects(outcome: Outcome, late: bool) -> Outcome {
    if late && outcome.is_ok() {
        return Err(unexpected("a stream asked for an effect after its last element".into()));
    }
    outcome
}

fn stream_end(call: u64, result: HandlerResult) -> FunctionFrame {
    let error = match result {
        HandlerResult::Reply(_) => None,
        HandlerResult::Failed(error) => Some(error),
        HandlerResult::Forward(_) => Some(Error::internal("a stream cannot be forwarded")),
    };
    FunctionFrame::StreamEnd { call, error }
}

fn answer_action<S>(ended: Ended<S>) -> FunctionFrame {
    let Ended { call, result, effects, metadata, .. } = ended;
    FunctionFrame::Answer(AnswerFrame { effects, metadata, ..answer(0, call, result) })
}

impl<S: 'static> Activation for Active<S> {
    fn replay(&mut self, events: &[(Sequence, Payload)]) -> Result<Sequence> {
        let Some(state) = self.state.as_mut().and_then(State::own) else {
            return Err(Error::protocol("events for an entity whose command is under way"));
        };
        let events = broken::behind(events, self.sequence > 0);
        let (of, sequence) = (&self.of, &mut self.sequence);
        guarded("an event", || {
            for (at, event) in events {
                of.fold(state, *at, event)?;
                *sequence = *at;
            }
            Ok(())
        })?;
        Ok(self.sequence)
    }

    fn run(&mut self, frame: CommandFrame, outbox: &Rc<Outbox>, ports: &mut dyn FnMut() -> Ports) -> Step {
        let (activation, call, want_snapshot) = (frame.activation, frame.call, frame.want_snapshot);
        let failed = |error| Step::Done(answer(activation, call, HandlerResult::Failed(error)));
        let of = self.of.clone();
        let Some(frame) = broken::command(frame) else {
            return failed(Error::rejected("seen before"));
        };
        if frame.name.is_empty() && want_snapshot {
            return Step::Done(self.snapshot(activation, call));
        }
        let Some(entry) = of.handlers.get(&*frame.name) else {
            return failed(unknown(&of.spec, &frame.name));
        };
        let Some(state) = self.state.take() else {
            return failed(Error::protocol("a command beside one that is under way"));
        };
        let data = frame.payload.data.clone();
        let addressed = Addressed { entity: self.entity.clone(), epoch: self.epoch, frame, outbox: outbox.clone() };
        let mut cx = Cx::new(state, addressed, of.shared.clone(), entry.keeps_state.load(Ordering::Relaxed));
        match &entry.bound.run {
            Run::Now(f) => {
                let outcome = caught(catch_unwind(AssertUnwindSafe(|| f(&mut cx, &data))));
                let (mut answer, state) = settle(&of, entry, cx, outcome, activation, want_snapshot);
                self.state = state;
                if entry.query {
                    broken::query(&self.entity, &entry.name, &data, &mut answer);
                }
                Step::Done(answer)
            }
            Run::Later(_) => {
                let (of, parked, ports, name) = (of.clone(), self.parked.clone(), ports(), entry.name.clone());
                Step::Later(Box::pin(async move {
                    let Some(entry) = of.handlers.get(&name) else {
                        return FunctionFrame::Answer(answer(
                            activation,
                            call,
                            HandlerResult::Failed(unknown(&of.spec, &name)),
                        ));
                    };
                    let outcome = run(entry, &mut cx, &data, ports).await;
                    let (answer, state) = settle(&of, entry, cx, outcome, activation, want_snapshot);
                    *parked.borrow_mut() = state;
                    FunctionFrame::Answer(answer)
                }))
            }
        }
    }

    fn resume(&mut self) {
        self.state = self.parked.take();
    }
}

impl<S: 'static> Active<S> {
    /// Answers a query that asks for nothing but the state.
    fn snapshot(&self, activation: ActivationId, call: u64) -> AnswerFrame {
        let saved = match &self.state {
            Some(state) => guarded("the state", || self.of.save(state.get())),
            None => Err(Error::protocol("a query beside a command that is under way")),
        };
        match saved {
            Ok(snapshot) => {
                let mut answer = answer(activation, call, HandlerResult::Reply(None));
                answer.effects.snapshot = Some(snapshot);
                answer
            }
            Err(error) => answer(activation, call, HandlerResult::Failed(error)),
        }
    }
}

/// Ends a command of an entity: its answer, and the state to go on with.
fn settle<S: 'static>(
    of: &Type<S>,
    entry: &Entry<S>,
    mut cx: Cx<S>,
    outcome: Outcome,
    activation: ActivationId,
    want_snapshot: bool,
) -> (AnswerFrame, Option<State<S>>) {
    (of.finish)(&mut cx);
    let Ended { mut state, call, result, effects, metadata, lost_before } = cx.end(outcome);
    if lost_before {
        entry.keeps_state.store(true, Ordering::Relaxed);
    }
    let ended = state.is_none();
    let mut answer = AnswerFrame { effects, metadata, activation_ended: ended, ..answer(activation, call, result) };
    if let Some(state) = state.as_ref().filter(|_| want_snapshot) {
        // A snapshot is an offer: without one the host goes on from the events.
        answer.effects.snapshot = guarded("the state", || of.save(state.get()))
            .inspect_err(|error| tracing::error!(%error, entity_type = %of.spec.name, "no snapshot"))
            .ok();
    }
    broken::answer(of, &mut answer, &mut state);
    (answer, state)
}

/// Runs a handler to its end, whichever way it runs.
async fn run<S>(entry: &Entry<S>, cx: &mut Cx<S>, data: &[u8], ports: Ports) -> Outcome {
    match &entry.bound.run {
        Run::Now(f) => caught(catch_unwind(AssertUnwindSafe(|| f(cx, data)))),
        Run::Later(f) => match catch_unwind(AssertUnwindSafe(|| f(cx, data, ports))) {
            Ok(running) => caught(AssertUnwindSafe(running).catch_unwind().await),
            Err(panic) => caught(Err(panic)),
        },
    }
}

fn caught(result: std::result::Result<Outcome, Box<dyn Any + Send>>) -> Outcome {
    result.unwrap_or_else(|panic| Err(unexpected(format!("panic: {}", message(&*panic)))))
}

fn unexpected(text: String) -> Reject {
    Reject(Reason::Unexpected(text.into()))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

/// Runs the user's code for reading or writing a state; a panic there is said like an error.
fn guarded<T>(what: &str, f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        Err(Error::internal(format!("{what} made the function's code panic: {}", message(&*panic))))
    })
}

fn unknown(spec: &EntityType, name: &str) -> Error {
    let known: Vec<&str> = spec.handlers.iter().map(|handler| &*handler.name).collect();
    Error::not_found(format!("{} has no command {name:?}; it has: {}", spec.name, known.join(", ")))
}
