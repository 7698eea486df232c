// SPDX-License-Identifier: Apache-2.0
//! Entities of another process, over gRPC.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use adjoin_engine::Request;
use adjoin_ingress::EntitiesClient;
use adjoin_model::{Code, Error, Kind, Outcome, Payload, Result, Sequence};
use adjoin_wire::client::exchange_request::Part;
use adjoin_wire::client::{CallRequest, ExchangeRequest, StreamResponse, WatchRequest, WatchResponse};
use futures::stream::{self, Stream, StreamExt};
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use tonic_types::StatusExt;

use crate::entity::{Entity, Link, Named, Raw};
use crate::names::JSON;

/// Largest reply taken, as large as the largest that a host sends.
const MESSAGE_BYTES: usize = 64 << 20;

/// How long a connection may take to come up.
const CONNECT_MS: u64 = 5_000;

/// Entities of another process: made by [`connect`]. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    remote: Remote,
}

#[derive(Clone)]
pub(crate) struct Remote {
    client: EntitiesClient<Channel>,
}

/// Connects to the port of a proxy, or of an app that was opened with [`App::http`](crate::App::http).
///
/// ```no_run
/// # async fn run() -> adjoin::Result<()> {
/// let remote = adjoin::connect("http://localhost:9000").await?;
/// let items = remote.named("shop.Cart", "ada").call("contents", &serde_json::Value::Null).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Invalid` when this is no address, `Unavailable` when nobody is there.
pub async fn connect(url: &str) -> Result<Client> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|error| Error::invalid(format!("{url:?} is no address: {error}; use http://host:port")))?
        .connect_timeout(Duration::from_millis(CONNECT_MS))
        .tcp_nodelay(true);
    let channel = endpoint.connect().await.map_err(|error| {
        let deepest = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).last();
        let why = deepest.map_or_else(|| error.to_string(), ToString::to_string);
        Error::unavailable(format!("nobody answers at {url}: {why}"))
    })?;
    let client = EntitiesClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
    Ok(Client { remote: Remote { client } })
}

impl Client {
    /// One entity: `client.entity::<Cart>("ada")`.
    #[must_use]
    pub fn entity<T>(&self, key: impl Into<Arc<str>>) -> Entity<T> {
        Entity::new(Link::Remote(self.remote.clone()), key.into())
    }

    /// One entity by the name of its type, with JSON in and out.
    #[must_use]
    pub fn named(&self, entity_type: &str, key: &str) -> Named {
        Named::new(Link::Remote(self.remote.clone()), entity_type, key)
    }
}

/// For bindings of other languages, whose bodies are JSON already.
#[doc(hidden)]
impl Client {
    /// Makes a call; the reply and the sequence it rests on.
    ///
    /// # Errors
    /// What the call ended with.
    pub async fn call_json(&self, request: Request) -> Result<(Option<Payload>, Sequence)> {
        self.remote.call(request).await.map(|raw| (raw.payload, raw.sequence))
    }

    /// Begins a watch above `after`.
    ///
    /// # Errors
    /// What the call ended with.
    pub async fn watch_json(&self, request: Request, after: Option<Sequence>) -> Result<RemoteWatch> {
        self.remote.watch(request, after).await
    }

    /// A streamed reply, which begins when its first element is asked for.
    #[must_use]
    pub fn stream_json(&self, request: Request) -> RemoteElements {
        self.remote.stream(request)
    }

    /// A call that sends a stream. The reply is a stream too; of a handler that replies once it has one element. It
    /// begins when its first element is asked for; `input` is read as the connection has room, and complete with
    /// its `None`; if it ends without one, the call is given up.
    #[must_use]
    pub fn exchange_json(
        &self,
        request: Request,
        input: impl Stream<Item = Option<Payload>> + Send + 'static,
    ) -> RemoteElements {
        RemoteElements {
            wanted: Some((self.remote.clone(), Box::new(request))),
            input: Some(Box::pin(input)),
            open: None,
        }
    }
}

impl Remote {
    pub(crate) async fn call(&self, request: Request) -> Result<Raw> {
        let response = self.client.clone().call(outgoing(request)?).await.map_err(|status| error_of(&status))?;
        let response = response.into_inner();
        Ok(Raw { payload: Some(json(response.body)), sequence: response.sequence, replayed: false })
    }

    pub(crate) async fn watch(&self, request: Request, after: Option<Sequence>) -> Result<RemoteWatch> {
        let (entity_type, entity_key) = (request.entity.entity_type().to_owned(), request.entity.key().to_owned());
        let watch = WatchRequest {
            entity_type,
            entity_key,
            query: request.name.to_string(),
            body: request.payload.data,
            after_sequence: after.unwrap_or(0),
        };
        let response = self.client.clone().watch(watch).await.map_err(|status| error_of(&status))?;
        Ok(RemoteWatch(response.into_inner()))
    }

    pub(crate) fn stream(&self, request: Request) -> RemoteElements {
        RemoteElements { wanted: Some((self.clone(), Box::new(request))), input: None, open: None }
    }
}

/// A watch over gRPC.
#[doc(hidden)]
pub struct RemoteWatch(Streaming<WatchResponse>);

impl RemoteWatch {
    /// The next element; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<(Sequence, Option<Payload>)>> {
        match self.0.message().await {
            Ok(element) => element.map(|element| Ok((element.sequence, Some(json(element.body))))),
            Err(status) => Some(Err(error_of(&status))),
        }
    }
}

/// What a call sends; `None` says that it is complete.
type Input = Pin<Box<dyn Stream<Item = Option<Payload>> + Send>>;

/// A streamed reply over gRPC, which begins when its first element is asked for.
#[doc(hidden)]
pub struct RemoteElements {
    wanted: Option<(Remote, Box<Request>)>,
    input: Option<Input>,
    open: Option<Streaming<StreamResponse>>,
}

impl RemoteElements {
    /// The next element; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<Payload>> {
        if let Some((mut remote, request)) = self.wanted.take() {
            let opened = match (outgoing(*request), self.input.take()) {
                (Ok(request), Some(input)) => remote.client.exchange(exchange(request, input)).await,
                (Ok(request), None) => remote.client.stream(request).await,
                (Err(error), _) => return Some(Err(error)),
            };
            let opened = opened.map_err(|status| error_of(&status));
            match opened {
                Ok(response) => self.open = Some(response.into_inner()),
                Err(error) => return Some(Err(error)),
            }
        }
        match self.open.as_mut()?.message().await {
            Ok(element) => element.map(|element| Ok(json(element.body))),
            Err(status) => Some(Err(error_of(&status))),
        }
    }
}

fn json(body: bytes::Bytes) -> Payload {
    Payload::new(JSON.clone(), body)
}

/// The request with its deadline, key and metadata.
fn outgoing(request: Request) -> Result<tonic::Request<CallRequest>> {
    let mut call = tonic::Request::new(CallRequest {
        entity_type: request.entity.entity_type().to_owned(),
        entity_key: request.entity.key().to_owned(),
        command: request.name.to_string(),
        body: request.payload.data,
        if_sequence: request.if_match,
    });
    if let Some(timeout) = request.timeout {
        call.set_timeout(timeout);
    }
    let key = request.idempotency_key.map(|key| ("idempotency-key".to_owned(), key.to_string()));
    for (name, value) in key.into_iter().chain(request.metadata) {
        let (known, value) = (name.parse::<MetadataKey<Ascii>>(), value.parse::<MetadataValue<Ascii>>());
        let (Ok(known), Ok(value)) = (known, value) else {
            return Err(Error::invalid(format!("the metadata {name:?} cannot travel: names and values are ASCII")));
        };
        call.metadata_mut().append(known, value);
    }
    Ok(call)
}

/// The request as the first message of a stream, the elements as the others.
fn exchange(request: tonic::Request<CallRequest>, input: Input) -> tonic::Request<impl Stream<Item = ExchangeRequest>> {
    let message = |part| ExchangeRequest { part: Some(part) };
    request.map(|call| {
        let first = stream::once(std::future::ready(message(Part::Call(call))));
        let part = |element: Option<Payload>| element.map_or(Part::End(true), |element| Part::Element(element.data));
        first.chain(input.map(move |element| message(part(element))))
    })
}

/// What a host answered, as the error it had there.
fn error_of(status: &Status) -> Error {
    let code = u32::try_from(i32::from(status.code())).ok().and_then(Code::from_number);
    let info = status.get_details_error_info();
    let kind = info.as_ref().and_then(|info| Kind::from_name(&info.reason));
    let outcome = info.as_ref().and_then(|info| info.metadata.get("outcome")).map(String::as_str);
    let outcome = if outcome == Some("none") { Outcome::None } else { Outcome::Unknown };
    let kind = kind.unwrap_or_else(|| code.map_or(Kind::Internal, kind_of));
    let mut error = Error::new(kind, outcome, status.message());
    error.code = code.filter(|code| *code != kind.code());
    error.retry_after_ms = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay)
        .map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
    error
}

/// The kind of a status that says none: the transport's own, or another server's.
fn kind_of(code: Code) -> Kind {
    match code {
        Code::InvalidArgument | Code::OutOfRange => Kind::Invalid,
        Code::NotFound | Code::Unimplemented => Kind::NotFound,
        Code::FailedPrecondition => Kind::Rejected,
        Code::Aborted | Code::AlreadyExists => Kind::Conflict,
        Code::PermissionDenied | Code::Unauthenticated => Kind::Denied,
        Code::ResourceExhausted => Kind::Exhausted,
        Code::Unavailable | Code::Cancelled => Kind::Unavailable,
        Code::DeadlineExceeded => Kind::Expired,
        Code::DataLoss => Kind::Corrupt,
        Code::Unknown | Code::Internal => Kind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use tonic_types::ErrorDetails;

    #[test]
    fn every_kind_comes_back_as_it_went() {
        for kind in Kind::ALL {
            for outcome in [Outcome::None, Outcome::Unknown] {
                let metadata = HashMap::from([("outcome".to_owned(), outcome.name().to_owned())]);
                let details = ErrorDetails::with_error_info(kind.name(), "shop.Cart", metadata);
                let code = tonic::Code::from_i32(kind.code().number().into());
                let error = error_of(&Status::with_error_details(code, "why", details));
                assert_eq!((error.kind, error.outcome, error.code), (kind, outcome, None));
            }
        }
    }

    #[test]
    fn a_status_without_details_says_what_it_can() {
        for code in Code::ALL {
            let error = error_of(&Status::new(tonic::Code::from_i32(code.number().into()), "why"));
            assert_eq!(error.client_code(), code);
            assert_eq!(error.outcome, Outcome::Unknown);
        }
    }
}
