// SPDX-License-Identifier: Apache-2.0
//! Frames on their way to the host, gathered into batches.

use std::cell::RefCell;

use adjoin_entity::frame::FunctionFrame;
use tokio::sync::Notify;

use crate::asking::Asking;

/// What one thread has to say to the host.
pub(crate) struct Outbox {
    frames: RefCell<Vec<FunctionFrame>>,
    /// Told when something was said outside a batch of the host.
    pub(crate) said: Notify,
    /// The calls that handlers make; none where the engine is in this process, or there is no host.
    pub(crate) asking: Option<Asking>,
}

impl Outbox {
    pub(crate) fn new(asking: Option<Asking>) -> Self {
        Self { frames: RefCell::default(), said: Notify::new(), asking }
    }

    /// Says something while a batch of the host is worked through: it leaves at its end.
    pub(crate) fn answer(&self, frame: FunctionFrame) {
        self.frames.borrow_mut().push(frame);
    }

    /// Says something of its own accord.
    pub(crate) fn push(&self, frame: FunctionFrame) {
        self.answer(frame);
        self.said.notify_one();
    }

    /// Everything said since the last time.
    pub(crate) fn take(&self) -> Vec<FunctionFrame> {
        self.frames.take()
    }
}
