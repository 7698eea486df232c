// SPDX-License-Identifier: Apache-2.0
//! Errors of the admin API as RFC 9457 problems.

use adjoin_model::Error;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// An error on its way out.
pub(super) struct Problem(pub(super) Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl Problem {
    /// Its body, in one line.
    pub(super) fn json(&self) -> String {
        let Self(error) = self;
        let context: Map<String, Value> =
            error.context.iter().map(|(what, value)| (what.to_string(), value.as_str().into())).collect();
        json!({
            "type": "about:blank",
            "title": error.kind.name(),
            "status": error.http_status(),
            "detail": error.message,
            "kind": error.kind.name(),
            "outcome": error.outcome.name(),
            "context": context,
        })
        .to_string()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(header::CONTENT_TYPE, "application/problem+json")], self.json()).into_response()
    }
}

/// There is no such path.
pub(super) async fn unknown(uri: Uri) -> Problem {
    Problem(Error::not_found(format!("the admin API has no {}", uri.path())))
}
