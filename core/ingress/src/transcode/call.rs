// SPDX-License-Identifier: Apache-2.0
//! One request that meets a rule, from its body to its answer.

use std::sync::Arc;

use adjoin_engine::{Element, Elements};
use adjoin_entity::Reply;
use adjoin_entity::spec::Answers;
use adjoin_model::{Error, Metadata, Payload, Result};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body::Body as HttpBody;

use crate::app::App;
use crate::beside;
use crate::body::Body;
use crate::http::problem::Problem;
use crate::http::stream::{self, Form, Place, Shape};
use crate::http::{call, query, upload};
use crate::transcode::binding::{Binding, BodyRule};
use crate::transcode::input::Input;
use crate::transcode::output;
use crate::transcode::refusal::Refusal;

type Answer = core::result::Result<Response<Body>, Refusal>;

/// Answers a request, in any case.
pub(crate) async fn respond<B>(app: &App, binding: Arc<Binding>, parts: &Parts, body: B) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
{
    binding.served.seen(false);
    let answers = binding.served.answers;
    answer(app, &binding, parts, body).await.unwrap_or_else(|refusal| refusal.response(answers))
}

async fn answer<B>(app: &App, binding: &Arc<Binding>, parts: &Parts, body: B) -> Answer
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
{
    let kind = content_kind(&parts.headers);
    check_kind(binding, kind)?;
    let pairs = query::parse(parts.uri.query().unwrap_or("")).map_err(Refusal::request)?;
    let input = Input::new(binding.clone(), parts.uri.path(), &pairs, &parts.headers, app.settings.json_depth);
    let input = input.map_err(Refusal::request)?;
    if binding.served.method.client_streaming && is_lines(binding, kind) {
        return upload(app, binding, parts, input, body).await;
    }
    let whole = if binding.body == BodyRule::None {
        app.reading.pass_over(body, &app.settings).await;
        Bytes::new()
    } else {
        app.reading.whole(body, &parts.headers, &app.settings).await.map_err(Refusal::Request)?
    };
    let message = input.message(whole).map_err(Refusal::request)?;
    if binding.served.method.client_streaming {
        return single_upload(app, binding, parts, message).await;
    }
    let request = request(binding, &parts.headers, message).map_err(Refusal::request)?;
    if binding.served.method.server_streaming {
        let place = app.streams.place(&app.settings).map_err(Refusal::call)?;
        return stream_out(app, binding, parts, app.engine.stream(request), place).await;
    }
    run(app, binding, parts, request).await
}

/// The type of a body's content, without its parameters.
fn content_kind(headers: &HeaderMap) -> &str {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    kind.split(';').next().unwrap_or("").trim()
}

fn is_json(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("application/json")
}

/// The reference proxy of the Cloudstate protocol takes a body of JSON under this name only.
fn check_kind(binding: &Binding, kind: &str) -> core::result::Result<(), Refusal> {
    let any = binding.served.answers == Answers::Adjoin || binding.body == BodyRule::None || binding.takes_raw();
    if any || is_json(kind) || stream::is_lines(kind) {
        return Ok(());
    }
    Err(Refusal::request(Error::invalid("the content type of a body is application/json")))
}

/// Whether the body of a client's stream is one message a line; under `application/json` it is one message.
fn is_lines(binding: &Binding, kind: &str) -> bool {
    !binding.takes_raw() && binding.body != BodyRule::None && !is_json(kind)
}

fn request(binding: &Binding, headers: &HeaderMap, message: Bytes) -> Result<adjoin_engine::Request> {
    let mut request = binding.served.request(headers, message)?;
    if binding.served.answers == Answers::Cloudstate && !binding.served.has_state() {
        request.metadata.push(("grpc-accept-encoding".into(), "identity".into()));
    }
    Ok(request)
}

async fn run(app: &App, binding: &Binding, parts: &Parts, mut request: adjoin_engine::Request) -> Answer {
    request.timeout = request.timeout.or(app.timeout());
    let conditional = request.if_match.is_some();
    let reply = app.engine.call(request).await;
    let reply = reply.map_err(|error| Refusal::Call(Problem::of_call(error, conditional)))?;
    let Reply { payload, sequence, replayed, metadata } = reply;
    let mut response = one(binding, payload, metadata)?;
    let headers = response.headers_mut();
    if matches!(parts.method, Method::GET | Method::HEAD) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    call::mark(headers, binding.served.has_state().then_some(sequence), replayed);
    Ok(response)
}

/// A single reply.
fn one(binding: &Binding, payload: Option<Payload>, metadata: Metadata) -> Answer {
    let reply = binding.served.output(payload).map_err(Refusal::call)?.ok_or(Refusal::NoReply)?;
    let output = output::of(binding, &reply).map_err(Refusal::call)?;
    let mut response = Response::new(Body::Whole(output.data));
    beside::lift(metadata, response.headers_mut());
    if let Some(kind) = output.content_type {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    Ok(response)
}

async fn stream_out(app: &App, binding: &Arc<Binding>, parts: &Parts, elements: Elements, place: Place) -> Answer {
    let form = form(binding, &parts.headers);
    let (shaped, typed) = (binding.clone(), binding.clone());
    let text = move |payload: Option<Payload>| {
        let reply = shaped.served.output(payload)?.unwrap_or_default();
        output::of(&shaped, &reply).map(|output| output.data)
    };
    let kind = move |element: &Element| output::content_type(&typed, element);
    let shape = Shape { text: Box::new(text), kind: Box::new(kind) };
    let answered = stream::respond_as(elements, form, false, place, &app.settings, Some(shape)).await;
    answered.map_err(Refusal::Call)
}

/// Events for those who ask, for a Cloudstate function's clients; lines for those who ask, for others. Clients of other
/// gateways ask for JSON and read lines.
fn form(binding: &Binding, headers: &HeaderMap) -> Form {
    if output::is_raw(binding) {
        return Form::Raw;
    }
    let accepts = |kind: &str| {
        let mut accept = headers.get_all(http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        accept.any(|value| value.contains(kind))
    };
    let events = accepts("text/event-stream");
    match (binding.served.answers, Form::accepted(headers)) {
        (Answers::Cloudstate, _) if events => Form::PlainEvents,
        (Answers::Cloudstate, _) => Form::JsonLines,
        (Answers::Adjoin, Form::Events) if !events && accepts("application/json") => Form::Json,
        (Answers::Adjoin, form) => form,
    }
}

async fn upload<B>(app: &App, binding: &Arc<Binding>, parts: &Parts, input: Input, body: B) -> Answer
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
{
    let served = binding.served.clone();
    let request = request(binding, &parts.headers, Bytes::new()).map_err(Refusal::request)?;
    let mut place = app.streams.place(&app.settings).map_err(Refusal::call)?;
    let broken = place.breakable();
    let (upstream, elements) = app.engine.duplex(request);
    let payload = move |line: Bytes| input.message(line).map(|message| served.payload(message));
    let lines = upload::elements(app, &parts.headers, body, payload).map_err(Refusal::Request)?;
    tokio::spawn(stream::pump(upstream, broken, lines));
    downstream(app, binding, parts, elements, place).await
}

/// A client's stream of one message.
async fn single_upload(app: &App, binding: &Arc<Binding>, parts: &Parts, message: Bytes) -> Answer {
    let request = request(binding, &parts.headers, Bytes::new()).map_err(Refusal::request)?;
    let mut place = app.streams.place(&app.settings).map_err(Refusal::call)?;
    let broken = place.breakable();
    let (upstream, elements) = app.engine.duplex(request);
    let message = tokio_stream::once(Ok(binding.served.payload(message)));
    tokio::spawn(stream::pump(upstream, broken, message));
    downstream(app, binding, parts, elements, place).await
}

async fn downstream(
    app: &App,
    binding: &Arc<Binding>,
    parts: &Parts,
    mut elements: Elements,
    mut place: Place,
) -> Answer {
    if binding.served.method.server_streaming {
        return stream_out(app, binding, parts, elements, place).await;
    }
    let reply = stream::next(&mut elements, &mut place).await.transpose().map_err(Refusal::call)?;
    let Reply { payload, metadata, .. } = stream::reply(reply);
    one(binding, payload, metadata)
}
