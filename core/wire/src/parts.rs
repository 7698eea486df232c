// SPDX-License-Identifier: Apache-2.0
//! Long frames put together again.

use adjoin_model::Result;
use bytes::{Bytes, BytesMut};

use crate::batch::UNFINISHED_FRAMES;
use crate::payload::broken;
use crate::protocol::Part;

/// The unfinished frames of one direction, bounded in number and in bytes.
pub(crate) struct Parts {
    open: Vec<(u64, BytesMut)>,
    bytes: usize,
    most_bytes: usize,
}

impl Parts {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { open: Vec::new(), bytes: 0, most_bytes }
    }

    pub(crate) fn bound(&mut self, most_bytes: usize) {
        self.most_bytes = most_bytes;
    }

    /// Takes a part; gives the frame when it was the last one.
    ///
    /// The bytes are copied: a list of slices would let parts of one byte each keep alive the batches they came in.
    pub(crate) fn add(&mut self, part: &Part) -> Result<Option<Bytes>> {
        if part.data.is_empty() {
            return Err(broken("part.data", "a part holds at least one byte"));
        }
        self.bytes += part.data.len();
        if self.bytes > self.most_bytes {
            let said = format!("unfinished frames hold more than {} bytes", self.most_bytes);
            return Err(broken("part.data", said));
        }
        let index = match self.open.iter().position(|(id, _)| *id == part.id) {
            Some(index) => index,
            None if self.open.len() == UNFINISHED_FRAMES => {
                return Err(broken("part.id", format!("more than {UNFINISHED_FRAMES} frames are unfinished")));
            }
            None => {
                self.open.push((part.id, BytesMut::new()));
                self.open.len() - 1
            }
        };
        self.open[index].1.extend_from_slice(&part.data);
        if !part.last {
            return Ok(None);
        }
        let (_, frame) = self.open.swap_remove(index);
        self.bytes -= frame.len();
        Ok(Some(frame.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: u64, data: &'static [u8], last: bool) -> Part {
        Part { id, data: Bytes::from_static(data), last }
    }

    #[test]
    fn interleaved_parts_make_their_own_frames() {
        let mut parts = Parts::new(100);
        assert_eq!(parts.add(&part(1, b"ab", false)), Ok(None));
        assert_eq!(parts.add(&part(2, b"xy", false)), Ok(None));
        assert_eq!(parts.add(&part(1, b"c", true)), Ok(Some(Bytes::from_static(b"abc"))));
        assert_eq!(parts.add(&part(2, b"z", true)), Ok(Some(Bytes::from_static(b"xyz"))));
        assert_eq!(parts.bytes, 0);
    }

    #[test]
    fn unfinished_frames_are_bounded_in_number_and_bytes() {
        let mut parts = Parts::new(100);
        for id in 0..UNFINISHED_FRAMES as u64 {
            assert_eq!(parts.add(&part(id, b"a", false)), Ok(None));
        }
        assert!(parts.add(&part(99, b"a", false)).is_err(), "one too many");
        let mut parts = Parts::new(3);
        assert_eq!(parts.add(&part(1, b"ab", false)), Ok(None));
        assert!(parts.add(&part(2, b"cd", true)).is_err(), "one byte too many");
        assert!(Parts::new(3).add(&part(1, b"", false)).is_err(), "an empty part");
    }
}
