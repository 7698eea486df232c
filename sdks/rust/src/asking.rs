// SPDX-License-Identifier: Apache-2.0
//! Calls that handlers behind the proxy make, over the session that they run in.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use adjoin_engine::Request;
use adjoin_entity::Reply;
use adjoin_entity::frame::{FunctionFrame, HandlerCall};
use adjoin_model::{Error, Outcome, Result};
use tokio::sync::oneshot;

use crate::outbox::Outbox;

/// Bits of a call's id that say which worker of the session made it.
pub(crate) const WORKER_BITS: u32 = 16;

/// The calls under way of one worker.
pub(crate) struct Asking {
    worker: u64,
    last: Cell<u64>,
    open: RefCell<HashMap<HandlerCall, oneshot::Sender<Result<Reply>>>>,
}

impl Asking {
    pub(crate) fn new(worker: usize) -> Self {
        let worker = worker as u64 & ((1 << WORKER_BITS) - 1);
        Self { worker, last: Cell::new(0), open: RefCell::default() }
    }

    /// The host's answer to one of them.
    pub(crate) fn answered(&self, id: HandlerCall, result: Result<Reply>) {
        if let Some(waits) = self.open.borrow_mut().remove(&id) {
            // A handler that does not wait any more has said so; the two have crossed.
            let _ = waits.send(result);
        }
    }

    fn begin(&self) -> (HandlerCall, oneshot::Receiver<Result<Reply>>) {
        self.last.set(self.last.get() + 1);
        let id = (self.last.get() << WORKER_BITS) | self.worker;
        let (sender, receiver) = oneshot::channel();
        self.open.borrow_mut().insert(id, sender);
        (id, receiver)
    }
}

/// A call that is cancelled when nobody waits for it any more.
struct Waiting<'a> {
    outbox: &'a Rc<Outbox>,
    asking: &'a Asking,
    id: HandlerCall,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.asking.open.borrow_mut().remove(&self.id).is_some() {
            self.outbox.push(FunctionFrame::CancelCall { id: self.id });
        }
    }
}

/// Makes a call and waits for its answer.
///
/// # Errors
/// What the call ended with; `Unavailable` where there is no host to call.
pub(crate) async fn ask(outbox: &Rc<Outbox>, request: Request) -> Result<Reply> {
    let Some(asking) = &outbox.asking else {
        return Err(Error::unavailable("there is no host here: a handler calls others in-process or behind the proxy"));
    };
    let (id, answer) = asking.begin();
    let _waiting = Waiting { outbox, asking, id };
    outbox.push(FunctionFrame::Call(request.into_call_frame(id)));
    let gone = |_| Error::unavailable("the session with the host has ended").with_outcome(Outcome::Unknown);
    answer.await.map_err(gone)?
}
