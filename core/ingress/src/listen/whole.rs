// SPDX-License-Identifier: Apache-2.0
//! A request that its client takes back must not look like one that it has finished.

use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tonic::Status;

/// The body of a request that ends with an error, unless its client has ended it.
///
/// hyper shows a stream of HTTP/2 that was reset with `CANCEL` or `NO_ERROR` as one that is over: a handler would take
/// the half that came for the whole. HTTP/1 has no such end; a body that breaks off is an error there already.
pub(super) struct Whole {
    body: Incoming,
    /// An end must be seen to be one.
    doubted: bool,
}

/// The request with such a body.
pub(super) fn whole(request: Request<Incoming>) -> Request<Whole> {
    let doubted = request.version() == Version::HTTP_2;
    request.map(|body| Whole { body, doubted })
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() && self.doubted {
            self.doubted = false;
            if !self.body.is_end_stream() {
                return Poll::Ready(Some(Err(Status::cancelled("the client has cancelled its request").into())));
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
