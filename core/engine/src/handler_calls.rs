// SPDX-License-Identifier: Apache-2.0
//! The calls that the handlers of one session make: they enter like any edge's and are answered by a frame.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use adjoin_entity::frame::{CallFrame, FunctionFrame, HandlerCall, HostFrame};
use adjoin_entity::{CallId, Reply};
use adjoin_model::{Error, Result};

use crate::message::FrameSink;
use crate::request::Request;
use crate::responder::{Delivery, QueueSink, Responder};
use crate::shared::Shared;

/// Calls of one session that are under way at most.
const MOST: usize = 1024;

/// The calls under way, by the name that the function gave.
pub(crate) struct HandlerCalls {
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// What is handed to the engine with each call.
    this: Weak<Self>,
}

struct State {
    /// Gone once the session is over.
    sink: Option<FrameSink>,
    /// `None` while a call is being handed in: its answer may be faster than its name.
    open: HashMap<HandlerCall, Option<CallId>>,
}

impl HandlerCalls {
    pub(crate) fn new(shared: Arc<Shared>, sink: FrameSink) -> Arc<Self> {
        let state = Mutex::new(State { sink: Some(sink), open: HashMap::new() });
        Arc::new_cyclic(|this| Self { shared, state, this: this.clone() })
    }

    /// Takes the calls out of what a function said, and makes them.
    ///
    /// # Errors
    /// `Protocol` when two calls under way have one name.
    pub(crate) fn take(&self, frames: &mut Vec<FunctionFrame>) -> Result<()> {
        if !frames.iter().any(is_call) {
            return Ok(());
        }
        let mut rest = Vec::with_capacity(frames.len());
        for frame in frames.drain(..) {
            match frame {
                FunctionFrame::Call(call) => self.call(call)?,
                FunctionFrame::CancelCall { id } => self.cancel(id),
                other => rest.push(other),
            }
        }
        *frames = rest;
        Ok(())
    }

    /// The session is over: nobody waits for anything.
    pub(crate) fn close(&self) {
        let open = {
            let mut state = self.state();
            state.sink = None;
            std::mem::take(&mut state.open)
        };
        open.into_values().flatten().for_each(|call| self.shared.cancel(call));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A map of numbers is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, call: CallFrame) -> Result<()> {
        let id = call.id;
        {
            let mut state = self.state();
            if state.open.contains_key(&id) {
                return Err(Error::protocol(format!("the function has two calls {id} under way")));
            }
            if state.open.len() >= MOST {
                let said = format!("the handlers of this function have {MOST} calls of others under way");
                state.answer(id, Err(Error::exhausted(said).retry_after(100)));
                return Ok(());
            }
            state.open.insert(id, None);
        }
        let Some(this) = self.this.upgrade() else { return Ok(()) };
        let made = self.shared.submit(Request::of_call_frame(call), Responder::Queue { sink: this, token: id }, None);
        match self.state().open.get_mut(&id) {
            Some(name) => *name = Some(made),
            // Answered already, or the session is over: then nobody waits.
            None => self.shared.cancel(made),
        }
        Ok(())
    }

    fn cancel(&self, id: HandlerCall) {
        let call = self.state().open.remove(&id).flatten();
        call.into_iter().for_each(|call| self.shared.cancel(call));
    }
}

impl State {
    fn answer(&self, id: HandlerCall, result: Result<Reply>) {
        if let Some(sink) = &self.sink {
            // A session whose other end is gone is about to end.
            let _ = sink.send(vec![HostFrame::CallAnswer { id, result }]);
        }
    }
}

impl QueueSink for HandlerCalls {
    fn take(&self, batch: &mut Vec<(u64, Delivery)>) {
        let mut state = self.state();
        let mut known = Vec::with_capacity(batch.len());
        for (id, delivery) in batch.drain(..) {
            let Some(call) = state.open.remove(&id) else { continue };
            if let (Delivery::Element { .. } | Delivery::InputCredit(_), Some(call)) = (&delivery, call) {
                self.shared.cancel(call);
            }
            known.push(HostFrame::CallAnswer { id, result: result(delivery) });
        }
        if let Some(sink) = state.sink.as_ref().filter(|_| !known.is_empty()) {
            let _ = sink.send(known);
        }
    }
}

fn is_call(frame: &FunctionFrame) -> bool {
    matches!(frame, FunctionFrame::Call(_) | FunctionFrame::CancelCall { .. })
}

/// A call with one answer has one delivery. A handler that streams gives an element or an end first, and is given up.
fn result(delivery: Delivery) -> Result<Reply> {
    match delivery {
        Delivery::Reply(result) => result,
        Delivery::End(Some(error)) => Err(error),
        Delivery::Element { .. } | Delivery::End(None) | Delivery::InputCredit(_) => {
            Err(Error::invalid("this handler streams: a handler behind the proxy calls only those that reply once"))
        }
    }
}
