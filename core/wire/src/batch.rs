// SPDX-License-Identifier: Apache-2.0
//! What crosses a transport: batches and discoveries whose repeated messages are still bytes, so that their number is
//! checked before anything is built from them.

use bytes::Bytes;
use prost::Message;

use crate::protocol::VersionRange;

/// Largest encoding of a batch, in bytes.
pub const BATCH_BYTES: usize = 1 << 20;

/// Most frames in a batch.
pub const BATCH_FRAMES: usize = 16_384;

/// Largest frame that travels whole, in bytes; a longer one is cut into parts.
pub const FRAME_BYTES: usize = 256 << 10;

/// Most frames in parts that are unfinished at once, in one direction of a session.
pub const UNFINISHED_FRAMES: usize = 16;

/// Largest discovery, in bytes.
pub const DISCOVERY_BYTES: usize = 4 << 20;

/// A `HostBatch` or a `FunctionBatch`: the encodings of its frames, in order.
///
/// Both have the same encoding. The frames share one allocation, so a batch is cheap to clone and to move.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Batch {
    /// The frames, each an encoded `HostFrame` or `FunctionFrame`.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub frames: Vec<Bytes>,
}

/// A `DiscoverResponse`: what a function says it has.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Discovery {
    /// The versions that the function speaks.
    #[prost(message, optional, tag = "1")]
    pub versions: Option<VersionRange>,
    /// Name and version of the SDK.
    #[prost(string, tag = "2")]
    pub sdk: String,
    /// The entity types, each an encoded `EntityType`.
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub types: Vec<Bytes>,
    /// Contract first: an encoded `FileDescriptorSet`.
    #[prost(bytes = "bytes", tag = "4")]
    pub descriptors: Bytes,
}

/// What both sides of a session keep within, in one direction. Both know it from the Welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all frames in parts that are unfinished at once; also the largest frame.
    pub unfinished_bytes: usize,
}

impl Bounds {
    /// Whatever a peer asks for, no more than this is held for it: 1 GiB.
    const MOST: u64 = 1 << 30;

    /// The bounds of a session that takes values and messages (commands, replies) of at most so many bytes: room for
    /// two of each, so one frame can carry a snapshot, a reply and its events.
    #[must_use]
    pub fn new(value_bytes: u64, message_bytes: u64) -> Self {
        let asked = value_bytes.saturating_add(message_bytes).saturating_mul(2);
        Self { unfinished_bytes: asked.clamp(2 * BATCH_BYTES as u64, Self::MOST) as usize }
    }
}
