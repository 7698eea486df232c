// SPDX-License-Identifier: Apache-2.0
//! What a function answers, as the machine takes it: reply, failure or forward, and the calls to make.

use adjoin_entity::frame::{HandlerResult, SideEffect, Target};
use adjoin_model::{Code, Error, Metadata, Outcome};
use prost_types::Any;

use super::model::{Method, Model};
use super::payload::{metadata, payload};
use super::protocol::client_action::Action;
use super::protocol::{ClientAction, Failure, Forward, Reply, SideEffect as Wanted};
use super::report::Reporter;

/// Translates what the answers to calls of one method hold.
#[derive(Clone, Copy)]
pub(super) struct Answers<'a> {
    pub(super) model: &'a Model,
    pub(super) reporter: &'a Reporter,
    pub(super) method: &'a Method,
}

/// What is to become of a call.
pub(super) struct Ended {
    pub(super) result: HandlerResult,
    /// Beside a reply.
    pub(super) metadata: Metadata,
    pub(super) side_effects: Vec<SideEffect>,
}

impl Ended {
    /// A failure, and nothing beside it.
    pub(super) fn failed(error: Error) -> Self {
        Self { result: HandlerResult::Failed(error), metadata: Metadata::new(), side_effects: Vec::new() }
    }
}

/// A failure that the client sees as the reference proxy shows it: UNKNOWN with this text.
pub(super) fn unknown(text: impl Into<String>) -> Error {
    Error::rejected(text).with_code(Code::Unknown)
}

/// A call that was cut off because its entity has ended.
pub(super) fn cut_off(text: &str) -> Error {
    Error::protocol(text).with_code(Code::Unknown).with_outcome(Outcome::None)
}

impl Answers<'_> {
    /// Reply, failure or forward, with the side effects that came beside it. A call that cannot be found is told to the
    /// function; if the client waits for it, it fails the command.
    pub(super) fn outcome(self, action: Option<Action>, wanted: Vec<Wanted>) -> Ended {
        let (mut result, said) = self.result(action);
        let mut side_effects = Vec::with_capacity(wanted.len());
        for effect in wanted {
            let synchronous = effect.synchronous;
            match self.target("side-effect of", effect.service_name, effect.command_name, effect.payload) {
                Ok(target) => {
                    let target = Target { metadata: metadata(effect.metadata), ..target };
                    side_effects.push(SideEffect { target, synchronous, durable: false });
                }
                Err(error) if synchronous => {
                    result = HandlerResult::Failed(error);
                    break;
                }
                Err(_) => {}
            }
        }
        Ended { result, metadata: said, side_effects }
    }

    fn result(self, action: Option<Action>) -> (HandlerResult, Metadata) {
        let result = match action {
            None => HandlerResult::Reply(None),
            Some(Action::Reply(Reply { payload: body, metadata: said })) => {
                if let Some(body) = &body {
                    self.check_type(body);
                }
                return (HandlerResult::Reply(body.map(payload)), metadata(said));
            }
            Some(Action::Failure(Failure { description, .. })) => HandlerResult::Failed(unknown(description)),
            Some(Action::Forward(Forward { service_name, command_name, payload, metadata: headers })) => {
                let found = self.target("forwarded from", service_name, command_name, payload);
                match found {
                    Ok(target) => HandlerResult::Forward(Target { metadata: metadata(headers), ..target }),
                    Err(error) => HandlerResult::Failed(error),
                }
            }
        };
        (result, Metadata::new())
    }

    /// A reply of another type than the method's is passed on all the same: only the function can know better.
    fn check_type(self, body: &Any) {
        let declared = &self.method.output;
        if body.type_url != *declared {
            let (service, name) = (&self.method.service, &self.method.name);
            self.reporter.tell(format!(
                "Warning: {service}.{name} declares replies of type {declared}, this one has type {:?}",
                body.type_url
            ));
        }
    }

    fn target(self, how: &str, service: String, command: String, body: Option<Any>) -> Result<Target, Error> {
        let found = self.model.target(&service, &command, body.map(payload));
        found.map_err(|why| {
            let (from, name) = (&self.method.service, &self.method.name);
            let said = format!("{why}\n  {how} {from}.{name}");
            self.reporter.tell(said);
            unknown(why)
        })
    }
}

/// The action inside its wrapper.
pub(super) fn action(wrapped: Option<ClientAction>) -> Option<Action> {
    wrapped.and_then(|wrapped| wrapped.action)
}
