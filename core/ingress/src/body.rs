// SPDX-License-Identifier: Apache-2.0
//! The bodies of responses. An ordinary reply is one chunk and costs no allocation here.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Anything a response can carry.
pub(crate) enum Body {
    /// One chunk, or nothing.
    Whole(Bytes),
    /// Server-sent events or lines of JSON.
    Elements(Box<crate::http::stream::ElementBody>),
    /// What a gRPC service answers.
    Grpc(tonic::body::Body),
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Elements(elements) => {
                elements.poll_chunk(context).map(|chunk| chunk.map(|data| data.map(Frame::data)))
            }
            Self::Grpc(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Elements(_) => false,
            Self::Grpc(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Elements(_) => SizeHint::default(),
            Self::Grpc(body) => body.size_hint(),
        }
    }
}
