// SPDX-License-Identifier: Apache-2.0
//! What an edge asks of the engine, the same for HTTP and gRPC.

use std::sync::Arc;
use std::time::Duration;

use adjoin_engine::Request;
use adjoin_model::{EntityId, Error, Payload, Result};
use bytes::Bytes;
use http::HeaderMap;

use crate::app::App;
use crate::http::head;
use crate::routes::Route;

/// A call of this handler, with what the head of the request says about it.
///
/// # Errors
/// `Invalid` for a field of the head that cannot be read.
pub(crate) fn request(entity: EntityId, route: &Route, headers: &HeaderMap, body: Bytes) -> Result<Request> {
    let mut request = headed(entity, route.handler().name.clone(), json_payload(body), headers, route.has_state())?;
    request.metadata = head::metadata(headers)?;
    Ok(request)
}

/// A call of a Cloudstate function, as far as the head says how the host runs it: its key and its deadline. What else
/// these fields may say is for the function: a condition, and what is no key and no deadline, is metadata only.
pub(crate) fn bare(entity: EntityId, handler: Arc<str>, payload: Payload, headers: &HeaderMap) -> Request {
    let mut request = Request::new(entity, handler, payload);
    request.idempotency_key = head::idempotency_key(headers).ok().flatten();
    request.timeout = head::timeout(headers).ok().flatten();
    request
}

/// A call with what every head says about one: its key, its condition and its deadline. `has_state` is whether a
/// condition means something.
///
/// # Errors
/// `Invalid` for a field of the head that cannot be read, and for a condition on an action.
pub(crate) fn headed(
    entity: EntityId,
    handler: Arc<str>,
    payload: Payload,
    headers: &HeaderMap,
    has_state: bool,
) -> Result<Request> {
    let mut request = Request::new(entity, handler, payload);
    request.idempotency_key = head::idempotency_key(headers)?;
    request.if_match = head::if_match(headers)?;
    request.timeout = head::timeout(headers)?;
    if request.if_match.is_some() && !has_state {
        return Err(Error::invalid("an action has no sequence that if-match could name"));
    }
    Ok(request)
}

/// A payload of one JSON value; empty for no body.
pub(crate) fn json_payload(body: Bytes) -> Payload {
    thread_local! {
        static JSON: Arc<str> = Arc::from("json");
    }
    Payload { type_name: JSON.with(Clone::clone), data: body }
}

/// The JSON value of a result; `null` for none.
pub(crate) fn json_of(payload: Option<Payload>) -> Bytes {
    let data = payload.map(|payload| payload.data).filter(|data| !data.is_empty());
    data.unwrap_or(Bytes::from_static(b"null"))
}

impl App {
    /// The deadline of a call that names none.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        (self.settings.timeout_ms > 0).then(|| Duration::from_millis(self.settings.timeout_ms))
    }
}
