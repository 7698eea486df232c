// SPDX-License-Identifier: Apache-2.0
//! Given, when, then: one entity in a test, without host and store.

mod then;

use std::marker::PhantomData;
use std::sync::Arc;

use adjoin_entity::frame::{AnswerFrame, CommandFrame, FunctionFrame, HandlerResult};
use adjoin_model::{CommandId, EntityId, Epoch, Error, Metadata, Payload, Result, Sequence};

use crate::dispatch::{Begin, Definition, Step, answer};
use crate::handler::HandlerFn;
use crate::json;
use crate::kinds::{Action, Defined, EventSourced, Value};
use crate::names::{self, JSON};
use crate::outbox::Outbox;
use crate::stream::Ports;
use crate::typed::{self, Surroundings, Type};

pub use then::Then;

/// A test of an event-sourced entity.
///
/// See [`EventSourced`] for an example.
#[must_use]
pub fn kit<S: EventSourced>() -> Kit<S> {
    Kit::of(typed::event_sourced(&Surroundings::default()))
}

/// A test of a value entity. See [`Value`] for an example.
#[must_use]
pub fn kit_value<S: Value>() -> Kit<S> {
    Kit::of(typed::value(&Surroundings::default()))
}

/// A test of an action.
#[must_use]
pub fn kit_action<S: Action>(action: S) -> Kit<S> {
    Kit::of(typed::action(&Surroundings::default(), Arc::new(action)))
}

/// An entity before its command: what was, and who asks.
pub struct Kit<S> {
    of: Arc<Type<S>>,
    key: String,
    metadata: Metadata,
    state: Option<Payload>,
    events: Vec<Payload>,
}

impl<S: EventSourced> Kit<S> {
    /// Events of the past, in order.
    ///
    /// # Panics
    /// When an event has no JSON form.
    #[must_use]
    #[track_caller]
    pub fn given(mut self, events: impl IntoIterator<Item = S::Event>) -> Self {
        self.events.extend(events.into_iter().map(|event| taken(typed::stored(&event))));
        self
    }

    /// An event as it stands in the journal: for events of older versions.
    #[must_use]
    pub fn given_stored(mut self, type_name: &str, json: &str) -> Self {
        self.events.push(Payload::new(type_name, json.as_bytes().to_vec()));
        self
    }
}

impl<S: Value> Kit<S> {
    /// The value of the past.
    ///
    /// # Panics
    /// When it has no JSON form.
    #[must_use]
    #[track_caller]
    pub fn given_value(mut self, value: &S) -> Self {
        self.state = Some(taken(self.of.save(value)));
        self
    }
}

impl<S: 'static> Kit<S> {
    fn of(made: Type<S>) -> Self {
        let (key, metadata) = ("kit".to_owned(), Metadata::new());
        Self { of: Arc::new(made), key, metadata, state: None, events: Vec::new() }
    }

    /// The entity's key; `kit` without this.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    /// Metadata of the call that follows.
    #[must_use]
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Runs a command or a query, as a host would.
    ///
    /// # Panics
    /// When the handler is not in the table, or what was given cannot be read.
    #[track_caller]
    pub fn when<F, M, K>(self, _: F, body: F::Body) -> Then<S, F::Reply>
    where
        F: HandlerFn<S, M>,
        S: Defined<K>,
    {
        let (_, name) = taken(names::of::<S, K, F>());
        let data = taken(json::encode(&body).map_err(|error| Error::invalid(error.to_string())));
        let answer = taken(self.perform(name, data));
        Then { kit: self, answer, reply: PhantomData }
    }

    /// Runs the handler on a thread of its own, where a runtime for what waits can be made at any time.
    fn perform(&self, name: Arc<str>, data: Vec<u8>) -> Result<AnswerFrame> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(|error| Error::internal(format!("no runtime: {error}")))?;
                runtime.block_on(self.run(name, data))
            });
            thread.join().unwrap_or_else(|_| Err(Error::internal("the kit panicked")))
        })
    }

    async fn run(&self, name: Arc<str>, data: Vec<u8>) -> Result<AnswerFrame> {
        let entity = EntityId::new(self.of.spec.name.clone(), self.key.as_str())?;
        let outbox = std::rc::Rc::new(Outbox::new(None));
        let frame = self.frame(name, data);
        if self.of.spec.kind == adjoin_entity::spec::EntityKind::Action {
            return Ok(answered(self.of.clone().act(entity, frame, Ports::new(1, outbox)).await));
        }
        let begin = Begin { entity, epoch: Epoch(1), sequence: 0, state: self.state.clone() };
        let mut active = self.of.clone().activate(begin)?;
        let events: Vec<(Sequence, Payload)> = (1..).zip(self.events.iter().cloned()).collect();
        active.replay(&events)?;
        match active.run(frame, &outbox, &mut || Ports::new(1, outbox.clone())) {
            Step::Done(answer) => Ok(answer),
            Step::Later(task) => Ok(answered(task.await)),
        }
    }

    fn frame(&self, name: Arc<str>, data: Vec<u8>) -> CommandFrame {
        CommandFrame {
            activation: u64::from(self.of.spec.kind != adjoin_entity::spec::EntityKind::Action),
            call: 1,
            entity: None,
            query: self.of.handlers.get(&*name).is_some_and(|entry| entry.query),
            name,
            payload: Payload::new(JSON.clone(), data),
            want_snapshot: true,
            attempt: 1,
            id: CommandId(1),
            remaining_ms: 0,
            caller: "".into(),
            metadata: self.metadata.clone(),
            chain: Vec::new(),
        }
    }
}

fn answered(frame: FunctionFrame) -> AnswerFrame {
    match frame {
        FunctionFrame::Answer(answer) => answer,
        FunctionFrame::StreamEnd { call, error } => {
            answer(0, call, error.map_or(HandlerResult::Reply(None), HandlerResult::Failed))
        }
        other => answer(0, 0, HandlerResult::Failed(Error::internal(format!("a handler ended with {other:?}")))),
    }
}

#[track_caller]
fn taken<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
