// SPDX-License-Identifier: Apache-2.0
//! Any frame that a host or a function may send.

use std::sync::Arc;

use adjoin_entity::Reply;
use adjoin_entity::frame::{
    AnswerFrame, CallFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame, SideEffect, Target,
};
use adjoin_model::{Code, CommandId, EntityId, Epoch, Error, Kind, Metadata, Outcome, Payload};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Small ids, so that frames often share an activation or a call.
fn id() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 1..5_u64, 1 => 1..u64::MAX]
}

fn name() -> impl Strategy<Value = Arc<str>> {
    "[a-zA-Z_][a-zA-Z0-9._$-]{0,12}".prop_map(Into::into)
}

fn entity() -> impl Strategy<Value = EntityId> {
    (name(), "\\PC{1,12}").prop_map(|(name, key)| EntityId::new(name, key).expect("sound parts"))
}

/// Mostly short data, at times long enough to be kept as a slice, seldom long enough to travel in parts.
fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..64),
        2 => (1000..3000_usize, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
        1 => (250_000..700_000_usize, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    (name(), data()).prop_map(|(name, data)| Payload::new(name, data))
}

fn body() -> impl Strategy<Value = Payload> {
    prop_oneof![4 => payload(), 1 => Just(Payload::new("", vec![]))]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    vec(("[a-z-]{1,8}", "\\PC{0,8}"), 0..3)
}

pub(crate) fn error() -> impl Strategy<Value = Error> {
    let kind = prop::sample::select(Kind::ALL.to_vec());
    let code = option::of(prop::sample::select(Code::ALL.to_vec()));
    let context = vec(("[a-z ]{1,8}", "\\PC{0,8}"), 0..3);
    (kind, any::<bool>(), "\\PC{0,20}", code, context, option::of(any::<u64>())).prop_map(
        |(kind, unknown, message, code, context, retry_after_ms)| Error {
            context: context.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            code,
            retry_after_ms,
            ..Error::new(kind, if unknown { Outcome::Unknown } else { Outcome::None }, message)
        },
    )
}

fn command() -> impl Strategy<Value = CommandFrame> {
    let who = prop_oneof![(Just(0), entity().prop_map(Some)), (id(), option::of(entity())),];
    let name = prop_oneof![5 => name(), 1 => Just(Arc::from(""))];
    let flags = (any::<bool>(), any::<bool>(), 1..u32::MAX, any::<u128>(), any::<u64>());
    let rest = ("\\PC{0,8}", metadata(), vec("\\PC{1,8}", 0..3));
    (who, id(), name, body(), flags, rest).prop_map(|((activation, entity), call, name, payload, flags, rest)| {
        let (query, want_snapshot, attempt, id, remaining_ms) = flags;
        let (caller, metadata, chain) = rest;
        CommandFrame {
            activation,
            call,
            entity,
            name,
            payload,
            query,
            want_snapshot,
            attempt,
            id: CommandId(id),
            remaining_ms,
            caller: caller.into(),
            metadata,
            chain,
        }
    })
}

pub(crate) fn host_frame() -> impl Strategy<Value = HostFrame> {
    prop_oneof![
        (id(), entity(), any::<u64>(), any::<u64>(), option::of(payload())).prop_map(
            |(activation, entity, epoch, sequence, state)| HostFrame::Activate {
                activation,
                entity,
                epoch: Epoch(epoch),
                sequence,
                state
            }
        ),
        (id(), vec((any::<u64>(), payload()), 0..3), any::<bool>())
            .prop_map(|(activation, events, last)| HostFrame::Replay { activation, events, last }),
        command().prop_map(HostFrame::Command),
        (id(), body()).prop_map(|(call, payload)| HostFrame::StreamInput { call, payload }),
        id().prop_map(|call| HostFrame::StreamInputEnd { call }),
        (id(), any::<u32>()).prop_map(|(call, elements)| HostFrame::StreamCredit { call, elements }),
        id().prop_map(|call| HostFrame::Cancel { call }),
        id().prop_map(|activation| HostFrame::Deactivate { activation }),
        (id(), call_result()).prop_map(|(id, result)| HostFrame::CallAnswer { id, result }),
    ]
}

fn call_result() -> impl Strategy<Value = Result<Reply, Error>> {
    prop_oneof![
        (option::of(payload()), any::<u64>(), any::<bool>(), metadata())
            .prop_map(|(payload, sequence, replayed, metadata)| Ok(Reply { payload, sequence, replayed, metadata })),
        error().prop_map(Err),
    ]
}

fn call() -> impl Strategy<Value = CallFrame> {
    let key = option::of("[a-z]{1,8}");
    (id(), target(), vec("\\PC{1,8}", 0..3), any::<u64>(), key, option::of(any::<u64>())).prop_map(
        |(id, target, chain, timeout_ms, key, if_match)| CallFrame {
            id,
            target,
            chain,
            timeout_ms,
            idempotency_key: key.map(Into::into),
            if_match,
        },
    )
}

fn target() -> impl Strategy<Value = Target> {
    (entity(), name(), body(), metadata()).prop_map(|(entity, command, payload, metadata)| Target {
        entity,
        command,
        payload,
        metadata,
    })
}

fn side_effects() -> impl Strategy<Value = Vec<SideEffect>> {
    let effect = (target(), any::<bool>(), any::<bool>());
    vec(effect.prop_map(|(target, synchronous, durable)| SideEffect { target, synchronous, durable }), 0..3)
}

fn answer() -> impl Strategy<Value = AnswerFrame> {
    let result = prop_oneof![
        option::of(payload()).prop_map(HandlerResult::Reply),
        error().prop_map(HandlerResult::Failed),
        target().prop_map(HandlerResult::Forward),
    ];
    let effects = (vec(payload(), 0..3), option::of(payload()), any::<bool>(), side_effects(), option::of(payload()));
    let activation = prop_oneof![Just(0), id()];
    (activation, id(), result, effects, any::<bool>(), metadata()).prop_map(
        |(activation, call, result, (events, value, delete, side_effects, snapshot), activation_ended, metadata)| {
            let effects = Effects { events, value, delete, side_effects, snapshot };
            AnswerFrame { activation, call, result, effects, activation_ended, metadata }
        },
    )
}

pub(crate) fn function_frame() -> impl Strategy<Value = FunctionFrame> {
    prop_oneof![
        (id(), any::<u64>()).prop_map(|(activation, sequence)| FunctionFrame::Replayed { activation, sequence }),
        (id(), error(), option::of("[a-zA-Z]{1,8}"), any::<bool>()).prop_map(
            |(activation, error, unreadable, snapshot_unreadable)| FunctionFrame::ActivationFailed {
                activation,
                error: match unreadable {
                    Some(name) => error.at(adjoin_wire::UNREADABLE_TYPE, name),
                    None => error,
                },
                snapshot_unreadable,
            }
        ),
        answer().prop_map(FunctionFrame::Answer),
        (id(), body(), side_effects(), metadata()).prop_map(|(call, payload, effects, metadata)| {
            FunctionFrame::StreamElement { call, payload, effects, metadata }
        }),
        (id(), option::of(error())).prop_map(|(call, error)| FunctionFrame::StreamEnd { call, error }),
        (id(), any::<u32>()).prop_map(|(call, elements)| FunctionFrame::StreamInputCredit { call, elements }),
        (0..3_u32).prop_map(|level| FunctionFrame::Pressure { level }),
        call().prop_map(FunctionFrame::Call),
        id().prop_map(|id| FunctionFrame::CancelCall { id }),
    ]
}
