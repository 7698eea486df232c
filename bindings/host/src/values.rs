// SPDX-License-Identifier: Apache-2.0
//! What crosses a binding, without an encoding.

use adjoin_engine::Request;
use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_model::{Error, Payload, Sequence};

pub use crate::numbered::SessionNumber;

/// Names a request to the one who made it. Not used again while it is under way.
pub type RequestId = u64;

/// From the foreign side: what its function says, and what its clients ask.
#[expect(clippy::large_enum_variant, reason = "nearly every item is a frame: a box would cost an allocation a command")]
#[derive(Clone, Debug)]
pub enum FromForeign {
    /// A frame of the function.
    Frame(FunctionFrame),
    /// A command, a query, a watch or a streamed reply, as the request's operation and handler say. Answered by
    /// [`ToForeign::Reply`] or, for those with elements, by [`ToForeign::Element`]s and one [`ToForeign::End`].
    Request {
        /// Its name.
        id: RequestId,
        /// Whether the handler streams its reply.
        streams: bool,
        /// Whether the handler takes a stream: [`FromForeign::Input`]s and one [`FromForeign::InputEnd`] follow.
        uploads: bool,
        /// What is asked.
        request: Box<Request>,
    },
    /// One element of the stream that a request sends. Sixteen may be sent unasked, then as many as
    /// [`ToForeign::InputCredit`] gives.
    Input {
        /// Of which request.
        id: RequestId,
        /// The element.
        payload: Payload,
    },
    /// The stream that a request sends has ended well.
    InputEnd(RequestId),
    /// Nobody waits for a request any more. It is not answered.
    Cancel(RequestId),
    /// An element of a request was taken: one more may come.
    Taken(RequestId),
}

/// To the foreign side.
#[derive(Clone, Debug)]
pub enum ToForeign {
    /// The host can be used.
    Ready {
        /// Where a function is served, in mode serve.
        address: Option<String>,
        /// Where the ingress is, in mode in-process with `http`.
        http: Option<String>,
        /// What a person should know, a line each: for a warning in the log of the foreign side.
        notes: Vec<String>,
    },
    /// A session begins. Its ids carry its number in their highest 16 bits; requests that its handlers make, too.
    Session {
        /// Which: never that of one that is open; 0 is the engine in this process.
        session: SessionNumber,
        /// What its host takes.
        bounds: Bounds,
    },
    /// A session has ended: its activations are over.
    SessionEnd {
        /// Which.
        session: SessionNumber,
        /// How.
        why: String,
    },
    /// A frame for the function.
    Frame(HostFrame),
    /// The host cannot take what the function declares; or what a proxy of the Cloudstate protocol reports, which is of a
    /// handler too.
    SpecRefused(String),
    /// A request is answered and over.
    Reply {
        /// Which.
        id: RequestId,
        /// None for a command without result.
        payload: Option<Payload>,
        /// The entity's sequence that the answer rests on; 0 for an action.
        sequence: Sequence,
        /// It came from the record of an earlier command with the same idempotency key.
        replayed: bool,
    },
    /// A request failed and is over.
    Failed {
        /// Which.
        id: RequestId,
        /// Why.
        error: Error,
    },
    /// One element of a watch or a streamed reply.
    Element {
        /// Of which request.
        id: RequestId,
        /// The element.
        payload: Option<Payload>,
        /// A watch: the sequence it shows. A stream: 0.
        sequence: Sequence,
    },
    /// So many further elements of the stream that a request sends are taken.
    InputCredit {
        /// Of which request.
        id: RequestId,
        /// How many more.
        elements: u32,
    },
    /// A watch or a streamed reply has ended well and is over.
    End {
        /// Which request.
        id: RequestId,
    },
    /// Nothing follows.
    Closed,
}

/// Limits that a function checks before it takes the effects of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Largest event, in bytes.
    pub event_bytes: u64,
    /// Largest value or snapshot, in bytes.
    pub value_bytes: u64,
    /// Largest body or reply, in bytes.
    pub message_bytes: u64,
    /// Events of one command.
    pub events_per_command: u32,
}
