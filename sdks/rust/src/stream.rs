// SPDX-License-Identifier: Apache-2.0
//! Streams of an action: elements out as the host gives credit, elements in as they come.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::rc::Rc;

use adjoin_entity::frame::{FrameCall, FunctionFrame, SideEffect};
use adjoin_model::{Code, Error, Metadata, Payload};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::json;
use crate::mutant::{Mutant, is};
use crate::names::JSON;
use crate::outbox::Outbox;
use crate::reject::Reject;

/// Elements that the host may send before it is given more credit.
const INPUT_CREDIT: u32 = 16;

/// Where the elements of a streamed reply go.
pub struct Out<R> {
    ports: Ports,
    element: PhantomData<fn(R)>,
}

/// The elements that the client streams.
pub struct In<A> {
    ports: Ports,
    element: PhantomData<fn() -> A>,
}

/// Both ends of a call's streams; cheap to clone, on one thread.
#[derive(Clone)]
pub(crate) struct Ports(Rc<Port>);

struct Port {
    call: FrameCall,
    outbox: Rc<Outbox>,
    credit: Cell<u32>,
    cancelled: Cell<bool>,
    input: RefCell<VecDeque<Payload>>,
    input_ended: Cell<bool>,
    consumed: Cell<u32>,
    effects: RefCell<Vec<SideEffect>>,
    said: RefCell<Metadata>,
    changed: Notify,
}

impl Ports {
    pub(crate) fn new(call: FrameCall, outbox: Rc<Outbox>) -> Self {
        Self(Rc::new(Port {
            call,
            outbox,
            credit: Cell::new(0),
            cancelled: Cell::new(false),
            input: RefCell::default(),
            input_ended: Cell::new(false),
            consumed: Cell::new(0),
            effects: RefCell::default(),
            said: RefCell::default(),
            changed: Notify::new(),
        }))
    }

    pub(crate) fn output<R>(&self) -> Out<R> {
        Out { ports: self.clone(), element: PhantomData }
    }

    pub(crate) fn input<A>(&self) -> In<A> {
        In { ports: self.clone(), element: PhantomData }
    }

    /// Where the call's handler speaks.
    pub(crate) fn outbox(&self) -> Rc<Outbox> {
        self.0.outbox.clone()
    }

    /// An effect leaves with the next element.
    pub(crate) fn effect(&self, effect: SideEffect) {
        self.0.effects.borrow_mut().push(effect);
    }

    /// What is said beside the reply leaves with the next element.
    pub(crate) fn say(&self, entry: (String, String)) {
        self.0.said.borrow_mut().push(entry);
    }

    /// Whether effects were asked for after the last element, with which they can no longer leave.
    pub(crate) fn has_late_effects(&self) -> bool {
        !self.0.effects.borrow().is_empty()
    }

    pub(crate) fn credit(&self, elements: u32) {
        self.0.credit.set(self.0.credit.get().saturating_add(elements));
        self.0.changed.notify_one();
    }

    pub(crate) fn push(&self, payload: Payload) {
        self.0.input.borrow_mut().push_back(payload);
        self.0.changed.notify_one();
    }

    pub(crate) fn end_input(&self) {
        self.0.input_ended.set(true);
        self.0.changed.notify_one();
    }

    pub(crate) fn cancel(&self) {
        self.0.cancelled.set(true);
        self.0.changed.notify_one();
    }

    fn check(&self) -> Result<(), Reject> {
        if self.0.cancelled.get() {
            return Err(Reject::of(Error::rejected("nobody reads this stream any more").with_code(Code::Cancelled)));
        }
        Ok(())
    }
}

impl<R: Serialize> Out<R> {
    /// Sends an element; waits until the reader has room for it.
    ///
    /// # Errors
    /// When nobody reads any more (pass it on with `?`), or the element has no JSON form.
    pub async fn send(&self, element: R) -> Result<(), Reject> {
        let data = json::encode(&element)?;
        let port = &*self.ports.0;
        loop {
            self.ports.check()?;
            if port.credit.get() > 0 {
                break;
            }
            port.changed.notified().await;
        }
        port.credit.set(port.credit.get() - 1);
        let payload = Payload::new(JSON.clone(), data);
        let (effects, metadata) = (port.effects.take(), port.said.take());
        if is(Mutant::LastElementLost) && payload.data == b"1".as_slice() {
            return Ok(());
        }
        port.outbox.push(FunctionFrame::StreamElement { call: port.call, payload, effects, metadata });
        Ok(())
    }
}

impl<A: DeserializeOwned> In<A> {
    /// The next element; `None` when the client has ended its stream.
    ///
    /// # Errors
    /// When the client has gone, or the element does not fit (kind Invalid).
    pub async fn next(&self) -> Result<Option<A>, Reject> {
        let port = &*self.ports.0;
        loop {
            self.ports.check()?;
            let next = port.input.borrow_mut().pop_front();
            if let Some(payload) = next {
                self.consumed();
                let element = json::decode(&payload.data);
                let invalid = |error| Reject::of(Error::invalid(format!("an element does not fit: {error}")));
                return element.map(Some).map_err(invalid);
            }
            if port.input_ended.get() {
                return Ok(None);
            }
            port.changed.notified().await;
        }
    }

    /// Gives credit back in portions.
    fn consumed(&self) {
        let port = &*self.ports.0;
        port.consumed.set(port.consumed.get() + 1);
        if port.consumed.get() >= INPUT_CREDIT / 2 && !port.input_ended.get() {
            let elements = port.consumed.take();
            port.outbox.push(FunctionFrame::StreamInputCredit { call: port.call, elements });
        }
    }
}
