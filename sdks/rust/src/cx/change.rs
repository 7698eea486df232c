// SPDX-License-Identifier: Apache-2.0
//! What a command changes, and how it is undone.

use std::sync::Arc;

use adjoin_entity::frame::{Effects, HandlerResult};
use adjoin_model::{Error, Payload};

use super::{Cx, Ended};
use crate::handler::Outcome;
use crate::json;
use crate::kinds::{EventSourced, Value};
use crate::mutant::{Mutant, is};
use crate::names::JSON;
use crate::reject::Reason;

/// The state of an entity, or what an action's handlers share.
pub(crate) enum State<S> {
    Own(Box<S>),
    Shared(Arc<S>),
}

impl<S> State<S> {
    pub(crate) fn get(&self) -> &S {
        match self {
            Self::Own(state) => state,
            Self::Shared(state) => state,
        }
    }

    /// The state of an entity, to change. An action has none of its own.
    pub(crate) fn own(&mut self) -> Option<&mut Box<S>> {
        match self {
            Self::Own(state) => Some(state),
            Self::Shared(_) => None,
        }
    }
}

impl<S: EventSourced> Cx<S> {
    /// Writes an event to the journal and applies it: [`Cx::state`] shows it at once. All events of a command are one
    /// atomic write, made when the handler has returned; if it fails, none is written.
    ///
    /// A command that fails after it emitted has its state restored. A handler that was seen to do that has the state
    /// cloned before its first event from then on; the first time, the entity is replayed instead. So a command that
    /// decides first and emits then never pays for a copy.
    pub fn emit(&mut self, event: S::Event) {
        let Some(payload) = self.recorded(&event) else { return };
        if self.effects.delete {
            return self.fail(Error::internal("an event was emitted after the delete: make it another command"));
        }
        if self.effects.events.is_empty() {
            self.keep(S::clone);
        }
        self.effects.events.push(payload);
        self.applying = true;
        if let Some(state) = self.state.own()
            && !is(Mutant::EmitLater)
        {
            state.apply(event);
        }
        self.applying = false;
    }

    /// The event as it is stored, within bounds.
    fn recorded(&mut self, event: &S::Event) -> Option<Payload> {
        let limit = self.shared.bounds.event_bytes();
        let most = self.shared.bounds.events_per_command();
        match json::encode_event(event) {
            Err(error) => self.fail(Error::internal(format!("the event has no JSON form: {error}"))),
            Ok((name, data)) if name.len() + data.len() > limit => self.fail(Error::exhausted(format!(
                "the event {name} has {} bytes, at most {limit} are taken",
                data.len()
            ))),
            Ok(_) if self.effects.events.len() >= most => {
                self.fail(Error::exhausted(format!("a command emits at most {most} events")));
            }
            Ok((name, data)) => return Some(Payload::new(self.shared.event_name(name), data)),
        }
        None
    }
}

impl<S: Value> Cx<S> {
    /// Replaces the value: [`Cx::state`] shows it at once, it is stored when the handler has returned.
    pub fn set(&mut self, value: S) {
        self.effects.delete = false;
        self.replace(value);
    }

    /// Changes a copy of the value, which then replaces it.
    pub fn update(&mut self, change: impl FnOnce(&mut S))
    where
        S: Clone,
    {
        let mut value = self.state().clone();
        change(&mut value);
        self.set(value);
    }

    /// The new value as it is stored, if the command set one.
    pub(crate) fn save(&mut self) {
        if self.effects.delete || self.before.is_none() {
            return;
        }
        let limit = self.shared.bounds.value_bytes();
        match json::encode(self.state.get()) {
            Err(error) => self.fail(Error::internal(format!("the value has no JSON form: {error}"))),
            Ok(data) if data.len() > limit => {
                self.fail(Error::exhausted(format!("the value has {} bytes, at most {limit} are taken", data.len())));
            }
            Ok(data) => self.effects.value = Some(Payload::new(self.shared.state_name.clone(), data)),
        }
    }
}

impl<S: Default> Cx<S> {
    /// Ends the entity: its state is the initial one at once, its numbering goes on. No event may follow in the same
    /// command; a value may be set again.
    pub fn delete(&mut self) {
        self.effects.delete = true;
        if is(Mutant::DeleteKeepsState) {
            return;
        }
        self.replace(S::default());
    }
}

impl<S> Cx<S> {
    /// Keeps the state before the first change, if this handler has needed it before.
    fn keep(&mut self, copy: impl FnOnce(&S) -> S) {
        if self.keeps_state {
            self.before = Some(Box::new(copy(self.state.get())));
        } else {
            self.lost_before = true;
        }
    }

    /// Puts another state in place; the first one replaced is the one to go back to.
    fn replace(&mut self, state: S) {
        let Some(place) = self.state.own() else {
            return self.fail(Error::internal("an action has no state to replace or delete"));
        };
        let old = std::mem::replace(place, Box::new(state));
        self.before.get_or_insert(old);
    }

    /// Ends the call: takes the effects of one that went well, undoes one that failed.
    pub(crate) fn end(mut self, outcome: Outcome) -> Ended<S> {
        let call = self.frame.call;
        let result = match (self.fault.take(), outcome) {
            (Some(fault), _) => Err(self.located(fault)),
            (None, Ok(reply)) => self.bounded(reply),
            (None, Err(reject)) => match (reject.0, self.forward.take()) {
                (Reason::Forwarded, Some(target)) => Ok(HandlerResult::Forward(target)),
                (reason, _) => Err(self.failure(reason)),
            },
        };
        match result {
            Ok(result) => Ended {
                lost_before: false,
                state: Some(self.state),
                call,
                result,
                effects: self.effects,
                metadata: self.said,
            },
            Err(error) => Ended {
                lost_before: self.lost_before,
                state: self.restored(),
                call,
                result: HandlerResult::Failed(error),
                effects: Effects::default(),
                metadata: Vec::new(),
            },
        }
    }

    fn bounded(&self, reply: Option<bytes::Bytes>) -> Result<HandlerResult, Error> {
        let (size, limit) = (reply.as_ref().map_or(0, bytes::Bytes::len), self.shared.bounds.message_bytes());
        if size > limit {
            let said = format!("the reply has {size} bytes, at most {limit} are taken");
            return Err(self.located(Error::exhausted(said)));
        }
        Ok(HandlerResult::Reply(reply.map(|data| Payload::new(JSON.clone(), data))))
    }

    /// The state as it was before the command; none when it was not kept or an applier gave up half-way.
    fn restored(mut self) -> Option<State<S>> {
        if is(Mutant::NoRestore) {
            return Some(self.state);
        }
        if let Some(before) = self.before.take()
            && !self.lost_before
        {
            return Some(State::Own(before));
        }
        (!self.lost_before && !self.applying).then_some(self.state)
    }

    /// What the caller is told: a refusal as it is, anything else only in the log.
    fn failure(&self, reason: Reason) -> Error {
        let text = match reason {
            Reason::Refused(error) => return self.located(*error),
            Reason::Unexpected(error) => error.to_string(),
            Reason::Forwarded => "Reject::forwarded without Cx::forward".to_owned(),
        };
        self.unexpected(&text)
    }

    /// Logs an unexpected failure and says only that there was one.
    pub(crate) fn unexpected(&self, text: &str) -> Error {
        let (entity, command, id) = (&self.entity, &self.frame.name, self.frame.id);
        tracing::error!(%entity, %command, %id, error = text, "a handler failed unexpectedly");
        let told = if is(Mutant::FailuresTold) { text } else { "the function's log says why" };
        let said = format!("{command} failed unexpectedly; {told}");
        self.located(Error::internal(said))
    }

    fn located(&self, error: Error) -> Error {
        error.at("entity", &self.entity).at("command", &self.frame.name)
    }
}
