// SPDX-License-Identifier: Apache-2.0
//! What travels into a loop.

use std::sync::Arc;

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_entity::spec::Spec;
use adjoin_entity::{Call, EffectId, Input, SessionId};
use adjoin_model::{Error, Mono};
use tokio::sync::{mpsc, oneshot};

use crate::admission::{Bytes, Permit};
use crate::responder::Responder;
use crate::status::LoopStatus;

/// How frames reach a function process: one batch per step of a loop.
pub type FrameSink = mpsc::UnboundedSender<Vec<HostFrame>>;

/// Who waits for a call, and what its end is counted under.
pub(crate) struct Waiting {
    pub(crate) edge: Edge,
    pub(crate) since: Mono,
    /// Frees the call's place among those in flight.
    pub(crate) _permit: Option<Permit>,
    pub(crate) span: tracing::Span,
}

/// Where the end of a call goes.
pub(crate) enum Edge {
    /// Out of the engine.
    Responder(Responder),
    /// Back to a loop that waits for its synchronous side effect.
    Effect { home: u8, effect: EffectId },
}

pub(crate) enum Message {
    /// Boxed: the messages that come most, answers in batches, stay small.
    Call(Box<(Call, Waiting, Option<Bytes>)>),
    /// An input that needs nothing of the driver.
    Input(Input),
    /// An input about a call that may have moved on to another loop.
    Follow(Input),
    Frames {
        session: SessionId,
        frames: Vec<FunctionFrame>,
        bytes: Bytes,
    },
    SessionUp {
        session: SessionId,
        spec: Arc<Spec>,
        running: u32,
        bytes: u64,
        sink: FrameSink,
    },
    Status(oneshot::Sender<LoopStatus>),
    Drain(oneshot::Sender<()>),
    Stop,
}

impl Waiting {
    /// Answers a call that never entered a loop.
    pub(crate) fn refuse(self, error: Error) {
        if let Edge::Responder(responder) = self.edge {
            responder.refuse(error);
        }
    }
}
