// SPDX-License-Identifier: Apache-2.0
//! Encoded frames into batches: small ones together, long ones in parts, in between each other.
//!
//! A long frame takes its place in the order of its lane (its activation, or its call) when its last part arrives, so
//! frames of the same lane wait behind it and everybody else's overtake it. Long frames take turns, one part each.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::batch::{BATCH_BYTES, BATCH_FRAMES, FRAME_BYTES, UNFINISHED_FRAMES};
use crate::frame::Lane;
use crate::protocol::Part;

/// Data of one part: four parts with their heads fit into a batch.
const PART_BYTES: usize = FRAME_BYTES - 256;

/// Key and length of a frame in a batch take at most this.
const HEAD_BYTES: usize = 5;

/// Frames waiting to be sent, one direction of a session.
#[derive(Default)]
pub(crate) struct Packer {
    small: VecDeque<Bytes>,
    /// Small frames taken in, and sent, since the beginning.
    small_in: u64,
    small_out: u64,
    /// Long frames that have not begun, oldest first.
    waiting: VecDeque<Long>,
    /// Long frames on their way, the next to send a part of first.
    going: VecDeque<Long>,
    going_bytes: usize,
    last_part: u64,
    /// Bytes of small frames and of everything held back.
    small_bytes: usize,
    long_bytes: usize,
    most_bytes: usize,
}

/// A frame on its way in parts, and what waits behind it.
struct Long {
    lane: Lane,
    /// Its call and those of the frames behind it.
    calls: Vec<u64>,
    /// It begins when so many small frames have left: those that were there before it.
    after: u64,
    part: u64,
    size: usize,
    rest: Bytes,
    behind: VecDeque<(Lane, Bytes)>,
}

struct Filling {
    frames: Vec<Bytes>,
    room: usize,
}

impl Packer {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { most_bytes, ..Self::default() }
    }

    pub(crate) fn bound(&mut self, most_bytes: usize) {
        self.most_bytes = most_bytes;
    }

    /// Whether more may be pushed, so that what waits here stays bounded: about one batch of small frames, and as many
    /// bytes of long ones as may be unfinished.
    pub(crate) fn has_room(&self) -> bool {
        let long = self.waiting.len() + self.going.len();
        self.small_bytes < BATCH_BYTES && long < UNFINISHED_FRAMES && self.long_bytes < self.most_bytes
    }

    /// Takes a frame. One longer than the bound is the caller's to refuse.
    pub(crate) fn push(&mut self, lane: Lane, frame: Bytes) {
        let mut held = self.going.iter_mut().chain(&mut self.waiting);
        if let Some(long) = held.find(|long| long.holds_back(lane)) {
            self.small_bytes += frame.len();
            long.calls.extend((lane.call != 0).then_some(lane.call));
            long.behind.push_back((lane, frame));
        } else if frame.len() <= FRAME_BYTES {
            self.small_bytes += frame.len();
            self.small_in += 1;
            self.small.push_back(frame);
        } else {
            self.long_bytes += frame.len();
            self.waiting.push_back(Long::new(lane, frame, self.small_in));
        }
    }

    /// The next batch: never empty, at most [`BATCH_BYTES`] and [`BATCH_FRAMES`].
    pub(crate) fn next(&mut self, wrap: impl Fn(Part) -> Bytes) -> Option<Vec<Bytes>> {
        let mut batch = Filling { frames: Vec::with_capacity(self.small.len().min(BATCH_FRAMES)), room: BATCH_BYTES };
        // However many small frames wait, a long one gets on by a part in every batch.
        let kept = usize::from(!self.waiting.is_empty() || !self.going.is_empty());
        self.fill_small(&mut batch, kept);
        self.begin();
        self.fill_parts(&mut batch, wrap);
        self.fill_small(&mut batch, 0);
        (!batch.frames.is_empty()).then_some(batch.frames)
    }

    /// Puts in small frames, keeping room for so many parts.
    fn fill_small(&mut self, batch: &mut Filling, kept: usize) {
        while let Some(frame) = self.small.pop_front_if(|frame| batch.fits(frame.len(), kept)) {
            self.small_bytes -= frame.len();
            self.small_out += 1;
            batch.put(frame);
        }
    }

    /// Long frames begin in the order they came, as far as the receiver's bounds allow.
    fn begin(&mut self) {
        let fits = |going: usize, bytes: usize, size: usize| {
            going == 0 || (going < UNFINISHED_FRAMES && bytes + size <= self.most_bytes)
        };
        while let Some(mut long) = self
            .waiting
            .pop_front_if(|long| long.after <= self.small_out && fits(self.going.len(), self.going_bytes, long.size))
        {
            self.last_part += 1;
            long.part = self.last_part;
            self.going_bytes += long.size;
            self.going.push_back(long);
        }
    }

    fn fill_parts(&mut self, batch: &mut Filling, wrap: impl Fn(Part) -> Bytes) {
        while let Some(mut long) = self.going.pop_front_if(|_| batch.fits(FRAME_BYTES, 0)) {
            let data = long.rest.split_to(long.rest.len().min(PART_BYTES));
            let last = long.rest.is_empty();
            batch.put(wrap(Part { id: long.part, data, last }));
            if last { self.finished(long) } else { self.going.push_back(long) }
        }
    }

    /// What waited behind it goes on, in order, and may be held back by the next long one among it.
    fn finished(&mut self, long: Long) {
        self.going_bytes -= long.size;
        self.long_bytes -= long.size;
        for (lane, frame) in long.behind {
            self.small_bytes -= frame.len();
            self.push(lane, frame);
        }
    }
}

impl Long {
    fn new(lane: Lane, frame: Bytes, after: u64) -> Self {
        let calls = (lane.call != 0).then_some(lane.call).into_iter().collect();
        Self { lane, calls, after, part: 0, size: frame.len(), rest: frame, behind: VecDeque::new() }
    }

    /// A frame of an activation waits for that activation; one that names only its call, for the call.
    fn holds_back(&self, lane: Lane) -> bool {
        match lane.activation {
            0 => lane.call != 0 && self.calls.contains(&lane.call),
            activation => activation == self.lane.activation,
        }
    }
}

impl Filling {
    /// Whether a frame of this length fits, with room for so many parts kept.
    fn fits(&self, length: usize, kept: usize) -> bool {
        self.frames.len() + kept < BATCH_FRAMES && length + HEAD_BYTES + kept * (FRAME_BYTES + HEAD_BYTES) <= self.room
    }

    fn put(&mut self, frame: Bytes) {
        self.room -= prost::encoding::bytes::encoded_len(1, &frame);
        self.frames.push(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(activation: u64, call: u64) -> Lane {
        Lane { activation, call }
    }

    fn frame(byte: u8, length: usize) -> Bytes {
        Bytes::from(vec![byte; length])
    }

    /// The first bytes of what a receiver would see, in order: a part counts when it is the last.
    fn arrives(packer: &mut Packer) -> Vec<u8> {
        let mut seen = Vec::new();
        while let Some(batch) = packer.next(|part| Bytes::from(vec![if part.last { part.data[0] } else { 0 }])) {
            assert!(batch.len() <= BATCH_FRAMES);
            seen.extend(batch.iter().map(|frame| frame[0]).filter(|byte| *byte != 0));
        }
        seen
    }

    #[test]
    fn a_long_frame_is_overtaken_by_others_but_not_by_its_own() {
        let mut packer = Packer::new(1 << 30);
        packer.push(lane(1, 0), frame(1, 10));
        packer.push(lane(1, 7), frame(2, 5 << 20));
        packer.push(lane(1, 8), frame(3, 10));
        packer.push(lane(0, 8), frame(4, 10));
        packer.push(lane(2, 9), frame(5, 10));
        packer.push(lane(1, 0), frame(6, 1 << 20));
        packer.push(lane(1, 0), frame(7, 10));
        assert_eq!(arrives(&mut packer), [1, 5, 2, 3, 4, 6, 7]);
        assert_eq!((packer.small_bytes, packer.long_bytes, packer.going_bytes), (0, 0, 0));
    }

    #[test]
    fn a_long_frame_waits_for_small_ones_that_were_there_before() {
        let mut packer = Packer::new(1 << 30);
        for _ in 0..2 * BATCH_FRAMES {
            packer.push(lane(1, 0), frame(1, 100));
        }
        packer.push(lane(1, 0), frame(2, FRAME_BYTES + 1));
        let seen = arrives(&mut packer);
        assert_eq!((seen.len(), seen.last()), (2 * BATCH_FRAMES + 1, Some(&2)));
    }

    #[test]
    fn a_flood_of_small_frames_does_not_stop_a_long_one() {
        let mut packer = Packer::new(1 << 30);
        packer.push(lane(1, 0), frame(2, 1 << 20));
        let mut batches = 0;
        loop {
            for _ in 0..2 * BATCH_FRAMES {
                packer.push(lane(2, 0), frame(1, 100));
            }
            let batch = packer.next(|part| Bytes::from(vec![if part.last { 9 } else { 0 }])).expect("something waits");
            batches += 1;
            if batch.iter().any(|frame| frame[0] == 9) {
                break;
            }
        }
        assert!(batches <= 5, "{batches}");
    }

    #[test]
    fn long_frames_share_the_way_and_keep_within_the_bounds() {
        let mut packer = Packer::new(3 << 20);
        for id in 1..=20_u64 {
            packer.push(lane(id, 0), frame(id as u8, 1 << 20));
        }
        assert!(!packer.has_room());
        let mut open = std::collections::BTreeSet::new();
        let mut most = 0;
        let mut ended = Vec::new();
        while !packer.waiting.is_empty() || !packer.going.is_empty() {
            let batch =
                packer.next(|part| Bytes::from(vec![part.id as u8, u8::from(part.last)])).expect("something waits");
            for part in batch {
                open.insert(part[0]);
                most = most.max(open.len());
                if part[1] == 1 {
                    open.remove(&part[0]);
                    ended.push(part[0]);
                }
            }
        }
        assert_eq!(most, 3, "as many at once as the bytes allow");
        assert_eq!(ended.len(), 20);
        assert!(packer.has_room());
    }
}
