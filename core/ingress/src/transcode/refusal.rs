// SPDX-License-Identifier: Apache-2.0
//! Failures as clients of contract-first functions see them over HTTP.

use adjoin_entity::spec::Answers;
use adjoin_model::Error;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use crate::body::Body;
use crate::http::problem::Problem;
use crate::meter;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");

/// What failed.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request, before anybody was asked.
    Request(Problem),
    /// The call.
    Call(Problem),
    /// A call that ended well gave no reply where there must be one.
    NoReply,
}

impl Refusal {
    /// A request that cannot be read.
    pub(crate) fn request(error: Error) -> Self {
        Self::Request(error.into())
    }

    /// A call that failed.
    pub(crate) fn call(error: Error) -> Self {
        Self::Call(error.into())
    }

    /// The answer: a problem, or of a Cloudstate function's clients a status with a text.
    /// A bound of HTTP's own is counted as such.
    pub(crate) fn response(self, answers: Answers) -> Response<Body> {
        if let Self::Request(problem) | Self::Call(problem) = &self {
            meter::Refusal::count_status(problem.status);
        }
        match (answers, self) {
            (Answers::Adjoin, Self::Request(problem) | Self::Call(problem)) => problem.response(),
            (Answers::Cloudstate, Self::Request(problem)) => phrase(problem.status),
            (Answers::Cloudstate, Self::Call(problem)) => {
                text(StatusCode::INTERNAL_SERVER_ERROR, problem.error.message.into())
            }
            (_, Self::NoReply) => text(StatusCode::INTERNAL_SERVER_ERROR, Bytes::from_static(b"no reply")),
        }
    }
}

/// A status with its own phrase, as the reference proxy of the Cloudstate protocol refuses.
pub(crate) fn phrase(status: StatusCode) -> Response<Body> {
    text(status, Bytes::from_static(status.canonical_reason().unwrap_or_default().as_bytes()))
}

fn text(status: StatusCode, said: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::Whole(said));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}
