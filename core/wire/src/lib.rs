// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod batch;
mod failure;
mod frame;
mod function;
mod generated;
mod host;
mod pack;
mod parts;
mod payload;
mod scan;
mod session;
mod spec;
mod version;

pub use batch::{BATCH_BYTES, BATCH_FRAMES, Batch, Bounds, DISCOVERY_BYTES, Discovery, FRAME_BYTES, UNFINISHED_FRAMES};
pub use failure::{failure_in, failure_out};
pub use frame::Frame;
#[doc(hidden)]
pub use frame::{Content, Lane};
pub use function::UNREADABLE_TYPE;
pub use generated::{DESCRIPTORS, client, protocol};
pub use host::welcome;
#[doc(hidden)]
pub use scan::Budget;
pub use session::{Decoder, Encoder};
pub use spec::{MEMBERS, TYPES, discovery_in, discovery_out};
pub use version::{VERSIONS, negotiate, shown};
