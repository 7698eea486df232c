// SPDX-License-Identifier: Apache-2.0
//! Errors as RFC 9457 problems.

use std::borrow::Cow;

use adjoin_model::{Error, Kind};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde::ser::SerializeMap;

use crate::body::Body;

/// What a client is told went wrong, with the status where HTTP has a more exact one than the kind's.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) error: Error,
    pub(crate) status: StatusCode,
    /// The methods that would have been right.
    allow: Option<Cow<'static, str>>,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { error, status, allow: None }
    }
}

impl Problem {
    /// With a status of HTTP's own.
    pub(crate) fn with_status(error: Error, status: StatusCode) -> Self {
        Self { error, status, allow: None }
    }

    /// 405, naming what would be right.
    pub(crate) fn method(said: impl Into<String>, allow: impl Into<Cow<'static, str>>) -> Self {
        Self { error: Error::invalid(said), status: StatusCode::METHOD_NOT_ALLOWED, allow: Some(allow.into()) }
    }

    /// The answer to a conditional call: a sequence that differs is a failed precondition.
    pub(crate) fn of_call(error: Error, conditional: bool) -> Self {
        let on_sequence = error.context.iter().any(|(what, _)| what == "sequence");
        if conditional && error.kind == Kind::Conflict && on_sequence {
            return Self::with_status(error, StatusCode::PRECONDITION_FAILED);
        }
        error.into()
    }

    /// The problem as JSON.
    pub(crate) fn json(&self) -> Bytes {
        let shown = Shown { error: &self.error, status: self.status };
        // Strings and numbers always have a JSON form.
        serde_json::to_vec(&shown).unwrap_or_default().into()
    }

    pub(crate) fn response(self) -> Response<Body> {
        let mut response = Response::new(self.json().into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(ms) = self.error.retry_after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1)));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
            headers.insert(ALLOW, allow);
        }
        response
    }
}

struct Shown<'a> {
    error: &'a Error,
    status: StatusCode,
}

impl Serialize for Shown<'_> {
    fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let error = self.error;
        let mut map = writer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("urn:adjoin:problem:{}", error.kind.name()))?;
        map.serialize_entry("title", title(error.kind))?;
        map.serialize_entry("status", &self.status.as_u16())?;
        map.serialize_entry("detail", &error.message)?;
        map.serialize_entry("kind", error.kind.name())?;
        map.serialize_entry("code", error.client_code().name())?;
        map.serialize_entry("outcome", error.outcome.name())?;
        map.serialize_entry("context", &Context(error))?;
        if let Some(ms) = error.retry_after_ms {
            map.serialize_entry("retryAfterMs", &ms)?;
        }
        map.end()
    }
}

struct Context<'a>(&'a Error);

impl Serialize for Context<'_> {
    fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_map(self.0.context.iter().enumerate().filter_map(|(at, (what, value))| {
            // One name twice would be no JSON object that everybody reads alike: the innermost place is kept.
            let earlier = self.0.context[..at].iter().any(|(other, _)| other == what);
            (!earlier).then_some((what, value))
        }))
    }
}

/// One phrase per kind, the same for every problem of the kind.
pub(crate) const fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "The request is wrong",
        Kind::NotFound => "There is no such thing",
        Kind::Rejected => "The command was refused",
        Kind::Conflict => "The entity or an idempotency key stands differently",
        Kind::Denied => "Not allowed",
        Kind::Exhausted => "A bound is reached",
        Kind::Unavailable => "Not available now",
        Kind::Expired => "The deadline passed",
        Kind::Fenced => "Another node owns the shard now",
        Kind::Corrupt => "Stored data cannot be read",
        Kind::Protocol => "A peer or a function broke the contract",
        Kind::Internal => "An unexpected error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::{Code, Outcome};
    use serde_json::{Value, json};

    fn shown(problem: &Problem) -> Value {
        serde_json::from_slice(&problem.json()).expect("JSON")
    }

    #[test]
    fn every_kind_has_its_status_and_body() {
        for kind in Kind::ALL {
            let error = Error::new(kind, Outcome::Unknown, "what \"happened\"").at("entity", "shop.Cart/ada");
            let status = error.http_status();
            let problem = Problem::from(error);
            let expected = json!({
                "type": format!("urn:adjoin:problem:{}", kind.name()), "title": title(kind), "status": status,
                "detail": "what \"happened\"", "kind": kind.name(), "code": kind.code().name(), "outcome": "unknown",
                "context": {"entity": "shop.Cart/ada"},
            });
            assert_eq!(shown(&problem), expected);
            let response = problem.response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        }
    }

    #[test]
    fn a_code_of_the_user_decides_the_status() {
        let problem = Problem::from(Error::rejected("no p9 here").with_code(Code::NotFound));
        assert_eq!((problem.status.as_u16(), shown(&problem)["code"].as_str()), (404, Some("NOT_FOUND")));
    }

    #[test]
    fn retry_after_is_in_seconds_rounded_up() {
        let response = Problem::from(Error::exhausted("full").retry_after(1200)).response();
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(shown(&Error::exhausted("full").retry_after(1200).into())["retryAfterMs"], 1200);
    }

    #[test]
    fn only_a_sequence_that_differs_fails_a_precondition() {
        let sequence = Error::conflict("differs").at("sequence", 7);
        assert_eq!(Problem::of_call(sequence.clone(), true).status, StatusCode::PRECONDITION_FAILED);
        assert_eq!(Problem::of_call(sequence, false).status, StatusCode::CONFLICT);
        assert_eq!(Problem::of_call(Error::conflict("other payload"), true).status, StatusCode::CONFLICT);
    }

    #[test]
    fn a_place_said_twice_is_shown_once() {
        let problem = Problem::from(Error::invalid("x").at("field", "inner").at("field", "outer"));
        assert_eq!(shown(&problem)["context"], json!({"field": "inner"}));
    }
}
