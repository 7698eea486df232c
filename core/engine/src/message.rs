// SPDX-License-Identifier: Apache-2.0
//! What travels into a loop.

use std::sync::Arc;

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_entity::spec::Spec;
use adjoin_entity::{Call, CallId, ConsumerStatus, EffectId, EffectStatus, Input, SessionId, ShardInput};
use adjoin_model::{Error, Mono, Result, ShardId};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::admission::{FrameBytes, Permit};
use crate::responder::Responder;
use crate::status::LoopStatus;

/// How frames reach a function process: one batch per step of a loop.
pub type FrameSink = mpsc::UnboundedSender<Vec<HostFrame>>;

/// Who waits for a call, and what comes with it.
pub(crate) struct Waiting {
    pub(crate) edge: Edge,
    /// When the call was admitted.
    pub(crate) since: Mono,
    /// How many elements of the client's stream may be sent, where there is such a stream.
    pub(crate) upstream: Option<Arc<Semaphore>>,
    pub(crate) span: tracing::Span,
    /// Frees the call's place among those in flight.
    pub(crate) permit: Permit,
}

/// Where the end of a call goes.
pub(crate) enum Edge {
    /// Out of the engine.
    Responder(Responder),
    /// Back to a loop that waits for its synchronous side effect.
    Effect { home: u8, effect: EffectId },
}

impl Waiting {
    /// Answers a call that never entered a loop.
    pub(crate) fn refuse(self, error: Error) {
        if let Edge::Responder(responder) = self.edge {
            responder.refuse(error);
        }
    }
}

pub(crate) enum Message {
    /// A call, of an edge or of another loop.
    Call(Call, Waiting),
    /// An input that needs nothing of the driver.
    Input(Input),
    /// An input about a call that may have moved on to another loop.
    Follow(Input),
    /// What a function said.
    Frames { session: SessionId, frames: Vec<FunctionFrame>, _bytes: FrameBytes },
    /// What one write meant for this loop's shards.
    Written(Vec<(ShardId, ShardInput)>),
    /// A function process can be used.
    SessionUp { session: SessionId, spec: Arc<Spec>, running: u32, bytes: u64, sink: FrameSink },
    /// Asks for counts.
    Status { slow_ms: u64, answer: oneshot::Sender<LoopStatus> },
    /// Asks for durable effects that have not ended.
    Effects { limit: usize, answer: oneshot::Sender<Vec<EffectStatus>> },
    /// Asks how consumers of events stand.
    Consumers { limit: usize, answer: oneshot::Sender<Vec<ConsumerStatus>> },
    /// What an operator wants of a durable effect or a dead letter; `call` names the answer.
    Order { call: CallId, input: Input, answer: oneshot::Sender<Result<()>> },
    /// Take no new calls; say when nothing is under way any more.
    Drain(oneshot::Sender<()>),
    /// End at once: what waits is answered as unknown.
    Stop,
}
