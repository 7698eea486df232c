// SPDX-License-Identifier: Apache-2.0
//! A body that notes the messages in it while it passes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::passed::{Log, Part};

/// Which way it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the proxy to the function.
    In,
    /// From the function to the proxy.
    Out,
}

/// A body on its way.
pub(super) struct Tap {
    inner: Incoming,
    direction: Direction,
    log: Arc<Log>,
    /// The beginning of a message.
    waiting: BytesMut,
    /// As trailers or headers said it.
    status: Option<i32>,
    over: bool,
}

impl Tap {
    pub(super) fn new(inner: Incoming, direction: Direction, log: &Arc<Log>) -> Self {
        Self { inner, direction, log: Arc::clone(log), waiting: BytesMut::new(), status: None, over: false }
    }

    /// A call that fails at once says so in its headers.
    pub(super) fn with_status(mut self, headers: &HeaderMap) -> Self {
        self.status = status(headers);
        self
    }

    fn take(&mut self, data: &[u8]) {
        self.waiting.extend_from_slice(data);
        // A flag, four bytes of length, the message.
        while let Some(length) = self.waiting.get(1..5).and_then(|bytes| bytes.try_into().ok()) {
            let length = u32::from_be_bytes(length) as usize;
            if self.waiting.len() < 5 + length {
                return;
            }
            self.waiting.advance(5);
            let message = self.waiting.split_to(length).freeze();
            self.log.note(match self.direction {
                Direction::In => Part::In(message),
                Direction::Out => Part::Out(message),
            });
        }
    }

    fn end(&mut self, well: bool) {
        if !std::mem::replace(&mut self.over, true) {
            self.log.note(match (self.direction, well) {
                (Direction::In, true) => Part::InEnd,
                (Direction::In, false) => Part::InBroken,
                (Direction::Out, true) => Part::OutEnd(self.status.unwrap_or(-1)),
                (Direction::Out, false) => Part::OutBroken,
            });
        }
    }
}

fn status(headers: &HeaderMap) -> Option<i32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

impl Body for Tap {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.take(data);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    self.status = status(trailers);
                    self.end(true);
                }
                // Who knows that nothing more will come does not ask again.
                if self.inner.is_end_stream() {
                    self.end(true);
                }
            }
            Some(Err(_)) => self.end(false),
            None => self.end(true),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let ended = self.inner.is_end_stream();
        self.end(ended);
    }
}
