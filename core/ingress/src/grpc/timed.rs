// SPDX-License-Identifier: Apache-2.0
//! How long the message of a gRPC call may take, as the body of an HTTP request may.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use adjoin_model::{Error, Outcome};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body as GrpcBody;

use crate::grpc::status::status;
use crate::meter::Refusal;
use crate::settings::Settings;

/// What has to come in time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// All of the body: it is one message.
    Whole,
    /// Its first bytes: what follows may take as long as the client likes.
    Begun,
}

/// A body that fails once it takes too long.
struct Timed {
    body: GrpcBody,
    due: Due,
    limit: Duration,
    /// None once what was due has come.
    late: Option<Pin<Box<Sleep>>>,
}

/// The body with the limit of the settings.
pub(crate) fn timed(body: GrpcBody, due: Due, settings: &Settings) -> GrpcBody {
    if body.is_end_stream() {
        return body;
    }
    let limit = Duration::from_millis(settings.body_ms);
    GrpcBody::new(Timed { body, due, limit, late: Some(Box::pin(sleep_until(Instant::now() + limit))) })
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let over = matches!(frame, Poll::Ready(None | Some(Err(_))));
        if over || (self.due == Due::Begun && frame.is_ready()) {
            self.late = None;
        }
        // Also while bytes come: else one after the other would do.
        let late = self.late.as_mut().is_some_and(|late| late.as_mut().poll(context).is_ready());
        if late { Poll::Ready(Some(Err(too_slow(self.limit)))) } else { frame }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn too_slow(limit: Duration) -> Status {
    Refusal::BodyTime.count();
    let said = format!("the message was not complete after {} ms", limit.as_millis());
    status(&Error::expired(said).with_outcome(Outcome::None), "adjoin")
}
