// SPDX-License-Identifier: Apache-2.0
//! Frames from function to host.

use adjoin_entity::frame::{AnswerFrame, CallFrame, Effects, FunctionFrame, HandlerResult, SideEffect, Target};
use adjoin_model::{Error, Payload, Result};
use bytes::Bytes;
use protocol::answer::Result as AnswerResult;
use protocol::function_frame::Frame as Message;

use crate::failure::{failure_in, failure_out};
use crate::frame::{Content, Frame, Lane};
use crate::payload::{
    body_in, body_out, broken, entity_in, id_in, metadata_in, metadata_out, named_in, payload_in, payload_out, present,
};
use crate::protocol::{self, Hello, Part};
use crate::scan::{self, Budget};

/// The context of an activation's error that names the event type or schema which the function cannot read.
pub const UNREADABLE_TYPE: &str = "unreadable_type";

impl Frame for FunctionFrame {
    type Opening = Hello;
    type Message = protocol::FunctionFrame;

    fn lane(&self) -> Lane {
        match self {
            Self::Replayed { activation, .. } | Self::ActivationFailed { activation, .. } => {
                Lane { activation: *activation, call: 0 }
            }
            Self::Answer(answer) => Lane { activation: answer.activation, call: answer.call },
            Self::StreamElement { call, .. } | Self::StreamEnd { call, .. } | Self::StreamInputCredit { call, .. } => {
                Lane { activation: 0, call: *call }
            }
            // A cancel never overtakes its call. That the ids are not those of the host holds others back a little at worst.
            Self::Call(CallFrame { id, .. }) | Self::CancelCall { id } => Lane { activation: 0, call: *id },
            Self::Pressure { .. } => Lane::default(),
        }
    }

    fn into_message(self) -> protocol::FunctionFrame {
        protocol::FunctionFrame { frame: Some(message(self)) }
    }

    fn opening(opening: Hello) -> protocol::FunctionFrame {
        protocol::FunctionFrame { frame: Some(Message::Hello(opening)) }
    }

    fn part(part: Part) -> protocol::FunctionFrame {
        protocol::FunctionFrame { frame: Some(Message::Part(part)) }
    }

    fn read(message: protocol::FunctionFrame) -> Result<Content<Self>> {
        let frame = match present("frame", message.frame)? {
            Message::Hello(hello) => return Ok(Content::Opening(hello)),
            Message::Part(part) => return Ok(Content::Part(part)),
            Message::Replayed(replayed) => Self::Replayed {
                activation: id_in("replayed.activation", replayed.activation)?,
                sequence: replayed.sequence,
            },
            Message::ActivationFailed(failed) => activation_failed_in(failed)?,
            Message::Answer(answer) => Self::Answer(answer_in(answer)?),
            Message::StreamElement(element) => Self::StreamElement {
                call: id_in("stream_element.call", element.call)?,
                payload: body_in(element.payload),
                effects: element.effects.into_iter().map(side_effect_in).collect::<Result<_>>()?,
                metadata: metadata_in(element.metadata),
            },
            Message::StreamEnd(end) => Self::StreamEnd {
                call: id_in("stream_end.call", end.call)?,
                error: end.failure.map(failure_in).transpose()?,
            },
            Message::StreamInputCredit(credit) => Self::StreamInputCredit {
                call: id_in("stream_input_credit.call", credit.call)?,
                elements: credit.elements,
            },
            Message::Pressure(pressure) if pressure.level <= 2 => Self::Pressure { level: pressure.level },
            Message::Call(call) => Self::Call(call_in(call)?),
            Message::CancelCall(cancel) => Self::CancelCall { id: id_in("cancel_call.id", cancel.id)? },
            Message::Pressure(_) => return Err(broken("pressure.level", "it is 0, 1 or 2")),
        };
        Ok(Content::Frame(frame))
    }

    fn scan(encoded: &Bytes, budget: &mut Budget) -> Result<()> {
        scan::function_frame(encoded, budget)
    }
}

fn message(frame: FunctionFrame) -> Message {
    match frame {
        FunctionFrame::Replayed { activation, sequence } => {
            Message::Replayed(protocol::Replayed { activation, sequence })
        }
        FunctionFrame::ActivationFailed { activation, error, snapshot_unreadable } => {
            Message::ActivationFailed(protocol::ActivationFailed {
                activation,
                unreadable_type: unreadable_type(&error).unwrap_or_default().to_owned(),
                failure: Some(failure_out(error)),
                snapshot_unreadable,
            })
        }
        FunctionFrame::Answer(answer) => Message::Answer(answer_out(answer)),
        FunctionFrame::StreamElement { call, payload, effects, metadata } => {
            Message::StreamElement(protocol::StreamElement {
                call,
                payload: body_out(payload),
                effects: effects.into_iter().map(side_effect_out).collect(),
                metadata: metadata_out(metadata),
            })
        }
        FunctionFrame::StreamEnd { call, error } => {
            Message::StreamEnd(protocol::StreamEnd { call, failure: error.map(failure_out) })
        }
        FunctionFrame::StreamInputCredit { call, elements } => {
            Message::StreamInputCredit(protocol::StreamInputCredit { call, elements })
        }
        FunctionFrame::Pressure { level } => Message::Pressure(protocol::Pressure { level }),
        FunctionFrame::Call(call) => Message::Call(call_out(call)),
        FunctionFrame::CancelCall { id } => Message::CancelCall(protocol::CancelCall { id }),
    }
}

fn unreadable_type(error: &Error) -> Option<&str> {
    error.context.iter().find(|(name, _)| name == UNREADABLE_TYPE).map(|(_, value)| value.as_str())
}

fn activation_failed_in(failed: protocol::ActivationFailed) -> Result<FunctionFrame> {
    let mut error = failure_in(present("activation_failed.failure", failed.failure)?)?;
    if !failed.unreadable_type.is_empty() && unreadable_type(&error).is_none() {
        error = error.at(UNREADABLE_TYPE, failed.unreadable_type);
    }
    Ok(FunctionFrame::ActivationFailed {
        activation: id_in("activation_failed.activation", failed.activation)?,
        error,
        snapshot_unreadable: failed.snapshot_unreadable,
    })
}

fn answer_out(answer: AnswerFrame) -> protocol::Answer {
    let result = match answer.result {
        HandlerResult::Reply(reply) => AnswerResult::Reply(reply.map(payload_out).unwrap_or_default()),
        HandlerResult::Failed(error) => AnswerResult::Failure(failure_out(error)),
        HandlerResult::Forward(target) => AnswerResult::Forward(target_out(target)),
    };
    protocol::Answer {
        activation: answer.activation,
        call: answer.call,
        result: Some(result),
        events: answer.effects.events.into_iter().map(payload_out).collect(),
        value: answer.effects.value.map(payload_out),
        delete: answer.effects.delete,
        effects: answer.effects.side_effects.into_iter().map(side_effect_out).collect(),
        snapshot: answer.effects.snapshot.map(payload_out),
        activation_ended: answer.activation_ended,
        metadata: metadata_out(answer.metadata),
    }
}

fn answer_in(answer: protocol::Answer) -> Result<AnswerFrame> {
    let result = match present("answer.result", answer.result)? {
        AnswerResult::Reply(reply) => HandlerResult::Reply(reply_in("answer.reply", reply)?),
        AnswerResult::Failure(failure) => HandlerResult::Failed(failure_in(failure)?),
        AnswerResult::Forward(target) => HandlerResult::Forward(target_in(target)?),
    };
    let event = |event| named_in("answer.events", event);
    let effects = Effects {
        events: answer.events.into_iter().map(event).collect::<Result<_>>()?,
        value: answer.value.map(payload_in),
        delete: answer.delete,
        side_effects: answer.effects.into_iter().map(side_effect_in).collect::<Result<_>>()?,
        snapshot: answer.snapshot.map(payload_in),
    };
    Ok(AnswerFrame {
        activation: answer.activation,
        call: id_in("answer.call", answer.call)?,
        result,
        effects,
        activation_ended: answer.activation_ended,
        metadata: metadata_in(answer.metadata),
    })
}

/// A payload without a type name is no result, and then it has no data either.
pub(crate) fn reply_in(field: &'static str, reply: protocol::Payload) -> Result<Option<Payload>> {
    match (reply.type_name.is_empty(), reply.data.is_empty()) {
        (true, true) => Ok(None),
        (true, false) => Err(broken(field, "a reply with data has a type name")),
        (false, _) => Ok(Some(payload_in(reply))),
    }
}

fn call_out(call: CallFrame) -> protocol::Call {
    protocol::Call {
        id: call.id,
        target: Some(target_out(call.target)),
        chain: call.chain,
        timeout_ms: call.timeout_ms,
        idempotency_key: call.idempotency_key.as_deref().unwrap_or_default().to_owned(),
        if_sequence: call.if_match,
    }
}

fn call_in(call: protocol::Call) -> Result<CallFrame> {
    let key = Some(call.idempotency_key).filter(|key| !key.is_empty());
    Ok(CallFrame {
        id: id_in("call.id", call.id)?,
        target: target_in(present("call.target", call.target)?)?,
        chain: call.chain,
        timeout_ms: call.timeout_ms,
        idempotency_key: key.map(Into::into),
        if_match: call.if_sequence,
    })
}

fn target_out(target: Target) -> protocol::Target {
    protocol::Target {
        entity_type: target.entity.entity_type().to_owned(),
        entity_key: target.entity.key().to_owned(),
        command: target.command.as_ref().to_owned(),
        payload: body_out(target.payload),
        metadata: metadata_out(target.metadata),
    }
}

fn target_in(target: protocol::Target) -> Result<Target> {
    Ok(Target {
        entity: entity_in("target.entity", target.entity_type, target.entity_key)?,
        command: target.command.into(),
        payload: body_in(target.payload),
        metadata: metadata_in(target.metadata),
    })
}

fn side_effect_out(effect: SideEffect) -> protocol::SideEffect {
    protocol::SideEffect {
        target: Some(target_out(effect.target)),
        synchronous: effect.synchronous,
        durable: effect.durable,
    }
}

fn side_effect_in(effect: protocol::SideEffect) -> Result<SideEffect> {
    let target = target_in(present("side_effect.target", effect.target)?)?;
    Ok(SideEffect { target, synchronous: effect.synchronous, durable: effect.durable })
}
