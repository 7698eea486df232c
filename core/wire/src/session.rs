// SPDX-License-Identifier: Apache-2.0
//! One direction of a session: frames into batches, and batches into frames.

use std::marker::PhantomData;

use adjoin_model::{Error, Result};
use bytes::{Bytes, BytesMut};
use prost::Message;

use crate::batch::{BATCH_BYTES, BATCH_FRAMES, Batch, Bounds, FRAME_BYTES};
use crate::frame::{Content, Frame, Lane};
use crate::pack::Packer;
use crate::parts::Parts;
use crate::payload::broken;
use crate::scan::{Budget, unreadable};

/// Small frames are encoded one behind the other into blocks of this size.
const BLOCK_BYTES: usize = 64 << 10;

/// Encodes the frames that leave, in order within an activation or call.
pub struct Encoder<F> {
    packer: Packer,
    block: BytesMut,
    most_bytes: usize,
    frames: PhantomData<fn(F)>,
}

impl<F: Frame> Encoder<F> {
    /// A direction that keeps within these bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let most_bytes = bounds.unfinished_bytes;
        Self { packer: Packer::new(most_bytes), block: BytesMut::new(), most_bytes, frames: PhantomData }
    }

    /// Takes other bounds: what a Welcome said.
    pub fn bound(&mut self, bounds: Bounds) {
        self.most_bytes = bounds.unfinished_bytes;
        self.packer.bound(self.most_bytes);
    }

    /// Takes the first frame of the direction.
    pub fn open(&mut self, opening: F::Opening) {
        let frame = self.encode(&F::opening(opening));
        self.packer.push(Lane::default(), frame);
    }

    /// Takes a frame.
    ///
    /// # Errors
    /// `Exhausted` when it is longer than the peer takes.
    pub fn push(&mut self, frame: F) -> Result<()> {
        let lane = frame.lane();
        let encoded = self.encode(&frame.into_message());
        if encoded.len() > self.most_bytes {
            let said = format!("a frame of {} bytes, the session takes {}", encoded.len(), self.most_bytes);
            return Err(Error::exhausted(said));
        }
        self.packer.push(lane, encoded);
        Ok(())
    }

    /// Whether more frames may be pushed before the next batch is taken, so that what waits here stays bounded.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.packer.has_room()
    }

    /// The next batch; none when nothing waits.
    pub fn next_batch(&mut self) -> Option<Batch> {
        let wrap = |part| Bytes::from(F::part(part).encode_to_vec());
        self.packer.next(wrap).map(|frames| Batch { frames })
    }

    fn encode(&mut self, message: &F::Message) -> Bytes {
        let length = message.encoded_len();
        if length > FRAME_BYTES {
            return message.encode_to_vec().into();
        }
        if self.block.capacity() < length {
            self.block.reserve(length.max(BLOCK_BYTES));
        }
        message.encode_raw(&mut self.block);
        self.block.split().freeze()
    }
}

/// Decodes the batches that come. Total: whatever the bytes, the result is frames or an error.
pub struct Decoder<F> {
    parts: Parts,
    frames: PhantomData<fn() -> F>,
}

impl<F: Frame> Decoder<F> {
    /// A direction whose peer keeps within these bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { parts: Parts::new(bounds.unfinished_bytes), frames: PhantomData }
    }

    /// Takes other bounds: what a Welcome said.
    pub fn bound(&mut self, bounds: Bounds) {
        self.parts.bound(bounds.unfinished_bytes);
    }

    /// Reads the first batch of the direction: the opening, and what came behind it.
    ///
    /// # Errors
    /// `Protocol` when it does not begin with Welcome or Hello, or as [`Decoder::decode`].
    pub fn open(&mut self, mut batch: Batch) -> Result<(F::Opening, Vec<F>)> {
        if batch.frames.is_empty() {
            return Err(broken("frames", "the first batch is empty"));
        }
        let first = F::Message::decode(batch.frames.remove(0)).map_err(|_| unreadable())?;
        match F::read(first)? {
            Content::Opening(opening) => Ok((opening, self.decode(batch)?)),
            Content::Frame(_) | Content::Part(_) => {
                Err(broken("frame", "the first frame of a session is Welcome, or Hello from the function"))
            }
        }
    }

    /// Reads a batch.
    ///
    /// # Errors
    /// `Protocol` for anything that the contract does not allow: the session is over.
    pub fn decode(&mut self, batch: Batch) -> Result<Vec<F>> {
        let bytes: usize = batch.frames.iter().map(Bytes::len).sum();
        if batch.frames.len() > BATCH_FRAMES || bytes > BATCH_BYTES {
            let said = format!("a batch has at most {BATCH_FRAMES} frames and {BATCH_BYTES} bytes");
            return Err(broken("frames", said));
        }
        if Budget::is_needed(bytes) {
            let mut budget = Budget::new();
            batch.frames.iter().try_for_each(|frame| F::scan(frame, &mut budget))?;
        }
        let mut frames = Vec::with_capacity(batch.frames.len());
        for encoded in batch.frames {
            frames.extend(self.frame(encoded)?);
        }
        Ok(frames)
    }

    fn frame(&mut self, encoded: Bytes) -> Result<Option<F>> {
        match Self::content(encoded)? {
            Content::Frame(frame) => Ok(Some(frame)),
            Content::Part(part) => self.parts.add(&part)?.map(Self::assembled).transpose(),
            Content::Opening(_) => Err(broken("frame", "Welcome and Hello come once, first")),
        }
    }

    fn assembled(encoded: Bytes) -> Result<F> {
        if Budget::is_needed(encoded.len()) {
            F::scan(&encoded, &mut Budget::new())?;
        }
        match Self::content(encoded)? {
            Content::Frame(frame) => Ok(frame),
            Content::Part(_) | Content::Opening(_) => Err(broken("part", "it holds no frame that may be cut")),
        }
    }

    fn content(encoded: Bytes) -> Result<Content<F>> {
        F::read(F::Message::decode(encoded).map_err(|_| unreadable())?)
    }
}
