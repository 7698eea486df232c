// SPDX-License-Identifier: Apache-2.0
//! Counts what would be built, before it is built.
//!
//! An empty element of a repeated field takes two bytes on the wire and a hundred or more in memory, so a message of
//! a megabyte can ask for a hundred. Only repeated fields are counted, and only messages that hold one are entered.

use adjoin_model::{Error, Result};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// Which fields of a message are counted, and which are entered.
struct Shape {
    repeated: &'static [u32],
    entered: &'static [(u32, &'static Shape)],
}

static REPLAY: Shape = Shape { repeated: &[2], entered: &[] };
static COMMAND: Shape = Shape { repeated: &[11, 12], entered: &[] };
static CALL_ANSWER: Shape = Shape { repeated: &[6], entered: &[(3, &FAILURE)] };
static HOST_FRAME: Shape = Shape { repeated: &[], entered: &[(3, &REPLAY), (4, &COMMAND), (10, &CALL_ANSWER)] };

static FAILURE: Shape = Shape { repeated: &[4], entered: &[] };
static TARGET: Shape = Shape { repeated: &[5], entered: &[] };
static SIDE_EFFECT: Shape = Shape { repeated: &[], entered: &[(1, &TARGET)] };
static ACTIVATION_FAILED: Shape = Shape { repeated: &[], entered: &[(2, &FAILURE)] };
static ANSWER: Shape = Shape { repeated: &[6, 9, 12], entered: &[(4, &FAILURE), (5, &TARGET), (9, &SIDE_EFFECT)] };
static STREAM_ELEMENT: Shape = Shape { repeated: &[3, 4], entered: &[(3, &SIDE_EFFECT)] };
static STREAM_END: Shape = Shape { repeated: &[], entered: &[(2, &FAILURE)] };
static CALL: Shape = Shape { repeated: &[3], entered: &[(2, &TARGET)] };
static FUNCTION_FRAME: Shape = Shape {
    repeated: &[],
    entered: &[(3, &ACTIVATION_FAILED), (4, &ANSWER), (5, &STREAM_ELEMENT), (6, &STREAM_END), (9, &CALL)],
};

static SUBSCRIPTION: Shape = Shape { repeated: &[4], entered: &[] };
static ENTITY_TYPE: Shape = Shape { repeated: &[3, 4, 10, 12], entered: &[(12, &SUBSCRIPTION)] };

/// Elements of repeated fields that may still come. A sound batch stays far below: no element of it takes fewer than
/// five bytes.
#[doc(hidden)]
pub struct Budget(usize);

impl Budget {
    const ELEMENTS: usize = 1 << 18;
    /// A message this short cannot spend the budget.
    const HARMLESS_BYTES: usize = 2 * Self::ELEMENTS;

    pub(crate) fn new() -> Self {
        Self(Self::ELEMENTS)
    }

    /// Whether so many bytes may hold more than is allowed.
    pub(crate) fn is_needed(bytes: usize) -> bool {
        bytes > Self::HARMLESS_BYTES
    }
}

/// Counts the elements of a `HostFrame`.
pub(crate) fn host_frame(encoded: &[u8], budget: &mut Budget) -> Result<()> {
    count(&HOST_FRAME, encoded, &mut budget.0)
}

/// Counts the elements of a `FunctionFrame`.
pub(crate) fn function_frame(encoded: &[u8], budget: &mut Budget) -> Result<()> {
    count(&FUNCTION_FRAME, encoded, &mut budget.0)
}

/// Says whether an `EntityType` has at most `members` handlers and events.
pub(crate) fn entity_type(encoded: &[u8], members: usize) -> Result<()> {
    count(&ENTITY_TYPE, encoded, &mut { members })
}

fn count(shape: &Shape, mut rest: &[u8], left: &mut usize) -> Result<()> {
    while !rest.is_empty() {
        let (tag, wire_type) = decode_key(&mut rest).map_err(|_| unreadable())?;
        if wire_type != WireType::LengthDelimited {
            skip_field(wire_type, tag, &mut rest, DecodeContext::default()).map_err(|_| unreadable())?;
            continue;
        }
        let length = decode_varint(&mut rest).map_err(|_| unreadable())?;
        let length = usize::try_from(length).ok().filter(|length| *length <= rest.len()).ok_or_else(unreadable)?;
        let (field, after) = rest.split_at(length);
        rest = after;
        if shape.repeated.contains(&tag) {
            *left = left.checked_sub(1).ok_or_else(too_many)?;
        }
        if let Some((_, inner)) = shape.entered.iter().find(|(number, _)| *number == tag) {
            count(inner, field, left)?;
        }
    }
    Ok(())
}

/// Says nothing of what the decoder said: its text may quote the peer's bytes.
pub(crate) fn unreadable() -> Error {
    Error::protocol("the bytes are no message of adjoin.protocol.v1")
}

fn too_many() -> Error {
    Error::protocol("a message has more elements than any sound one")
}
