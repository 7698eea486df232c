// SPDX-License-Identifier: Apache-2.0
//! What both directions of a session have in common.

use adjoin_model::Result;
use bytes::Bytes;
use prost::Message;

use crate::protocol::Part;
use crate::scan::Budget;

/// A frame that crosses a session in one direction: [`HostFrame`](adjoin_entity::frame::HostFrame) or
/// [`FunctionFrame`](adjoin_entity::frame::FunctionFrame).
pub trait Frame: Sized + Send + Unpin + 'static {
    /// The first message of this direction: Welcome or Hello.
    type Opening: Copy + Send + Unpin + 'static;

    /// Its protobuf message.
    #[doc(hidden)]
    type Message: Message + Default;

    /// Frames of one lane keep their order; others may overtake a long one.
    #[doc(hidden)]
    fn lane(&self) -> Lane;

    #[doc(hidden)]
    fn into_message(self) -> Self::Message;

    #[doc(hidden)]
    fn opening(opening: Self::Opening) -> Self::Message;

    #[doc(hidden)]
    fn part(part: Part) -> Self::Message;

    /// Reads a message, total over everything that protobuf can decode.
    #[doc(hidden)]
    fn read(message: Self::Message) -> Result<Content<Self>>;

    #[doc(hidden)]
    fn scan(encoded: &Bytes, budget: &mut Budget) -> Result<()>;
}

/// What a message turned out to be.
#[doc(hidden)]
pub enum Content<F: Frame> {
    /// A frame.
    Frame(F),
    /// Welcome or Hello.
    Opening(F::Opening),
    /// A piece of a long frame.
    Part(Part),
}

/// The activation and the call that a frame belongs to; 0 is none.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Its activation.
    pub activation: u64,
    /// Its call.
    pub call: u64,
}
