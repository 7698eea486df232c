// SPDX-License-Identifier: Apache-2.0
//! What a handler said, as the protocol says it.

use adjoin_entity::frame::{HandlerResult, SideEffect, Target};
use adjoin_entity::spec::EntityKind;
use adjoin_model::{Error, Kind, Metadata, Payload, Result};
use prost_types::Any;

use super::catalogue::{Catalogue, MESSAGE, Offered};
use crate::cloudstate::protocol::client_action::Action;
use crate::cloudstate::protocol::{self, ClientAction, Failure, Forward, Reply};
use crate::cloudstate::{any, entries};
use crate::status::printable;

/// What goes to the client, or where the call goes on.
pub(super) enum Said {
    /// Nothing, where the handler had nothing to say.
    Nothing,
    Reply(Reply),
    Forward(Forward),
    /// Refused: the entity stays as it was.
    Refused(Error),
    /// Failed as no handler should.
    Failed(Error),
}

/// Translates what a handler ended with.
///
/// # Errors
/// `Invalid`: what a proxy of this protocol cannot do.
pub(super) fn said(catalogue: &Catalogue, result: HandlerResult, metadata: Metadata) -> Result<Said> {
    Ok(match result {
        HandlerResult::Reply(None) => Said::Nothing,
        HandlerResult::Reply(Some(payload)) => {
            Said::Reply(Reply { payload: Some(any(payload)), metadata: beside(&metadata) })
        }
        HandlerResult::Forward(target) => Said::Forward(forward(catalogue, target)?),
        HandlerResult::Failed(error) if is_bug(error.kind) => Said::Failed(error),
        HandlerResult::Failed(error) => Said::Refused(error),
    })
}

/// The side effects, in order.
///
/// # Errors
/// As [`said`].
pub(super) fn side_effects(catalogue: &Catalogue, effects: Vec<SideEffect>) -> Result<Vec<protocol::SideEffect>> {
    effects.into_iter().map(|effect| side_effect(catalogue, effect)).collect()
}

fn side_effect(catalogue: &Catalogue, effect: SideEffect) -> Result<protocol::SideEffect> {
    let SideEffect { target, synchronous, durable } = effect;
    if durable {
        let (entity, command) = (&target.entity, &target.command);
        return Err(Error::invalid(format!(
            "a durable effect ({entity} {command}): a proxy of the Cloudstate protocol has no outbox; ask for an effect \
             that is not durable, or use adjoin's proxy with its own protocol"
        )));
    }
    let Forward { service_name, command_name, payload, metadata } = forward(catalogue, target)?;
    Ok(protocol::SideEffect { service_name, command_name, payload, synchronous, metadata })
}

fn forward(catalogue: &Catalogue, target: Target) -> Result<Forward> {
    let Target { entity, command, payload, metadata } = target;
    let Some((declared, offered)) = catalogue.command(entity.entity_type(), &command) else {
        return Err(Error::invalid(format!(
            "{entity} {command} is not of this function: a proxy of the Cloudstate protocol reaches no other"
        )));
    };
    if offered.method.client_streaming || offered.method.server_streaming {
        return Err(Error::invalid(format!(
            "{entity} {command} streams: a forward or a side effect has one message and one reply"
        )));
    }
    // An effect without a body is one with a message of nothing.
    let body = if payload.type_name.is_empty() { nothing(offered.method.input.full_name()) } else { payload };
    if declared.kind != EntityKind::Action {
        let named = offered.method.key(&body.data)?;
        if named != entity.key() {
            let key = entity.key();
            return Err(Error::invalid(format!(
                "{command} is meant for the key {key:?}, and its message names {named:?}: a proxy of the Cloudstate \
                 protocol takes the key from the message"
            )));
        }
    }
    Ok(Forward {
        service_name: declared.service.clone(),
        command_name: (*command).to_owned(),
        payload: Some(any(body)),
        metadata: beside(&metadata),
    })
}

fn beside(metadata: &Metadata) -> Option<protocol::Metadata> {
    (!metadata.is_empty()).then(|| entries(metadata))
}

/// A message with every field at its default.
pub(super) fn nothing(full_name: &str) -> Payload {
    Payload::new(format!("{MESSAGE}{full_name}"), Vec::new())
}

/// The answer of an entity that said nothing: a client waits for a message.
pub(super) fn empty(offered: &Offered) -> Reply {
    let payload: Any = any(nothing(offered.method.output.full_name()));
    Reply { payload: Some(payload), metadata: None }
}

/// A failure of a command that the entity outlives, or not with `restart`.
pub(super) fn failure(command_id: i64, error: &Error, restart: bool) -> Failure {
    Failure { command_id, description: error.message.clone(), restart }
}

/// A breach of the protocol by the proxy.
pub(super) fn breach(command_id: i64, said: &str) -> Failure {
    Failure { command_id, description: format!("Protocol error: {}", printable(said)), restart: false }
}

/// A service that is not there.
pub(super) fn unknown_service(name: &str) -> Failure {
    Failure { command_id: 0, description: format!("Service not found: {}", printable(name)), restart: false }
}

pub(super) fn action(action: Action) -> Option<ClientAction> {
    Some(ClientAction { action: Some(action) })
}

/// Whether a failure of this kind is nobody's decision: such a one ends an entity's stream.
fn is_bug(kind: Kind) -> bool {
    match kind {
        Kind::Internal | Kind::Protocol | Kind::Corrupt => true,
        Kind::Invalid
        | Kind::NotFound
        | Kind::Rejected
        | Kind::Conflict
        | Kind::Denied
        | Kind::Exhausted
        | Kind::Unavailable
        | Kind::Expired
        | Kind::Fenced => false,
    }
}
