// SPDX-License-Identifier: Apache-2.0
//! Who waits for the calls of a loop, and how each of them is answered.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use adjoin_entity::{CallId, Input, Reply};
use adjoin_model::{Error, Result};

use super::meter::MeterId;
use crate::elements::{Element, Item};
use crate::message::{Edge, Message, Waiting};
use crate::responder::{Delivery, QueueSink, Responder};
use crate::shared::Shared;

/// Most input credit that an edge is given ahead: a function that gives more breaks the contract.
const INPUT_CREDIT: usize = 1 << 20;

/// What became of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Somebody has it, and will say when it was taken.
    Listened,
    /// Nobody keeps it, but the call goes on: it counts as taken.
    Taken,
    /// Nobody listens any more.
    Deaf,
}

/// Calls are named by a counter of the host: no stranger chooses them, so mixing is enough.
#[derive(Default)]
struct CountHasher(u64);

impl Hasher for CountHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// The answers of one step for one queue.
struct Queued {
    sink: Arc<dyn QueueSink>,
    batch: Vec<(u64, Delivery)>,
}

/// Everybody who waits in a loop.
pub(super) struct Edges {
    index: u8,
    shared: Arc<Shared>,
    waiting: HashMap<CallId, (Waiting, MeterId), BuildHasherDefault<CountHasher>>,
    queues: Vec<Queued>,
}

impl Edges {
    pub(super) fn new(index: u8, shared: Arc<Shared>) -> Self {
        Self { index, shared, waiting: HashMap::default(), queues: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn knows(&self, call: CallId) -> bool {
        self.waiting.contains_key(&call)
    }

    pub(super) fn enter(&mut self, call: CallId, waiting: Waiting, meter: MeterId) {
        self.waiting.insert(call, (waiting, meter));
    }

    pub(super) fn take(&mut self, call: CallId) -> Option<(Waiting, MeterId)> {
        self.waiting.remove(&call)
    }

    /// Nobody waits any more: nothing is answered.
    pub(super) fn leave(&mut self, call: CallId) {
        if let Some((waiting, _)) = self.waiting.remove(&call) {
            close_upstream(&waiting);
        }
    }

    /// Ends a call towards whoever waits for it. `sent`: how often its command was sent to a function, for a loop that
    /// counts that.
    pub(super) fn answer(&mut self, waiting: Waiting, delivery: Delivery, sent: u32) {
        close_upstream(&waiting);
        let Waiting { edge, permit, .. } = waiting;
        // The place is free before the caller knows, so that it can call again at once.
        drop(permit);
        match edge {
            Edge::Effect { home, effect } => {
                let input = Input::EffectDone { effect, result: as_reply(delivery), sent };
                // A loop that has stopped has no reply to hold.
                drop(self.shared.send(home, Message::Input(input)));
            }
            // Whoever dropped the receiver does not want to know.
            Edge::Responder(Responder::Once(sender)) => drop(sender.send(as_reply(delivery))),
            Edge::Responder(Responder::Stream(sink)) => as_items(delivery, self.index).into_iter().for_each(|item| {
                sink.send(item);
            }),
            Edge::Responder(Responder::Queue { sink, token }) => self.queue(&sink, token, delivery),
            Edge::Responder(Responder::Nobody) => {
                if let Err(error) = as_reply(delivery) {
                    tracing::debug!(%error, "a call that nobody waits for has failed");
                }
            }
        }
    }

    /// Passes an element on.
    pub(super) fn element(&mut self, call: CallId, element: Element) -> Sent {
        let Some((waiting, _)) = self.waiting.get(&call) else { return Sent::Deaf };
        match &waiting.edge {
            Edge::Effect { .. } | Edge::Responder(Responder::Nobody) => Sent::Taken,
            Edge::Responder(Responder::Stream(sink)) => {
                let item = Item::Element { element, from: self.index };
                if sink.send(item) {
                    return Sent::Listened;
                }
                self.leave(call);
                Sent::Deaf
            }
            Edge::Responder(Responder::Queue { sink, token }) => {
                let (sink, token) = (sink.clone(), *token);
                let Element { payload, sequence, metadata } = element;
                self.queue(&sink, token, Delivery::Element { payload, sequence, metadata });
                Sent::Listened
            }
            Edge::Responder(Responder::Once(_)) => {
                let said = "the handler streams its reply: ask for a stream instead of one reply";
                if let Some((waiting, _)) = self.take(call) {
                    self.answer(waiting, Delivery::Reply(Err(Error::invalid(said))), 0);
                }
                Sent::Deaf
            }
        }
    }

    pub(super) fn input_credit(&mut self, call: CallId, elements: u32) {
        let Some((waiting, _)) = self.waiting.get(&call) else { return };
        if let Some(upstream) = &waiting.upstream {
            let room = INPUT_CREDIT.saturating_sub(upstream.available_permits());
            upstream.add_permits(room.min(elements as usize));
        }
        if let Edge::Responder(Responder::Queue { sink, token }) = &waiting.edge {
            let (sink, token) = (sink.clone(), *token);
            self.queue(&sink, token, Delivery::InputCredit(elements));
        }
    }

    fn queue(&mut self, sink: &Arc<dyn QueueSink>, token: u64, delivery: Delivery) {
        let place = self.queues.iter_mut().find(|queued| Arc::ptr_eq(&queued.sink, sink));
        match place {
            Some(queued) => queued.batch.push((token, delivery)),
            None => self.queues.push(Queued { sink: sink.clone(), batch: vec![(token, delivery)] }),
        }
    }

    /// Hands every queue what this step has for it. A queue without news is forgotten, so none is kept alive.
    pub(super) fn flush(&mut self) {
        self.queues.retain_mut(|queued| {
            let news = !queued.batch.is_empty();
            if news {
                let Queued { sink, batch } = queued;
                if catch_unwind(AssertUnwindSafe(|| sink.take(batch))).is_err() {
                    tracing::error!(answers = batch.len(), "a queue has panicked; what it was given is lost to it");
                }
                batch.clear();
            }
            news
        });
    }

    /// Ends every call with this error.
    pub(super) fn fail_all(&mut self, error: &Error) {
        let calls: Vec<_> = self.waiting.drain().map(|(_, (waiting, _))| waiting).collect();
        for waiting in calls {
            self.answer(waiting, Delivery::Reply(Err(error.clone())), 0);
        }
        self.flush();
    }
}

fn close_upstream(waiting: &Waiting) {
    if let Some(upstream) = &waiting.upstream {
        upstream.close();
    }
}

/// The end of a call for somebody who waits for one reply.
fn as_reply(delivery: Delivery) -> Result<Reply> {
    match delivery {
        Delivery::Reply(result) => result,
        Delivery::End(Some(error)) => Err(error),
        Delivery::End(None) | Delivery::Element { .. } | Delivery::InputCredit(_) => Ok(Reply::default()),
    }
}

/// The end of a call for somebody who waits for elements: a single reply is a stream of one.
fn as_items(delivery: Delivery, from: u8) -> Vec<Item> {
    match delivery {
        Delivery::Reply(Ok(Reply { payload, sequence, metadata, .. })) => {
            vec![Item::Element { element: Element { payload, sequence, metadata }, from }, Item::End(None)]
        }
        Delivery::Reply(Err(error)) => vec![Item::End(Some(error))],
        Delivery::End(error) => vec![Item::End(error)],
        Delivery::Element { payload, sequence, metadata } => {
            vec![Item::Element { element: Element { payload, sequence, metadata }, from }]
        }
        Delivery::InputCredit(_) => Vec::new(),
    }
}
