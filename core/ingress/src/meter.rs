// SPDX-License-Identifier: Apache-2.0
//! Metrics and the span of a request. Labels are protocols, kinds of route, entity types that functions declare, and
//! classes of status: never a key, never a name that a client made up. `docs/metrics.md` lists them.

mod counts;

use std::cell::RefCell;

use adjoin_entity::spec::Handler;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Frame;
use metrics::Gauge;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::grpc;
pub(crate) use counts::TypeCounts;
use counts::{Counts, DOCUMENT, HEALTH, Kind, REFLECTION, UNKNOWN};

use std::sync::Arc;

/// Why somebody is turned away or cut off by the ingress itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Too many connections.
    Connections,
    /// Too many watches and streamed replies.
    Streams,
    /// Too many bytes of bodies at once.
    Bodies,
    /// A body is too large.
    BodySize,
    /// A body takes too long.
    BodyTime,
    /// A head or a path is too large.
    HeadSize,
    /// A head takes too long.
    HeadTime,
    /// A connection does not begin.
    HandshakeTime,
    /// A peer does not read.
    WriteTime,
    /// What comes is no HTTP.
    Protocol,
}

impl Refusal {
    const ALL: [Self; 10] = [
        Self::Connections,
        Self::Streams,
        Self::Bodies,
        Self::BodySize,
        Self::BodyTime,
        Self::HeadSize,
        Self::HeadTime,
        Self::HandshakeTime,
        Self::WriteTime,
        Self::Protocol,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Streams => "streams",
            Self::Bodies => "bodies",
            Self::BodySize => "body_size",
            Self::BodyTime => "body_time",
            Self::HeadSize => "head_size",
            Self::HeadTime => "head_time",
            Self::HandshakeTime => "handshake_time",
            Self::WriteTime => "write_time",
            Self::Protocol => "protocol",
        }
    }

    /// Counts an answer of this status, where it is for a bound that HTTP has a status of its own for.
    pub(crate) fn count_status(status: StatusCode) {
        Self::of_status(status).into_iter().for_each(Self::count);
    }

    fn of_status(status: StatusCode) -> Option<Self> {
        Some(match status {
            StatusCode::REQUEST_TIMEOUT => Self::BodyTime,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodySize,
            StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeadSize,
            _ => return None,
        })
    }

    /// Why a connection broke off, where that was this side's doing.
    pub(crate) fn of_connection(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let error = error.downcast_ref::<hyper::Error>()?;
        // What the guard gave up has been counted there, with what it was waiting for.
        match () {
            () if error.is_timeout() => Some(Self::HeadTime),
            () if error.is_parse_too_large() => Some(Self::HeadSize),
            () if error.is_parse() => Some(Self::Protocol),
            () => None,
        }
    }

    /// Counts one.
    pub(crate) fn count(self) {
        self.add(1);
    }

    fn add(self, number: u64) {
        metrics::counter!("adjoin_ingress_refusals_total", "reason" => self.name()).increment(number);
    }
}

/// Something that is open until this is dropped.
pub(crate) struct OpenGauge(Gauge);

impl OpenGauge {
    pub(crate) fn of(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Open connections; also makes every reason of a refusal visible before it first counts.
pub(crate) fn connections() -> Gauge {
    Refusal::ALL.into_iter().for_each(|reason| reason.add(0));
    metrics::gauge!("adjoin_ingress_connections")
}

/// Open watches and streams.
pub(crate) fn streams() -> Gauge {
    metrics::gauge!("adjoin_ingress_streams")
}

/// What a request turned out to be for.
#[derive(Clone)]
enum Seen {
    Fixed(&'static Counts),
    Of(Arc<TypeCounts>, Kind),
}

tokio::task_local! {
    /// Set by whoever finds the route, deep inside HTTP or gRPC; read where the request ends.
    static SEEN: RefCell<Seen>;
}

fn see(seen: Seen) {
    // Outside of a request, as in tests of one part, nothing is counted.
    let _ = SEEN.try_with(|now| now.replace(seen));
}

/// The request under way is for a handler, or for a watch of one.
pub(crate) fn seen(counts: &Arc<TypeCounts>, handler: &Handler, watch: bool) {
    let Handler { query, streamed_in, streamed_out, name, .. } = handler;
    let kind = match () {
        () if watch => Kind::Watch,
        () if *streamed_in || *streamed_out => Kind::Stream,
        () if *query => Kind::Query,
        () => Kind::Command,
    };
    let span = Span::current();
    span.record("route", kind.name()).record("type", &**counts.entity_type()).record("command", &**name);
    see(Seen::Of(counts.clone(), kind));
}

/// The request under way is for the index or the OpenAPI document.
pub(crate) fn document() {
    fixed(&DOCUMENT);
}

/// The request under way is for gRPC health.
pub(crate) fn health() {
    fixed(&HEALTH);
}

/// The request under way is for gRPC reflection.
pub(crate) fn reflection() {
    fixed(&REFLECTION);
}

fn fixed(counts: &'static Counts) {
    Span::current().record("route", counts.route());
    see(Seen::Fixed(counts));
}

/// How the client speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
    Grpc,
}

/// How a request ended, as HTTP would class it.
#[derive(Clone, Copy)]
enum Class {
    Ok,
    Moved,
    Client,
    Server,
    /// Its client left before the end.
    Cut,
}

impl Class {
    const NAMES: [&'static str; 5] = ["2xx", "3xx", "4xx", "5xx", "cut"];

    fn of_http(status: StatusCode) -> Self {
        match status.as_u16() {
            ..300 => Self::Ok,
            300..400 => Self::Moved,
            400..500 => Self::Client,
            _ => Self::Server,
        }
    }

    /// `grpc-status`, where these fields have it.
    fn of_grpc(fields: &HeaderMap) -> Option<Self> {
        use tonic::Code;
        let code = Code::from_bytes(fields.get("grpc-status")?.as_bytes());
        Some(match code {
            Code::Ok => Self::Ok,
            Code::Unknown | Code::DeadlineExceeded | Code::Unimplemented => Self::Server,
            Code::Internal | Code::Unavailable | Code::DataLoss => Self::Server,
            _ => Self::Client,
        })
    }
}

/// One request, until its last byte is sent or its client has left.
pub(crate) struct Metered {
    since: Instant,
    protocol: Protocol,
    head: bool,
    span: Span,
    seen: Option<Seen>,
    class: Option<Class>,
    over: bool,
}

impl Metered {
    fn begin<B>(request: &Request<B>) -> Self {
        let protocol = match request.version() {
            _ if grpc::is_grpc(request.headers()) => Protocol::Grpc,
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let span = tracing::info_span!(
            target: "adjoin::call",
            "request",
            protocol = Counts::PROTOCOLS[protocol as usize],
            method = shown(request.method()),
            route = tracing::field::Empty,
            r#type = tracing::field::Empty,
            command = tracing::field::Empty,
            status = tracing::field::Empty,
        );
        let head = request.method() == Method::HEAD;
        Self { since: Instant::now(), protocol, head, span, seen: None, class: None, over: false }
    }

    fn answered<B>(&mut self, response: &Response<B>) {
        self.seen = SEEN.try_with(|seen| seen.borrow().clone()).ok();
        self.class = match self.protocol {
            Protocol::Grpc => Class::of_grpc(response.headers()),
            Protocol::Http1 | Protocol::Http2 => Some(Class::of_http(response.status())),
        };
        // No byte of a body follows.
        self.over = self.head;
    }

    /// A frame of the body was taken; none at its end.
    pub(crate) fn took<T, E>(&mut self, frame: Option<&Result<Frame<T>, E>>) {
        match frame {
            None => self.over = true,
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.class = Class::of_grpc(trailers).or(self.class);
                    self.over = true;
                }
            }
            Some(Err(_)) => {}
        }
    }

    /// The body has nothing more.
    pub(crate) fn over(&mut self) {
        self.over = true;
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        let class = self.class.filter(|_| self.over).unwrap_or(Class::Cut);
        self.span.record("status", Class::NAMES[class as usize]);
        let seen = self.seen.take().or_else(|| SEEN.try_with(|seen| seen.borrow().clone()).ok());
        let (protocol, class, seconds) = (self.protocol as usize, class as usize, self.since.elapsed().as_secs_f64());
        match seen {
            Some(Seen::Fixed(counts)) => counts.ended(protocol, class, seconds),
            Some(Seen::Of(counts, kind)) => counts.of(kind).ended(protocol, class, seconds),
            None => UNKNOWN.ended(protocol, class, seconds),
        }
    }
}

/// Answers a request, watching.
pub(crate) async fn watched<B, R>(
    request: Request<B>,
    answer: impl AsyncFnOnce(Request<B>) -> Response<R>,
) -> (Response<R>, Metered) {
    let mut metered = Metered::begin(&request);
    let span = metered.span.clone();
    let answering = async move {
        let response = answer(request).await;
        metered.answered(&response);
        (response, metered)
    };
    SEEN.scope(RefCell::new(Seen::Fixed(&UNKNOWN)), answering.instrument(span)).await
}

/// A method as a word of a bounded set.
fn shown(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}
