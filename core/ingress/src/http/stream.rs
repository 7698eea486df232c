// SPDX-License-Identifier: Apache-2.0
//! Watches and streamed replies as bodies: server-sent events, or one JSON value a line.
//!
//! Back-pressure is the connection's: an element is taken from the engine when the connection has room, and the engine
//! sends no other before it was taken.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use adjoin_engine::{Element, Elements, Upstream};
use adjoin_entity::Reply;
use adjoin_model::{Error, Metadata, Outcome, Payload, Result};
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;

use crate::beside;
use crate::body::Body;
use crate::http::problem::Problem;
use crate::meter::{self, OpenGauge, Refusal};
use crate::settings::Settings;

/// How long the head of a response waits for the first element, so that what fails at once fails with a status, and
/// that what is said beside the element comes with the head.
pub(crate) const FIRST: Duration = Duration::from_millis(250);

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `text/event-stream`.
    Events,
    /// `application/x-ndjson`.
    Lines,
    /// `text/event-stream` with nothing but data: a failure breaks the connection off.
    PlainEvents,
    /// `application/json` with one value a line, which tells failures as [`Form::Lines`] does.
    Json,
    /// `application/json` with one value a line and nothing else: a failure breaks the connection off.
    JsonLines,
    /// Bytes as they are: the same.
    Raw,
}

type Kind = Box<dyn Fn(&Element) -> Option<HeaderValue> + Send>;

/// Makes parts of a body from elements that are no JSON yet.
pub(crate) struct Shape {
    /// The text of an element from its payload.
    pub(crate) text: Box<dyn FnMut(Option<Payload>) -> Result<Bytes> + Send>,
    /// What the first element says of the content's type, where the form leaves that open.
    pub(crate) kind: Kind,
}

impl Form {
    /// What the client asked for; events where it does not say.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut kinds =
            accept.flat_map(|value| value.split(',')).map(|kind| kind.split(';').next().unwrap_or("").trim());
        if kinds.any(is_lines) { Self::Lines } else { Self::Events }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Events | Self::PlainEvents => "text/event-stream",
            Self::Lines => "application/x-ndjson",
            Self::Json | Self::JsonLines => "application/json",
            Self::Raw => "application/octet-stream",
        }
    }

    /// Whether a failure has a form of its own in the stream.
    const fn tells_failures(self) -> bool {
        matches!(self, Self::Events | Self::Lines | Self::Json)
    }
}

/// Whether this type of content is one JSON value a line.
pub(crate) fn is_lines(kind: &str) -> bool {
    ["application/x-ndjson", "application/jsonl", "application/ndjson"].iter().any(|one| kind.eq_ignore_ascii_case(one))
}

/// What all streams of an ingress share.
#[derive(Clone)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    open: Gauge,
    closing: CancellationToken,
}

impl Streams {
    pub(crate) fn new(settings: &Settings, closing: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(settings.streams.min(Semaphore::MAX_PERMITS)));
        Self { places, open: meter::streams(), closing }
    }

    /// A place for one stream.
    ///
    /// # Errors
    /// `Exhausted` past the bound, `Unavailable` while the ingress closes.
    pub(crate) fn place(&self, settings: &Settings) -> Result<Place> {
        if self.closing.is_cancelled() {
            return Err(closing());
        }
        let said = "this host serves as many watches and streams as it may";
        let full = || {
            Refusal::Streams.count();
            Error::exhausted(said).retry_after(settings.retry_after_ms)
        };
        let permit = self.places.clone().try_acquire_owned().map_err(|_| full())?;
        let closing = Box::pin(self.closing.clone().cancelled_owned());
        Ok(Place { closing, broken: None, _permit: permit, _open: OpenGauge::of(&self.open) })
    }
}

/// One of the bounded places for streams.
pub(crate) struct Place {
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Says why the client's stream cannot go on.
    broken: Option<oneshot::Receiver<Error>>,
    _permit: OwnedSemaphorePermit,
    _open: OpenGauge,
}

impl Place {
    /// Ends the stream when the client's own one breaks; whoever reads that one says so with what is returned.
    pub(crate) fn breakable(&mut self) -> oneshot::Sender<Error> {
        let (sender, receiver) = oneshot::channel();
        self.broken = Some(receiver);
        sender
    }

    /// Ready with the reason once the stream is to end from this side: the ingress closes, or what the client sends
    /// cannot be read.
    pub(crate) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        match self.broken(context) {
            Some(error) => Poll::Ready(error),
            None => self.closing.as_mut().poll(context).map(|()| closing()),
        }
    }

    /// Why the client's stream cannot go on, once that is known.
    fn broken(&mut self, context: &mut Context<'_>) -> Option<Error> {
        match Pin::new(self.broken.as_mut()?).poll(context) {
            Poll::Ready(said) => {
                self.broken = None;
                // Nothing was said where the client's stream has ended well.
                said.ok()
            }
            Poll::Pending => None,
        }
    }
}

/// Passes a client's elements on, until it ends its stream, the call ends, or what it sends cannot be read: `broken`
/// then says why. Earlier elements may have had an effect.
pub(crate) async fn pump(
    mut upstream: Upstream,
    mut broken: oneshot::Sender<Error>,
    elements: impl Stream<Item = Result<Payload>>,
) {
    let mut elements = pin!(elements);
    loop {
        let next = tokio::select! {
            // The response is gone, and its place with it: a client that is silent keeps nothing open.
            () = broken.closed() => return,
            next = elements.next() => next,
        };
        match next {
            Some(Ok(element)) => {
                if upstream.send(element).await.is_err() {
                    return;
                }
            }
            None => return upstream.end(),
            Some(Err(error)) => {
                // Nobody hears it when the client is gone. Dropping the upstream cancels the call.
                let _ = broken.send(error.with_outcome(Outcome::Unknown));
                return;
            }
        }
    }
}

pub(crate) fn closing() -> Error {
    Error::unavailable("this host shuts down: connect again, with the last id seen").retry_after(1000)
}

/// The first thing that came, where the head has waited for it: an element, an error, or the end.
pub(crate) type First = Option<Option<Result<Element>>>;

/// The body of a watch or a streamed reply.
pub(crate) struct ElementBody {
    first: First,
    elements: Elements,
    form: Form,
    watch: bool,
    place: Place,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
    shape: Option<Shape>,
    over: bool,
}

/// Answers with a stream, or with a problem if the first thing that comes is one.
pub(crate) async fn respond(
    elements: Elements,
    form: Form,
    watch: bool,
    place: Place,
    settings: &Settings,
) -> core::result::Result<Response<Body>, Problem> {
    respond_as(elements, form, watch, place, settings, None).await
}

/// The same, of payloads that are no JSON yet.
pub(crate) async fn respond_as(
    mut elements: Elements,
    form: Form,
    watch: bool,
    mut place: Place,
    settings: &Settings,
    shape: Option<Shape>,
) -> core::result::Result<Response<Body>, Problem> {
    // Only the first element says of what type such a content is. A client that streams may wait for the head.
    let first = if form == Form::Raw && place.broken.is_none() {
        Ok(next(&mut elements, &mut place).await)
    } else {
        tokio::time::timeout(FIRST, next(&mut elements, &mut place)).await
    };
    let mut first = match first {
        Ok(Some(Err(error))) => return Err(error.into()),
        Ok(first) => Some(first),
        Err(_) => None,
    };
    let kind = content_type(form, &first, shape.as_ref());
    let said = said(&mut first);
    let keep_alive = Duration::from_millis(settings.keep_alive_ms);
    let silence = Box::pin(sleep_until(Instant::now() + keep_alive));
    let body = ElementBody { first, elements, form, watch, place, keep_alive, silence, shape, over: false };
    let mut response = Response::new(Body::Elements(Box::new(body)));
    beside::lift(said, response.headers_mut());
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn content_type(form: Form, first: &First, shape: Option<&Shape>) -> HeaderValue {
    let said = match (form, first, shape) {
        (Form::Raw, Some(Some(Ok(element))), Some(shape)) => (shape.kind)(element),
        _ => None,
    };
    said.unwrap_or(HeaderValue::from_static(form.content_type()))
}

/// Takes what the function says beside the first element, where that has come.
pub(crate) fn said(first: &mut First) -> Metadata {
    match first {
        Some(Some(Ok(element))) => std::mem::take(&mut element.metadata),
        _ => Metadata::new(),
    }
}

/// The reply of an action whose client streamed: its one element, if it gave one.
pub(crate) fn reply(element: Option<Element>) -> Reply {
    let (payload, metadata) = element.map(|element| (element.payload, element.metadata)).unwrap_or_default();
    Reply { payload, sequence: 0, replayed: false, metadata }
}

/// The next element, or why the stream ends from this side.
pub(crate) async fn next(elements: &mut Elements, place: &mut Place) -> Option<Result<Element>> {
    poll_fn(|context| poll_element(elements, place, context)).await
}

/// What [`next`] waits for. A client's stream that breaks also ends the call in the engine: what broke it is said, not
/// what followed.
pub(crate) fn poll_element(
    elements: &mut Elements,
    place: &mut Place,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Element>>> {
    match Pin::new(elements).poll_next(context) {
        Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(place.broken(context).unwrap_or(error)))),
        Poll::Pending => place.poll_end(context).map(|error| Some(Err(error))),
        item => item,
    }
}

impl ElementBody {
    pub(crate) fn poll_chunk(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<core::result::Result<Bytes, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(item) = self.poll_item(context) {
            self.silence.as_mut().reset(Instant::now() + self.keep_alive);
            return Poll::Ready(self.chunk(item));
        }
        self.poll_silence(context)
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Element>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(first),
            None => poll_element(&mut self.elements, &mut self.place, context),
        }
    }

    fn chunk(&mut self, item: Option<Result<Element>>) -> Option<core::result::Result<Bytes, Status>> {
        let text = item.map(|element| element.and_then(|element| self.element(element)));
        match text {
            Some(Ok(chunk)) => Some(Ok(chunk)),
            Some(Err(error)) => {
                self.over = true;
                let told = self.form.tells_failures();
                Some(if told { Ok(failure(self.form, error)) } else { Err(Status::internal(error.message)) })
            }
            None => {
                self.over = true;
                // A client that reads events takes an end for a broken connection, unless it is told.
                (self.form == Form::Events).then(|| Ok(Bytes::from_static(b"event: end\ndata:\n\n")))
            }
        }
    }

    fn element(&mut self, element: Element) -> Result<Bytes> {
        let data = match &mut self.shape {
            Some(shape) => (shape.text)(element.payload)?,
            None => crate::ask::json_of(element.payload),
        };
        let mut chunk = BytesMut::with_capacity(data.len() + 48);
        match self.form {
            Form::Raw => return Ok(data),
            Form::Lines | Form::Json | Form::JsonLines => line(&data, &mut chunk),
            Form::Events | Form::PlainEvents => {
                if self.watch {
                    chunk.put_slice(b"id: ");
                    chunk.put_slice(itoa::Buffer::new().format(element.sequence).as_bytes());
                    chunk.put_u8(b'\n');
                }
                event_data(&data, &mut chunk);
            }
        }
        Ok(chunk.freeze())
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<Option<core::result::Result<Bytes, Status>>> {
        let said: &'static [u8] = match self.form {
            Form::Events | Form::PlainEvents => b": keep-alive\n\n",
            // Readers of JSON lines pass over an empty one.
            Form::Lines | Form::Json => b"\n",
            // Readers of these may take every line for a value.
            Form::JsonLines | Form::Raw => return Poll::Pending,
        };
        if self.silence.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.silence.as_mut().reset(Instant::now() + self.keep_alive);
        // Registers the timer again; it cannot be due.
        let _ = self.silence.as_mut().poll(context);
        Poll::Ready(Some(Ok(Bytes::from_static(said))))
    }
}

/// The last thing a stream says when it fails.
fn failure(form: Form, error: Error) -> Bytes {
    let retry = error.retry_after_ms;
    let problem = Problem::from(error).json();
    let mut chunk = BytesMut::with_capacity(problem.len() + 48);
    match form {
        Form::Lines | Form::Json | Form::JsonLines | Form::Raw => {
            chunk.put_slice(b"{\"$error\":");
            chunk.put_slice(&problem);
            chunk.put_slice(b"}\n");
        }
        Form::Events | Form::PlainEvents => {
            chunk.put_slice(b"event: error\n");
            if let Some(ms) = retry {
                chunk.put_slice(b"retry: ");
                chunk.put_slice(itoa::Buffer::new().format(ms).as_bytes());
                chunk.put_u8(b'\n');
            }
            event_data(&problem, &mut chunk);
        }
    }
    chunk.freeze()
}

fn event_data(data: &[u8], chunk: &mut BytesMut) {
    // A line break in JSON is white space, and readers join lines by one.
    for piece in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        chunk.put_slice(b"data: ");
        chunk.put_slice(piece);
        chunk.put_u8(b'\n');
    }
    chunk.put_u8(b'\n');
}

fn line(data: &[u8], chunk: &mut BytesMut) {
    chunk.extend(data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    chunk.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_over_several_lines_stays_one_event_and_one_line() {
        let mut chunk = BytesMut::new();
        event_data(b"[1,\n2]", &mut chunk);
        assert_eq!(&chunk[..], b"data: [1,\ndata: 2]\n\n");
        let mut chunk = BytesMut::new();
        line(b"[1,\r\n2]", &mut chunk);
        assert_eq!(&chunk[..], b"[1,  2]\n");
    }

    #[test]
    fn a_failure_says_what_and_when_to_come_back() {
        let error = Error::unavailable("gone").retry_after(5);
        let events = failure(Form::Events, error.clone());
        assert!(events.starts_with(b"event: error\nretry: 5\ndata: {\"type\":"), "{events:?}");
        let lines = failure(Form::Lines, error);
        let line: serde_json::Value = serde_json::from_slice(&lines).expect("JSON");
        assert_eq!(line["$error"]["kind"], "Unavailable");
    }

    #[test]
    fn lines_are_for_those_who_ask() {
        let form =
            |accept: &'static str| Form::accepted(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]));
        assert_eq!(form("*/*"), Form::Events);
        assert_eq!(form("text/html, application/x-ndjson;q=0.9"), Form::Lines);
        assert_eq!(Form::accepted(&HeaderMap::new()), Form::Events);
    }
}
