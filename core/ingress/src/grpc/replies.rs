// SPDX-License-Identifier: Apache-2.0
//! Watches and streamed replies as gRPC streams.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use adjoin_engine::{Element, Elements};
use adjoin_model::{Error, Result};
use bytes::Bytes;
use http_body::Frame;
use tokio_stream::Stream;
use tonic::Status;
use tonic::body::Body as GrpcBody;

use crate::grpc::status::status;
use crate::http::stream::{Place, poll_element};

/// A stream of messages made of elements. An element is taken when the connection has room.
pub(crate) struct Replies<F, E> {
    elements: Elements,
    place: Place,
    message: F,
    /// An error as a status.
    failed: E,
    over: bool,
}

impl<T, F: FnMut(Element) -> Result<T> + Unpin> Replies<F, Box<dyn Fn(Error) -> Status + Send>> {
    pub(crate) fn new(elements: Elements, place: Place, entity_type: Arc<str>, message: F) -> Self {
        Self::with(elements, place, Box::new(move |error| status(&error, &entity_type)), message)
    }
}

impl<T, F: FnMut(Element) -> Result<T> + Unpin, E: Fn(Error) -> Status + Unpin> Replies<F, E> {
    /// With statuses of another form.
    pub(crate) fn with(elements: Elements, place: Place, failed: E, message: F) -> Self {
        Self { elements, place, message, failed, over: false }
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
        match poll_element(&mut this.elements, &mut this.place, context) {
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
