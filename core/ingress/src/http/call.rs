// SPDX-License-Identifier: Apache-2.0
//! `/{type}/{key}/{command}`: commands, queries, watches and streamed replies.

use adjoin_engine::Request as EngineRequest;
use adjoin_entity::Reply;
use adjoin_model::{EntityId, Error, Payload, Sequence};
use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body::Body as HttpBody;

use crate::app::App;
use crate::ask;
use crate::beside;
use crate::body::Body;
use crate::http::problem::Problem;
use crate::http::query::{self, Pairs};
use crate::http::stream::{self, Form};
use crate::http::{head, json, path, upload};
use crate::routes::{Route, Table};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Answers a request to an entity.
pub(crate) async fn respond<B>(app: &App, table: &Table, parts: &Parts, body: B) -> Result<Response<Body>, Problem>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
{
    let target = path::parse(parts.uri.path())?;
    let route = table.find(&target.entity_type, &target.command)?;
    let mut pairs = query::parse(parts.uri.query().unwrap_or(""))?;
    let declared = route.params.declares("watch");
    let watch = query::take_watch(&mut pairs, declared)?;
    route.seen(watch);
    check_method(route, &parts.method, watch)?;
    let entity = EntityId::new(route.entity_type.name.clone(), &*target.key)?;
    if route.handler().streamed_in {
        let request = ask::request(entity, route, &parts.headers, Bytes::new())?;
        return upload::respond(app, request, route, parts, body).await;
    }
    let body = body_of(app, route, parts, &pairs, body).await?;
    let request = ask::request(entity, route, &parts.headers, body)?;
    if watch {
        return self::watch(app, request, &parts.headers).await;
    }
    if route.handler().streamed_out {
        let place = app.streams.place(&app.settings)?;
        let elements = app.engine.stream(request);
        return stream::respond(elements, Form::accepted(&parts.headers), false, place, &app.settings).await;
    }
    run(app, request, route).await
}

/// Which methods a handler takes.
fn check_method(route: &Route, method: &Method, watch: bool) -> Result<(), Problem> {
    let query = route.handler().query;
    if watch && !query {
        return Err(Error::invalid("only a query can be watched").into());
    }
    match *method {
        Method::POST => Ok(()),
        Method::GET | Method::HEAD if query => Ok(()),
        _ if query => Err(Problem::method("a query is asked by GET or POST", "GET, HEAD, POST")),
        _ => Err(Problem::method("a command is sent by POST", "POST")),
    }
}

/// One JSON value: the body of a POST, the parameters of a GET.
async fn body_of<B>(app: &App, route: &Route, parts: &Parts, pairs: &Pairs<'_>, body: B) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    if parts.method != Method::POST {
        return Ok(route.params.body(pairs)?);
    }
    if !pairs.is_empty() {
        let said = "a POST takes its parameters in the body, none in the address";
        return Err(Error::invalid(said).into());
    }
    let body = app.reading.whole(body, &parts.headers, &app.settings).await?;
    if !body.is_empty() {
        json::check(&body, app.settings.json_depth)?;
    }
    Ok(body)
}

async fn watch(app: &App, request: EngineRequest, headers: &HeaderMap) -> Result<Response<Body>, Problem> {
    let after = head::last_event_id(headers)?;
    let place = app.streams.place(&app.settings)?;
    let elements = app.engine.watch(request, after);
    stream::respond(elements, Form::accepted(headers), true, place, &app.settings).await
}

async fn run(app: &App, mut request: EngineRequest, route: &Route) -> Result<Response<Body>, Problem> {
    request.timeout = request.timeout.or(app.timeout());
    let conditional = request.if_match.is_some();
    let reply = app.engine.call(request).await.map_err(|error| Problem::of_call(error, conditional))?;
    Ok(reply_of(reply, route))
}

fn reply_of(reply: Reply, route: &Route) -> Response<Body> {
    let mut response = result(reply.payload);
    let headers = response.headers_mut();
    beside::lift(reply.metadata, headers);
    if route.handler().query {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let sequence = route.has_state().then_some(reply.sequence);
    mark(headers, sequence, reply.replayed);
    response
}

/// Says what an answer rests on: the sequence of an entity that has one, an earlier answer.
pub(crate) fn mark(headers: &mut HeaderMap, sequence: Option<Sequence>, replayed: bool) {
    if let Some(tag) = sequence.and_then(etag) {
        headers.insert(ETAG, tag);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
}

/// A result by itself.
pub(crate) fn result(payload: Option<Payload>) -> Response<Body> {
    let mut response = Response::new(ask::json_of(payload).into());
    let headers = response.headers_mut();
    headers.reserve(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `"7"`.
fn etag(sequence: Sequence) -> Option<HeaderValue> {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(sequence).as_bytes();
    let mut tag = BytesMut::with_capacity(digits.len() + 2);
    tag.extend_from_slice(b"\"");
    tag.extend_from_slice(digits);
    tag.extend_from_slice(b"\"");
    HeaderValue::from_maybe_shared(tag.freeze()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_the_sequence_in_quotes() {
        assert_eq!(etag(0).expect("a tag"), "\"0\"");
        assert_eq!(etag(u64::MAX).expect("a tag"), format!("\"{}\"", u64::MAX).as_str());
    }
}
