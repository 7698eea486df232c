// SPDX-License-Identifier: Apache-2.0
//! What a command did, to be compared with what it should have done.

use std::fmt::Debug;
use std::marker::PhantomData;

use adjoin_entity::frame::{AnswerFrame, HandlerResult, Target};
use adjoin_model::{Code, Error, Kind, Payload};
use serde::de::DeserializeOwned;

use super::{Kit, taken};
use crate::cx::decode;
use crate::handler::HandlerFn;
use crate::kinds::{Defined, EventSourced, Value};
use crate::{json, typed};

/// What a command did. Every check panics with both sides when they differ, and gives itself back for the next one.
pub struct Then<S, R> {
    pub(super) kit: Kit<S>,
    pub(super) answer: AnswerFrame,
    pub(super) reply: PhantomData<R>,
}

impl<S: 'static, R> Then<S, R> {
    /// The command answered this.
    #[track_caller]
    pub fn replies(self, expected: R) -> Self
    where
        R: DeserializeOwned + PartialEq + Debug,
    {
        match &self.answer.result {
            HandlerResult::Reply(reply) => assert_eq!(taken(decode::<R>(reply.as_ref())), expected, "the reply"),
            other => panic!("expected the reply {expected:?}, got {other:?}"),
        }
        self
    }

    /// The command was refused with a message that contains this.
    #[track_caller]
    pub fn rejected(self, text: &str) -> Self {
        let error = self.failure();
        assert_eq!(error.kind, Kind::Rejected, "not refused but failed: {error}");
        assert!(error.message.contains(text), "the refusal {:?} does not contain {text:?}", error.message);
        self
    }

    /// The command was refused with this code and a message that contains this.
    #[track_caller]
    pub fn rejected_with(self, code: Code, text: &str) -> Self {
        assert_eq!(self.failure().client_code(), code, "the code of the refusal");
        self.rejected(text)
    }

    /// The command failed with an error of this kind, such as Internal for an unexpected one.
    #[track_caller]
    pub fn failed(self, kind: Kind) -> Self {
        assert_eq!(self.failure().kind, kind, "{}", self.failure());
        self
    }

    /// The command said exactly this beside its reply.
    #[track_caller]
    pub fn reply_metadata<'a>(self, expected: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let found = self.answer.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        assert_eq!(
            found.collect::<Vec<_>>(),
            expected.into_iter().collect::<Vec<_>>(),
            "what was said beside the reply"
        );
        self
    }

    /// The command handed the call on.
    #[track_caller]
    pub fn forwards(self, entity_type: &str, key: &str, command: &str) -> Self {
        match &self.answer.result {
            HandlerResult::Forward(target) => assert_eq!(told(target), format!("{entity_type}/{key} {command}")),
            other => panic!("expected a forward, got {other:?}"),
        }
        self
    }

    /// The command asked for exactly these calls, as `type/key command`.
    #[track_caller]
    pub fn effects<'a>(self, expected: impl IntoIterator<Item = &'a str>) -> Self {
        let found: Vec<String> = self.answer.effects.side_effects.iter().map(|effect| told(&effect.target)).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "the side effects");
        self
    }

    /// The command deleted the entity.
    #[track_caller]
    pub fn deletes(self) -> Self {
        assert!(self.answer.effects.delete, "nothing was deleted: {:?}", self.answer);
        self
    }

    #[track_caller]
    fn failure(&self) -> &Error {
        match &self.answer.result {
            HandlerResult::Failed(error) => error,
            other => panic!("expected a failure, got {other:?}"),
        }
    }
}

impl<S: EventSourced, R> Then<S, R> {
    /// The command emitted exactly these events.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = S::Event>) -> Self
    where
        S::Event: PartialEq + Debug,
    {
        assert!(!matches!(self.answer.result, HandlerResult::Failed(_)), "failed: {:?}", self.answer.result);
        let found: Vec<S::Event> = self.answer.effects.events.iter().map(read::<S>).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "the events");
        self
    }

    /// The state after the command.
    #[must_use]
    #[track_caller]
    pub fn state(&self) -> S {
        let mut state = S::default();
        for event in self.kit.events.iter().chain(&self.answer.effects.events) {
            state.apply(read::<S>(event));
        }
        state
    }

    /// Runs the next command, after what this one wrote.
    #[track_caller]
    pub fn when<F, M, K>(mut self, f: F, body: F::Body) -> Then<S, F::Reply>
    where
        F: HandlerFn<S, M>,
        S: Defined<K>,
    {
        self.kit.events.append(&mut self.answer.effects.events);
        self.kit.when(f, body)
    }

    /// The stored form of the events, as `Name {json}`.
    #[must_use]
    pub fn stored(&self) -> Vec<String> {
        let text = |event: &Payload| format!("{} {}", event.type_name, String::from_utf8_lossy(&event.data));
        self.answer.effects.events.iter().map(text).collect()
    }
}

impl<S: Value, R> Then<S, R> {
    /// The command saved this value.
    #[track_caller]
    pub fn saves(self, expected: S) -> Self
    where
        S: PartialEq + Debug,
    {
        match &self.answer.effects.value {
            Some(value) => {
                let value: S = taken(json::decode(&value.data).map_err(|error| Error::invalid(error.to_string())));
                assert_eq!(value, expected, "the value");
            }
            None => panic!("nothing was saved: {:?}", self.answer),
        }
        self
    }

    /// The command saved nothing.
    #[track_caller]
    pub fn saves_nothing(self) -> Self {
        assert!(self.answer.effects.value.is_none(), "saved {:?}", self.answer.effects.value);
        self
    }
}

fn told(target: &Target) -> String {
    format!("{} {}", target.entity, target.command)
}

#[track_caller]
fn read<S: EventSourced>(event: &Payload) -> S::Event {
    taken(typed::event::<S>(event)).unwrap_or_else(|| panic!("{} is nothing any more", event.type_name))
}
