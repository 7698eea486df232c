// SPDX-License-Identifier: Apache-2.0
//! One function process, as the engine sees it.

use std::sync::Arc;

use adjoin_entity::frame::FunctionFrame;
use adjoin_entity::{Input, SessionId, loop_of};
use adjoin_model::{Metadata, Payload, Result};

use crate::engine::Inner;
use crate::handler_calls::HandlerCalls;
use crate::message::Message;
use crate::shared::stopped;

/// What a function process said of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Handlers that may run at once; 0 takes the engine's setting. Split over the loops. Calls of actions only go to
    /// loops with a part; for its entities, a loop without one may run one command all the same, so that none waits for
    /// ever.
    pub running: u32,
    /// Bytes of unanswered frames; 0 takes the engine's setting. Split over the loops.
    pub bytes: u64,
}

/// A session with a function process. Dropping it ends the session as if the process had died.
pub struct Session {
    pub(crate) engine: Arc<Inner>,
    pub(crate) id: SessionId,
    pub(crate) over: bool,
    /// The calls that its handlers make.
    pub(crate) calls: Arc<HandlerCalls>,
}

impl Session {
    /// Its name, never used again by this engine.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Hands in what the function said, in order; waits while the engine's inbox is full, so a transport stops reading.
    ///
    /// # Errors
    /// `Unavailable` when the engine has stopped; `Protocol` when the function named two calls the same.
    pub async fn deliver(&self, frames: Vec<FunctionFrame>) -> Result<()> {
        self.engine.shared.admission.room().await;
        self.deliver_now(frames)
    }

    /// Hands in what the function said without waiting: for a function in this process, whose answers are bounded by
    /// its credit.
    ///
    /// # Errors
    /// `Unavailable` when the engine has stopped; `Protocol` when the function named two calls the same.
    pub fn deliver_now(&self, mut frames: Vec<FunctionFrame>) -> Result<()> {
        self.calls.take(&mut frames)?;
        if frames.is_empty() {
            return Ok(());
        }
        let loops = self.engine.shared.inboxes.len();
        if loops == 1 {
            return self.hand(0, frames);
        }
        let mut split: Vec<Vec<FunctionFrame>> = (0..loops).map(|_| Vec::new()).collect();
        for frame in frames {
            // An id that no loop gave names nothing: dropped, as every frame about an unknown call is.
            match loop_of(&frame).map(usize::from) {
                Some(index) if index < loops => split[index].push(frame),
                Some(_) => {}
                None => split.iter_mut().for_each(|own| own.push(frame.clone())),
            }
        }
        let parts = (0_u8..).zip(split).filter(|(_, frames)| !frames.is_empty());
        parts.into_iter().try_for_each(|(index, frames)| self.hand(index, frames))
    }

    fn hand(&self, index: u8, frames: Vec<FunctionFrame>) -> Result<()> {
        let bytes = self.engine.shared.admission.frames(frames.iter().map(frame_bytes).sum());
        let message = Message::Frames { session: self.id, frames, _bytes: bytes };
        self.engine.shared.send(index, message).map_or(Ok(()), |_| Err(stopped()))
    }

    /// Ends the session; `orderly` when both sides knew, so nothing that ran in it is blamed.
    pub fn down(mut self, orderly: bool) {
        self.end(orderly);
    }

    fn end(&mut self, orderly: bool) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.calls.close();
        self.engine.session_down(self.id);
        let session = self.id;
        self.engine.shared.send_all(|| Message::Input(Input::SessionDown { session, orderly }));
        self.engine.shared.rehome(|homes| homes.session_down(session));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end(false);
    }
}

/// About what a frame holds in memory.
fn frame_bytes(frame: &FunctionFrame) -> usize {
    const HEAD: usize = 128;
    let size = |payload: &Option<Payload>| payload.as_ref().map_or(0, Payload::size);
    let entries =
        |metadata: &Metadata| metadata.iter().map(|(name, value)| name.len() + value.len() + 48).sum::<usize>();
    HEAD + match frame {
        FunctionFrame::Answer(answer) => {
            let events: usize = answer.effects.events.iter().map(Payload::size).sum();
            events + size(&answer.effects.value) + size(&answer.effects.snapshot) + entries(&answer.metadata)
        }
        FunctionFrame::StreamElement { payload, metadata, .. } => payload.size() + entries(metadata),
        FunctionFrame::Replayed { .. }
        | FunctionFrame::ActivationFailed { .. }
        | FunctionFrame::StreamEnd { .. }
        | FunctionFrame::StreamInputCredit { .. }
        | FunctionFrame::Pressure { .. }
        | FunctionFrame::CancelCall { .. } => 0,
        FunctionFrame::Call(call) => call.target.payload.size(),
    }
}
