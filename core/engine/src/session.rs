// SPDX-License-Identifier: Apache-2.0
//! One function process, as the engine sees it.

use std::sync::Arc;

use adjoin_entity::frame::FunctionFrame;
use adjoin_entity::{Input, SessionId, loop_of};
use adjoin_model::{Error, Payload, Result};

use crate::engine::Inner;
use crate::message::Message;

/// What a function process said of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Handlers that may run at once; 0 takes the engine's setting. Split over the loops, at least one each.
    pub running: u32,
    /// Bytes of unanswered frames; 0 takes the engine's setting. Split over the loops.
    pub bytes: u64,
}

/// A session with a function process. Dropping it ends the session as if the process had died.
pub struct Session {
    pub(crate) engine: Arc<Inner>,
    pub(crate) id: SessionId,
    pub(crate) over: bool,
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
    /// `Unavailable` when the engine has stopped.
    pub async fn deliver(&self, frames: Vec<FunctionFrame>) -> Result<()> {
        self.engine.shared.admission.room().await;
        self.deliver_now(frames)
    }

    /// Hands in what the function said without waiting: for a function in this process, whose answers are bounded by
    /// its credit.
    ///
    /// # Errors
    /// `Unavailable` when the engine has stopped.
    pub fn deliver_now(&self, frames: Vec<FunctionFrame>) -> Result<()> {
        let loops = self.engine.shared.inboxes.len();
        if loops == 1 {
            return self.hand(0, frames);
        }
        let mut split: Vec<Vec<FunctionFrame>> = (0..loops).map(|_| Vec::new()).collect();
        for frame in frames {
            match loop_of(&frame) {
                // An id of another host names no loop of this one: dropped like any frame of an unknown call.
                Some(index) => split.get_mut(usize::from(index)).into_iter().for_each(|own| own.push(frame.clone())),
                None => split.iter_mut().for_each(|own| own.push(frame.clone())),
            }
        }
        let parts = (0_u8..).zip(split).filter(|(_, frames)| !frames.is_empty());
        for (index, frames) in parts {
            self.hand(index, frames)?;
        }
        Ok(())
    }

    fn hand(&self, index: u8, frames: Vec<FunctionFrame>) -> Result<()> {
        let bytes = frames.iter().map(frame_bytes).sum();
        let bytes = self.engine.shared.admission.unchecked_bytes(bytes);
        let message = Message::Frames { session: self.id, frames, bytes };
        self.engine.shared.send(index, message).map_err(|_| Error::unavailable("the engine has stopped"))
    }

    /// Ends the session; `orderly` when both sides knew, so nothing that ran in it is blamed.
    pub fn down(mut self, orderly: bool) {
        self.end(orderly);
    }

    fn end(&mut self, orderly: bool) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.engine.session_down(self.id);
        for index in 0..self.engine.shared.inboxes.len() {
            let input = Input::SessionDown { session: self.id, orderly };
            // A stopped loop has no sessions.
            let _ = self.engine.shared.send(index as u8, Message::Input(input));
        }
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
    HEAD + match frame {
        FunctionFrame::Answer(answer) => {
            let events: usize = answer.effects.events.iter().map(Payload::size).sum();
            events + size(&answer.effects.value) + size(&answer.effects.snapshot)
        }
        FunctionFrame::StreamElement { payload, .. } => payload.size(),
        FunctionFrame::Replayed { .. }
        | FunctionFrame::ActivationFailed { .. }
        | FunctionFrame::StreamEnd { .. }
        | FunctionFrame::StreamInputCredit { .. }
        | FunctionFrame::Pressure { .. } => 0,
    }
}
