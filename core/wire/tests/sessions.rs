// SPDX-License-Identifier: Apache-2.0
//! What goes in comes out, in order, within the bounds.

mod any;

use std::collections::BTreeMap;

use adjoin_entity::frame::{AnswerFrame, Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_model::{EntityId, Epoch, Kind, Limits, Payload};
use adjoin_wire::{BATCH_BYTES, BATCH_FRAMES, Batch, Bounds, Decoder, Encoder, Frame, Lane, welcome};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

const BOUNDS: Bounds = Bounds { unfinished_bytes: 8 << 20 };

/// Sends frames through a session, in portions; gives what arrives.
fn through<F: Frame>(opening: F::Opening, portions: Vec<Vec<F>>) -> Vec<F> {
    let (mut encoder, mut decoder) = (Encoder::new(BOUNDS), Decoder::new(BOUNDS));
    encoder.open(opening);
    let mut arrived = Vec::new();
    let mut opened = false;
    let mut take = |batch: Batch| {
        let encoded = batch.encode_to_vec();
        assert!(encoded.len() <= BATCH_BYTES && batch.frames.len() <= BATCH_FRAMES);
        let batch = Batch::decode(&encoded[..]).expect("sound");
        let frames = if opened { decoder.decode(batch) } else { decoder.open(batch).map(|(_, frames)| frames) };
        opened = true;
        arrived.extend(frames.expect("sound"));
    };
    for portion in portions {
        portion.into_iter().for_each(|frame| encoder.push(frame).expect("short enough"));
        encoder.next_batch().into_iter().for_each(&mut take);
    }
    std::iter::from_fn(|| encoder.next_batch()).for_each(take);
    arrived
}

/// Frames by the activation or the call that keeps their order.
fn by_lane<F: Frame>(frames: &[F]) -> BTreeMap<(u64, u64), Vec<&F>> {
    let mut lanes: BTreeMap<_, Vec<&F>> = BTreeMap::new();
    for frame in frames {
        let Lane { activation, call } = frame.lane();
        let key = if activation == 0 { (0, call) } else { (activation, 0) };
        lanes.entry(key).or_default().push(frame);
    }
    lanes
}

fn hello() -> adjoin_wire::protocol::Hello {
    adjoin_wire::protocol::Hello { running: 8, bytes: 1 << 20 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn host_frames_come_out_as_they_went_in(portions in vec(vec(any::host_frame(), 0..6), 0..4)) {
        let sent: Vec<HostFrame> = portions.concat();
        let arrived = through(welcome(1, &Limits::default()), portions);
        prop_assert_eq!(by_lane(&sent), by_lane(&arrived));
    }

    #[test]
    fn function_frames_come_out_as_they_went_in(portions in vec(vec(any::function_frame(), 0..6), 0..4)) {
        let sent: Vec<FunctionFrame> = portions.concat();
        let arrived = through(hello(), portions);
        prop_assert_eq!(by_lane(&sent), by_lane(&arrived));
    }

    #[test]
    fn errors_come_out_as_they_went_in(error in any::error()) {
        prop_assert_eq!(adjoin_wire::failure_in(adjoin_wire::failure_out(error.clone())), Ok(error));
    }
}

fn activate(activation: u64, bytes: usize) -> HostFrame {
    HostFrame::Activate {
        activation,
        entity: EntityId::new("shop.Cart", "ada").expect("sound"),
        epoch: Epoch(1),
        sequence: 9,
        state: Some(Payload::new("Cart", vec![activation as u8; bytes])),
    }
}

#[test]
fn sixty_four_megabytes_travel_while_others_go_past() {
    let bounds = Bounds::new(64 << 20, 64 << 20);
    let (mut encoder, mut decoder) = (Encoder::new(bounds), Decoder::new(bounds));
    encoder.push(activate(1, 64 << 20)).expect("short enough");
    let first = encoder.next_batch().expect("parts");
    assert_eq!(decoder.decode(first), Ok(vec![]));
    encoder.push(HostFrame::Deactivate { activation: 2 }).expect("short enough");
    encoder.push(HostFrame::Deactivate { activation: 1 }).expect("short enough");
    let second = encoder.next_batch().expect("parts");
    assert_eq!(decoder.decode(second), Ok(vec![HostFrame::Deactivate { activation: 2 }]));
    let rest: Vec<HostFrame> =
        std::iter::from_fn(|| encoder.next_batch()).flat_map(|batch| decoder.decode(batch).expect("sound")).collect();
    assert_eq!(rest, [activate(1, 64 << 20), HostFrame::Deactivate { activation: 1 }]);
}

#[test]
fn a_frame_beyond_the_session_is_refused_before_it_is_sent() {
    let bounds = Bounds::new(1 << 20, 1 << 20);
    let error = Encoder::new(bounds).push(activate(1, 5 << 20)).expect_err("too long");
    assert_eq!(error.kind, Kind::Exhausted);
}

#[test]
fn a_hundred_thousand_small_answers_fill_whole_batches() {
    let answer = |call| {
        FunctionFrame::Answer(AnswerFrame {
            activation: 1,
            call,
            result: HandlerResult::Reply(None),
            effects: Effects::default(),
            activation_ended: false,
            metadata: Vec::new(),
        })
    };
    let mut encoder = Encoder::new(BOUNDS);
    (1..=100_000).for_each(|call| encoder.push(answer(call)).expect("short enough"));
    let batches: Vec<Batch> = std::iter::from_fn(|| encoder.next_batch()).collect();
    assert_eq!(batches.len(), 100_000_usize.div_ceil(BATCH_FRAMES));
    let mut decoder = Decoder::<FunctionFrame>::new(BOUNDS);
    let frames: Vec<_> = batches.into_iter().flat_map(|batch| decoder.decode(batch).expect("sound")).collect();
    assert_eq!(frames, (1..=100_000).map(answer).collect::<Vec<_>>());
}
