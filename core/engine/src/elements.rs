// SPDX-License-Identifier: Apache-2.0
//! The elements of a watch or a streamed reply, pulled by whoever waits for them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use adjoin_entity::{CallId, Input};
use adjoin_model::{Error, Metadata, Payload, Result, Sequence};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::Stream;

use crate::shared::Shared;

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The element; none for a query without result.
    pub payload: Option<Payload>,
    /// A watch: the sequence it shows. A stream: 0.
    pub sequence: Sequence,
    /// A stream: what the function says beside the element. A watch: nothing.
    pub metadata: Metadata,
}

pub(crate) enum Item {
    Element {
        element: Element,
        /// The loop that sent it, which is to hear that it was taken.
        from: u8,
    },
    End(Option<Error>),
}

/// The engine's end of [`Elements`].
pub struct ElementSink(mpsc::UnboundedSender<Item>);

impl ElementSink {
    /// Sends; says whether somebody still listens.
    pub(crate) fn send(&self, item: Item) -> bool {
        self.0.send(item).is_ok()
    }
}

/// Reports are gathered up to this many, unless the loop may be waiting for them.
const REPORT_EVERY: u32 = 8;

/// A watch or a streamed reply. Taking an element asks for the next one; dropping it cancels the call.
///
/// Ends after an error, or after the last element.
pub struct Elements {
    shared: Arc<Shared>,
    call: CallId,
    items: mpsc::UnboundedReceiver<Item>,
    taken: u32,
    from: u8,
    over: bool,
}

/// Both ends for a call that is about to be submitted.
pub(crate) fn channel() -> (ElementSink, mpsc::UnboundedReceiver<Item>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (ElementSink(sender), receiver)
}

impl Elements {
    pub(crate) fn of(shared: Arc<Shared>, call: CallId, items: mpsc::UnboundedReceiver<Item>) -> Self {
        Self { shared, call, items, taken: 0, from: 0, over: false }
    }

    /// The call's name within the host.
    #[must_use]
    pub fn call(&self) -> CallId {
        self.call
    }

    /// The next element; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<Element>> {
        std::future::poll_fn(|context| self.poll_item(context)).await
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Element>>> {
        if self.over {
            return Poll::Ready(None);
        }
        // What was taken before is reported when the next one is asked for: then it has been passed on.
        if self.taken >= REPORT_EVERY || (self.taken > 0 && self.items.is_empty()) {
            let elements = std::mem::take(&mut self.taken);
            self.shared.taken_from(self.from, self.call, elements);
        }
        let item = ready!(self.items.poll_recv(context));
        Poll::Ready(match item {
            Some(Item::Element { element, from }) => {
                self.taken += 1;
                self.from = from;
                Some(Ok(element))
            }
            Some(Item::End(error)) => {
                self.over = true;
                error.map(Err)
            }
            None => {
                self.over = true;
                Some(Err(crate::shared::stopped()))
            }
        })
    }
}

impl Stream for Elements {
    type Item = Result<Element>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(context)
    }
}

impl Drop for Elements {
    fn drop(&mut self) {
        if !self.over {
            self.shared.cancel(self.call);
        }
    }
}

/// Elements of the client's stream that a handler takes before it gives credit.
const UPSTREAM: usize = 16;

/// The client's stream towards an action. Dropping it without [`Upstream::end`] cancels the call.
pub struct Upstream {
    shared: Arc<Shared>,
    call: CallId,
    credit: Arc<Semaphore>,
    ended: bool,
}

pub(crate) fn upstream_credit() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(UPSTREAM))
}

impl Upstream {
    pub(crate) fn of(shared: Arc<Shared>, call: CallId, credit: Arc<Semaphore>) -> Self {
        Self { shared, call, credit, ended: false }
    }

    /// Passes one element on, in order, once the handler has room for it.
    ///
    /// # Errors
    /// `Unavailable` when the call is over: its reply says why.
    pub async fn send(&mut self, payload: Payload) -> Result<()> {
        let credit = self.credit.acquire().await.map_err(|_| Error::unavailable("the call has ended"))?;
        credit.forget();
        self.shared.follow(Input::StreamInput { call: self.call, payload }, self.call);
        Ok(())
    }

    /// Says that the stream has ended well.
    pub fn end(mut self) {
        self.ended = true;
        self.shared.follow(Input::StreamInputEnd { call: self.call }, self.call);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if !self.ended && !self.credit.is_closed() {
            self.shared.cancel(self.call);
        }
    }
}
