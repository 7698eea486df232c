// SPDX-License-Identifier: Apache-2.0
//! Frames from host to function.

use adjoin_entity::Reply;
use adjoin_entity::frame::{CommandFrame, HandlerCall, HostFrame};
use adjoin_model::{EntityId, Epoch, Limits, Result};
use bytes::Bytes;
use protocol::call_answer::Result as CallResult;
use protocol::host_frame::Frame as Message;

use crate::failure::{failure_in, failure_out};
use crate::frame::{Content, Frame, Lane};
use crate::function::reply_in;
use crate::payload::{
    body_in, body_out, command_id_in, command_id_out, entity_in, id_in, metadata_in, metadata_out, named_in,
    payload_in, payload_out, present,
};
use crate::protocol::{self, Part, Welcome};
use crate::scan::{self, Budget};

/// The Welcome of a host with these limits.
#[must_use]
pub fn welcome(version: u32, limits: &Limits) -> Welcome {
    Welcome {
        version,
        event_bytes: limits.event_bytes as u64,
        value_bytes: limits.value_bytes as u64,
        message_bytes: limits.message_bytes as u64,
        events_per_command: u32::try_from(limits.events_per_command).unwrap_or(u32::MAX),
    }
}

impl Frame for HostFrame {
    type Opening = Welcome;
    type Message = protocol::HostFrame;

    fn lane(&self) -> Lane {
        match self {
            Self::Activate { activation, .. } | Self::Replay { activation, .. } | Self::Deactivate { activation } => {
                Lane { activation: *activation, call: 0 }
            }
            Self::Command(command) => Lane { activation: command.activation, call: command.call },
            Self::StreamInput { call, .. }
            | Self::StreamInputEnd { call }
            | Self::StreamCredit { call, .. }
            | Self::Cancel { call } => Lane { activation: 0, call: *call },
            Self::CallAnswer { id, .. } => Lane { activation: 0, call: *id },
        }
    }

    fn into_message(self) -> protocol::HostFrame {
        protocol::HostFrame { frame: Some(message(self)) }
    }

    fn opening(opening: Welcome) -> protocol::HostFrame {
        protocol::HostFrame { frame: Some(Message::Welcome(opening)) }
    }

    fn part(part: Part) -> protocol::HostFrame {
        protocol::HostFrame { frame: Some(Message::Part(part)) }
    }

    fn read(message: protocol::HostFrame) -> Result<Content<Self>> {
        let frame = match present("frame", message.frame)? {
            Message::Welcome(welcome) => return Ok(Content::Opening(welcome)),
            Message::Part(part) => return Ok(Content::Part(part)),
            Message::Activate(activate) => activate_in(activate)?,
            Message::Replay(replay) => replay_in(replay)?,
            Message::Command(command) => Self::Command(command_in(command)?),
            Message::StreamInput(input) => {
                Self::StreamInput { call: id_in("stream_input.call", input.call)?, payload: body_in(input.payload) }
            }
            Message::StreamInputEnd(end) => Self::StreamInputEnd { call: id_in("stream_input_end.call", end.call)? },
            Message::StreamCredit(credit) => {
                Self::StreamCredit { call: id_in("stream_credit.call", credit.call)?, elements: credit.elements }
            }
            Message::Cancel(cancel) => Self::Cancel { call: id_in("cancel.call", cancel.call)? },
            Message::CallAnswer(answer) => call_answer_in(answer)?,
            Message::Deactivate(deactivate) => {
                Self::Deactivate { activation: id_in("deactivate.activation", deactivate.activation)? }
            }
        };
        Ok(Content::Frame(frame))
    }

    fn scan(encoded: &Bytes, budget: &mut Budget) -> Result<()> {
        scan::host_frame(encoded, budget)
    }
}

fn message(frame: HostFrame) -> Message {
    match frame {
        HostFrame::Activate { activation, entity, epoch, sequence, state } => Message::Activate(protocol::Activate {
            activation,
            entity_type: entity.entity_type().to_owned(),
            entity_key: entity.key().to_owned(),
            epoch: epoch.0,
            sequence,
            state: state.map(payload_out),
        }),
        HostFrame::Replay { activation, events, last } => Message::Replay(protocol::Replay {
            activation,
            events: events
                .into_iter()
                .map(|(sequence, payload)| protocol::Event { sequence, payload: Some(payload_out(payload)) })
                .collect(),
            last,
        }),
        HostFrame::Command(command) => Message::Command(command_out(command)),
        HostFrame::StreamInput { call, payload } => {
            Message::StreamInput(protocol::StreamInput { call, payload: body_out(payload) })
        }
        HostFrame::StreamInputEnd { call } => Message::StreamInputEnd(protocol::StreamInputEnd { call }),
        HostFrame::StreamCredit { call, elements } => Message::StreamCredit(protocol::StreamCredit { call, elements }),
        HostFrame::Cancel { call } => Message::Cancel(protocol::Cancel { call }),
        HostFrame::Deactivate { activation } => Message::Deactivate(protocol::Deactivate { activation }),
        HostFrame::CallAnswer { id, result } => Message::CallAnswer(call_answer_out(id, result)),
    }
}

fn call_answer_out(id: HandlerCall, result: Result<Reply>) -> protocol::CallAnswer {
    match result {
        Ok(Reply { payload, sequence, replayed, metadata }) => protocol::CallAnswer {
            id,
            result: Some(CallResult::Reply(payload.map(payload_out).unwrap_or_default())),
            sequence,
            replayed,
            metadata: metadata_out(metadata),
        },
        Err(error) => {
            let result = Some(CallResult::Failure(failure_out(error)));
            protocol::CallAnswer { id, result, ..protocol::CallAnswer::default() }
        }
    }
}

fn call_answer_in(answer: protocol::CallAnswer) -> Result<HostFrame> {
    let result = match present("call_answer.result", answer.result)? {
        CallResult::Reply(reply) => Ok(Reply {
            payload: reply_in("call_answer.reply", reply)?,
            sequence: answer.sequence,
            replayed: answer.replayed,
            metadata: metadata_in(answer.metadata),
        }),
        CallResult::Failure(failure) => Err(failure_in(failure)?),
    };
    Ok(HostFrame::CallAnswer { id: id_in("call_answer.id", answer.id)?, result })
}

fn activate_in(activate: protocol::Activate) -> Result<HostFrame> {
    Ok(HostFrame::Activate {
        activation: id_in("activate.activation", activate.activation)?,
        entity: entity_in("activate.entity", activate.entity_type, activate.entity_key)?,
        epoch: Epoch(activate.epoch),
        sequence: activate.sequence,
        state: activate.state.map(payload_in),
    })
}

fn replay_in(replay: protocol::Replay) -> Result<HostFrame> {
    let event = |event: protocol::Event| {
        let payload = named_in("replay.events.payload", present("replay.events.payload", event.payload)?)?;
        Ok((event.sequence, payload))
    };
    Ok(HostFrame::Replay {
        activation: id_in("replay.activation", replay.activation)?,
        events: replay.events.into_iter().map(event).collect::<Result<_>>()?,
        last: replay.last,
    })
}

fn command_out(command: CommandFrame) -> protocol::Command {
    let entity = |part: fn(&EntityId) -> &str| command.entity.as_ref().map(part).unwrap_or_default().to_owned();
    let (entity_type, entity_key) = (entity(EntityId::entity_type), entity(EntityId::key));
    protocol::Command {
        activation: command.activation,
        call: command.call,
        name: command.name.as_ref().to_owned(),
        payload: body_out(command.payload),
        query: command.query,
        want_snapshot: command.want_snapshot,
        attempt: command.attempt,
        command_id: command_id_out(command.id),
        remaining_ms: command.remaining_ms,
        caller: command.caller.as_ref().to_owned(),
        metadata: metadata_out(command.metadata),
        chain: command.chain,
        entity_type,
        entity_key,
    }
}

fn command_in(command: protocol::Command) -> Result<CommandFrame> {
    let named = command.activation == 0 || !command.entity_type.is_empty() || !command.entity_key.is_empty();
    let entity = named.then(|| entity_in("command.entity", command.entity_type, command.entity_key)).transpose()?;
    Ok(CommandFrame {
        activation: command.activation,
        call: id_in("command.call", command.call)?,
        entity,
        name: command.name.into(),
        payload: body_in(command.payload),
        query: command.query,
        want_snapshot: command.want_snapshot,
        attempt: u32::try_from(id_in("command.attempt", command.attempt.into())?).unwrap_or(u32::MAX),
        id: command_id_in(&command.command_id)?,
        remaining_ms: command.remaining_ms,
        caller: command.caller.into(),
        metadata: metadata_in(command.metadata),
        chain: command.chain,
    })
}
