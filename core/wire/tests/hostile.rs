// SPDX-License-Identifier: Apache-2.0
//! Whatever the bytes: frames or a Protocol error, and never more memory than the bounds allow.

mod any;

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_model::Kind;
use adjoin_wire::protocol::{self, Part};
use adjoin_wire::{
    BATCH_BYTES, BATCH_FRAMES, Batch, Bounds, Decoder, Discovery, Encoder, Frame, UNFINISHED_FRAMES, discovery_in,
};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use protocol::function_frame::Frame as FromFunction;
use protocol::host_frame::Frame as FromHost;

const BOUNDS: Bounds = Bounds { unfinished_bytes: 4 << 20 };

fn read<F: Frame>(frames: Vec<Bytes>) -> adjoin_model::Result<Vec<F>> {
    Decoder::new(BOUNDS).decode(Batch { frames })
}

/// Must not panic; an error must be one of Protocol.
fn survives<F: Frame>(bytes: &[u8]) {
    if let Ok(batch) = Batch::decode(bytes) {
        let error = read::<F>(batch.frames).err();
        assert!(error.is_none_or(|error| error.kind == Kind::Protocol));
    }
    let error = read::<F>(vec![Bytes::copy_from_slice(bytes)]).err();
    assert!(error.is_none_or(|error| error.kind == Kind::Protocol));
}

fn encoded<F: Frame>(frame: F) -> Vec<u8> {
    let mut encoder = Encoder::new(BOUNDS);
    encoder.push(frame).expect("short enough");
    encoder.next_batch().expect("a batch").encode_to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..256)) {
        survives::<HostFrame>(&bytes);
        survives::<FunctionFrame>(&bytes);
        let discovery = Discovery { types: vec![bytes.into()], ..Discovery::default() };
        let error = discovery_in(discovery).err();
        prop_assert!(error.is_none_or(|error| matches!(error.kind, Kind::Protocol | Kind::Invalid)));
    }

    #[test]
    fn damaged_frames_are_survived(
        host in any::host_frame(),
        function in any::function_frame(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        keep in any::<prop::sample::Index>(),
    ) {
        for (mut bytes, host) in [(encoded(host), true), (encoded(function), false)] {
            damage.iter().for_each(|(at, byte)| { let at = at.index(bytes.len()); bytes[at] = *byte; });
            bytes.truncate(keep.index(bytes.len()) + 1);
            if host { survives::<HostFrame>(&bytes) } else { survives::<FunctionFrame>(&bytes) }
        }
    }
}

fn host(frame: FromHost) -> Bytes {
    protocol::HostFrame { frame: Some(frame) }.encode_to_vec().into()
}

fn function(frame: FromFunction) -> Bytes {
    protocol::FunctionFrame { frame: Some(frame) }.encode_to_vec().into()
}

/// The field that a refusal names.
fn refused<F: Frame + std::fmt::Debug>(frame: Bytes) -> String {
    let error = read::<F>(vec![frame]).expect_err("refused");
    assert_eq!(error.kind, Kind::Protocol, "{error}");
    error.context.first().map(|(_, field)| field.clone()).unwrap_or_default()
}

fn command() -> protocol::Command {
    protocol::Command { activation: 1, call: 1, attempt: 1, command_id: vec![0; 16].into(), ..Default::default() }
}

#[test]
fn every_hole_in_a_host_frame_is_named() {
    assert_eq!(refused::<HostFrame>(Bytes::new()), "frame");
    let id = |activation| protocol::Activate { activation, ..Default::default() };
    assert_eq!(refused::<HostFrame>(host(FromHost::Activate(id(0)))), "activate.activation");
    assert_eq!(refused::<HostFrame>(host(FromHost::Activate(id(1)))), "activate.entity");
    let event = protocol::Replay { activation: 1, events: vec![protocol::Event::default()], last: true };
    assert_eq!(refused::<HostFrame>(host(FromHost::Replay(event))), "replay.events.payload");
    for (broken, field) in [
        (protocol::Command { activation: 0, ..command() }, "command.entity"),
        (protocol::Command { entity_type: "a b".into(), entity_key: "x".into(), ..command() }, "command.entity"),
        (protocol::Command { call: 0, ..command() }, "command.call"),
        (protocol::Command { attempt: 0, ..command() }, "command.attempt"),
        (protocol::Command { command_id: vec![1; 15].into(), ..command() }, "command_id"),
    ] {
        assert_eq!(refused::<HostFrame>(host(FromHost::Command(broken))), field);
    }
    assert_eq!(refused::<HostFrame>(host(FromHost::Cancel(protocol::Cancel { call: 0 }))), "cancel.call");
    assert_eq!(refused::<HostFrame>(host(FromHost::Welcome(protocol::Welcome::default()))), "frame");
}

#[test]
fn every_hole_in_a_function_frame_is_named() {
    let refused_answer = |answer| refused::<FunctionFrame>(function(FromFunction::Answer(answer)));
    let answer = |result| protocol::Answer { activation: 1, call: 1, result, ..Default::default() };
    let failure = |kind: &str, code, outcome: &str| {
        Some(protocol::answer::Result::Failure(protocol::Failure {
            kind: kind.into(),
            code,
            outcome: outcome.into(),
            ..Default::default()
        }))
    };
    let reply = |payload| Some(protocol::answer::Result::Reply(payload));
    let nameless = protocol::Payload { type_name: String::new(), data: Bytes::from_static(b"x") };
    assert_eq!(refused_answer(answer(None)), "answer.result");
    assert_eq!(refused_answer(answer(failure("Odd", 0, ""))), "failure.kind");
    assert_eq!(refused_answer(answer(failure("Rejected", 17, ""))), "failure.code");
    assert_eq!(refused_answer(answer(failure("Rejected", 5, "maybe"))), "failure.outcome");
    assert_eq!(refused_answer(answer(reply(nameless.clone()))), "answer.reply");
    let forward = protocol::answer::Result::Forward(protocol::Target::default());
    assert_eq!(refused_answer(answer(Some(forward))), "target.entity");
    let fine = || answer(reply(protocol::Payload::default()));
    assert_eq!(refused_answer(protocol::Answer { call: 0, ..fine() }), "answer.call");
    assert_eq!(refused_answer(protocol::Answer { events: vec![nameless], ..fine() }), "answer.events");
    let effects = vec![protocol::SideEffect::default()];
    assert_eq!(refused_answer(protocol::Answer { effects, ..fine() }), "side_effect.target");
    let failed = protocol::ActivationFailed { activation: 1, ..Default::default() };
    assert_eq!(refused::<FunctionFrame>(function(FromFunction::ActivationFailed(failed))), "activation_failed.failure");
    let pressure = FromFunction::Pressure(protocol::Pressure { level: 3 });
    assert_eq!(refused::<FunctionFrame>(function(pressure)), "pressure.level");
}

#[test]
fn a_session_begins_with_its_opening_and_has_one() {
    let welcome = host(FromHost::Welcome(protocol::Welcome { version: 1, ..Default::default() }));
    let open = |frames| Decoder::<HostFrame>::new(BOUNDS).open(Batch { frames }).map(|(_, frames)| frames.len());
    assert_eq!(open(vec![welcome.clone()]), Ok(0));
    assert!(open(vec![]).is_err());
    assert!(open(vec![host(FromHost::Cancel(protocol::Cancel { call: 1 }))]).is_err());
    assert!(open(vec![welcome.clone(), welcome]).is_err());
}

fn part(id: u64, data: Bytes, last: bool) -> Bytes {
    host(FromHost::Part(Part { id, data, last }))
}

#[test]
fn parts_cannot_hold_more_than_the_bounds() {
    let chunk = Bytes::from(vec![0; 200 << 10]);
    let mut decoder = Decoder::<HostFrame>::new(BOUNDS);
    let taken = (0..100).take_while(|_| decoder.decode(Batch { frames: vec![part(1, chunk.clone(), false)] }).is_ok());
    assert_eq!(taken.count(), BOUNDS.unfinished_bytes / chunk.len());
    let many = (0..=UNFINISHED_FRAMES as u64).map(|id| part(id, Bytes::from_static(b"x"), false)).collect();
    assert!(read::<HostFrame>(many).is_err());
    let nested = part(1, part(2, Bytes::from_static(b"x"), true), true);
    assert!(read::<HostFrame>(vec![nested]).is_err());
}

#[test]
fn batches_beyond_the_limits_are_refused() {
    let cancel = host(FromHost::Cancel(protocol::Cancel { call: 1 }));
    assert!(read::<HostFrame>(vec![cancel.clone(); BATCH_FRAMES]).is_ok());
    assert!(read::<HostFrame>(vec![cancel; BATCH_FRAMES + 1]).is_err());
    let stream_input = protocol::StreamInput {
        call: 1,
        payload: Some(protocol::Payload { type_name: "json".into(), data: vec![0; BATCH_BYTES].into() }),
    };
    assert!(read::<HostFrame>(vec![host(FromHost::StreamInput(stream_input))]).is_err());
}

/// Two bytes on the wire, hundreds in memory: counted before anything is built.
#[test]
fn empty_elements_are_counted_before_they_are_built() {
    let repeated = |key: &[u8], times: usize| Bytes::from(key.repeat(times));
    let wrap = |field: u8, inner: &Bytes| {
        let mut out = vec![field << 3 | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut out);
        out.extend_from_slice(inner);
        Bytes::from(out)
    };
    // Answer.effects, Command.metadata, Command.chain, Replay.events: each empty, half a million times.
    let times = BATCH_BYTES / 2 - 100;
    for (frame, key, host) in [(4, 9, false), (4, 11, true), (4, 12, true), (3, 2, true)] {
        let bomb = wrap(frame, &repeated(&[key << 3 | 2, 0], times));
        let error = if host {
            read::<HostFrame>(vec![bomb]).expect_err("refused")
        } else {
            read::<FunctionFrame>(vec![bomb]).expect_err("refused")
        };
        assert!(error.message.contains("more elements"), "{error}");
    }
    // A forward's metadata, two levels down.
    let bomb = wrap(4, &wrap(5, &repeated(&[5 << 3 | 2, 0], times)));
    assert!(read::<FunctionFrame>(vec![bomb]).expect_err("refused").message.contains("more elements"));
    let types = |encoded| discovery_in(Discovery { types: encoded, ..Discovery::default() });
    assert!(types(vec![repeated(&[3 << 3 | 2, 0], 100_000)]).expect_err("refused").message.contains("more elements"));
    assert_eq!(types(vec![Bytes::new(); 100_000]).expect_err("refused").kind, Kind::Invalid);
}

#[test]
fn nothing_of_the_peers_bytes_is_quoted() {
    let error = read::<HostFrame>(vec![Bytes::from_static(b"\xffsecret")]).expect_err("refused");
    assert!(!error.to_string().contains("secret"), "{error}");
}
