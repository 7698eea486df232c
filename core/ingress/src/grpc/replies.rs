// SPDX-License-Identifier: Apache-2.0
//! Watches and streamed replies as gRPC streams.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use adjoin_engine::{Element, Elements};
use adjoin_model::{Error, Result};
use bytes::Bytes;
use http_body::Frame;
use tokio_stream::Stream;
use tonic::Status;
use tonic::body::Body as GrpcBody;

use crate::beside;
use crate::grpc::status::status;
use crate::http::stream::{self, First, Place, poll_element};

/// How long the head of a response to a client that streams waits for the first element: many send only once they have
/// the head.
const FIRST_OF_EXCHANGE: Duration = Duration::from_millis(50);

/// A streamed reply that has begun: with its first element, where that came soon.
pub(crate) struct Begun {
    first: First,
    elements: Elements,
    place: Place,
}

impl Begun {
    /// Without waiting: of a watch, whose elements have nothing beside them.
    pub(crate) fn at_once(elements: Elements, place: Place) -> Self {
        Self { first: None, elements, place }
    }

    /// Waits a moment for the first element, since what is said beside it can only go out with the head.
    pub(crate) async fn soon(mut elements: Elements, mut place: Place, streamed_in: bool) -> Self {
        let limit = if streamed_in { FIRST_OF_EXCHANGE } else { stream::FIRST };
        let first = tokio::time::timeout(limit, stream::next(&mut elements, &mut place)).await.ok();
        Self { first, elements, place }
    }

    /// The response whose messages `replies` makes of it.
    pub(crate) fn response<T>(mut self, replies: impl FnOnce(Self) -> T) -> tonic::Response<T> {
        let said = stream::said(&mut self.first);
        beside::response(said, None, false, replies(self))
    }
}

/// A stream of messages made of elements. An element is taken when the connection has room.
pub(crate) struct Replies<F, E> {
    first: First,
    elements: Elements,
    place: Place,
    message: F,
    /// An error as a status.
    failed: E,
    over: bool,
}

impl<T, F: FnMut(Element) -> Result<T> + Unpin> Replies<F, Box<dyn Fn(Error) -> Status + Send>> {
    pub(crate) fn new(begun: Begun, entity_type: Arc<str>, message: F) -> Self {
        Self::with(begun, Box::new(move |error| status(&error, &entity_type)), message)
    }
}

impl<T, F: FnMut(Element) -> Result<T> + Unpin, E: Fn(Error) -> Status + Unpin> Replies<F, E> {
    /// With statuses of another form.
    pub(crate) fn with(begun: Begun, failed: E, message: F) -> Self {
        let Begun { first, elements, place } = begun;
        Self { first, elements, place, message, failed, over: false }
    }

    fn end(&mut self, error: Error) -> Poll<Option<core::result::Result<T, Status>>> {
        self.over = true;
        Poll::Ready(Some(Err((self.failed)(error))))
    }
}

impl<T, F: FnMut(Element) -> Result<T> + Unpin, E: Fn(Error) -> Status + Unpin> Stream for Replies<F, E> {
    type Item = core::result::Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let item = match this.first.take() {
            Some(first) => Poll::Ready(first),
            None => poll_element(&mut this.elements, &mut this.place, context),
        };
        match item {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => self.end(error),
            Poll::Ready(Some(Ok(element))) => match (self.message)(element) {
                Ok(message) => Poll::Ready(Some(Ok(message))),
                Err(error) => self.end(error),
            },
        }
    }
}

/// A body that ends, as a gRPC response does, once the ingress closes.
pub(crate) struct Until {
    pub(crate) body: GrpcBody,
    pub(crate) place: Place,
    pub(crate) over: bool,
}

impl http_body::Body for Until {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<core::result::Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_pending()
            && let Poll::Ready(error) = self.place.poll_end(context)
        {
            self.over = true;
            let mut trailers = http::HeaderMap::new();
            let said = status(&error, "adjoin").add_header(&mut trailers);
            return Poll::Ready(said.is_ok().then(|| Ok(Frame::trailers(trailers))));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }
}
