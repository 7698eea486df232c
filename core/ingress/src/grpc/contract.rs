// SPDX-License-Identifier: Apache-2.0
//! Services of contracts: encoded messages in, the same bytes to the handler, its bytes out.

use std::pin::Pin;
use std::sync::Arc;

use adjoin_engine::{Element, Elements};
use adjoin_entity::Reply;
use adjoin_model::{Error, Result};
use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, Request, Response};
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body as GrpcBody;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::BoxFuture;
use tonic::server::{ClientStreamingService, Grpc, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Status, Streaming};

use crate::app::App;
use crate::beside;
use crate::contract::{self, Served};
use crate::grpc::bounded::bounded;
use crate::grpc::replies::{Begun, Replies};
use crate::grpc::status::unread;
use crate::grpc::timed::{Due, timed};
use crate::http::head;
use crate::http::stream::{self, Place};

/// Answers a call of a contract's method.
pub(crate) async fn respond(app: &Arc<App>, served: Arc<Served>, request: Request<GrpcBody>) -> Response<GrpcBody> {
    served.seen(false);
    let serving = Serving { app: app.clone(), served: served.clone() };
    // A client that streams may be silent for as long as it likes.
    let waits = served.method.client_streaming;
    let request = request.map(|body| bounded(body, app.settings.body_bytes, !waits));
    let request = if waits { request } else { request.map(|body| timed(body, Due::Whole, &app.settings)) };
    let mut grpc = Grpc::new(Raw)
        .apply_max_message_size_config(Some(app.settings.body_bytes), Some(usize::MAX))
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    match (served.method.client_streaming, served.method.server_streaming) {
        (false, false) => grpc.unary(serving, request).await,
        (false, true) => grpc.server_streaming(serving, request).await,
        (true, false) => grpc.client_streaming(serving, request).await,
        (true, true) => grpc.streaming(serving, request).await,
    }
}

type Answer<T> = core::result::Result<tonic::Response<T>, Status>;
type Messages = Pin<Box<dyn Stream<Item = core::result::Result<Bytes, Status>> + Send>>;

/// One call of one method.
#[derive(Clone)]
struct Serving {
    app: Arc<App>,
    served: Arc<Served>,
}

impl Serving {
    async fn run(&self, headers: &HeaderMap, message: Bytes) -> Answer<Bytes> {
        let failed = self.failed(headers);
        let request = self.served.request(headers, message);
        let mut request = request.map_err(&failed)?;
        request.timeout = request.timeout.or(self.app.timeout());
        let reply = self.app.engine.call(request).await.map_err(&failed)?;
        self.message(reply, &failed)
    }

    /// A single reply. Without a message it is a bare status, of a call that has ended well.
    fn message(&self, reply: Reply, failed: &impl Fn(Error) -> Status) -> Answer<Bytes> {
        let Reply { payload, sequence, replayed, metadata: said } = reply;
        let message = self.served.output(payload).map_err(failed)?;
        let sequence = self.served.has_state().then_some(sequence);
        let (metadata, message, extensions) = beside::response(said, sequence, replayed, message).into_parts();
        match message {
            Some(message) => Ok(tonic::Response::from_parts(metadata, message, extensions)),
            None => Err(Status::with_metadata(tonic::Code::Ok, "", metadata)),
        }
    }

    async fn observe(&self, headers: &HeaderMap, message: Bytes) -> Result<tonic::Response<Messages>> {
        let request = self.served.request(headers, message)?;
        let place = self.app.streams.place(&self.app.settings)?;
        Ok(self.replies(headers, self.app.engine.stream(request), place).await)
    }

    async fn replies(&self, headers: &HeaderMap, elements: Elements, place: Place) -> tonic::Response<Messages> {
        let served = self.served.clone();
        let message = move |element: Element| served.output(element.payload).map(Option::unwrap_or_default);
        let begun = Begun::soon(elements, place, self.served.method.client_streaming).await;
        begun.response(|begun| Box::pin(Replies::with(begun, self.failed(headers), message)) as Messages)
    }

    /// Opens a call with a stream of input.
    fn open(&self, headers: &HeaderMap, input: Streaming<Bytes>) -> Result<(Elements, Place)> {
        let request = self.served.request(headers, Bytes::new())?;
        let mut place = self.app.streams.place(&self.app.settings)?;
        let broken = place.breakable();
        let (upstream, elements) = self.app.engine.duplex(request);
        let served = self.served.clone();
        let messages =
            input.map(move |message| message.map(|message| served.payload(message)).map_err(|said| unread(&said)));
        tokio::spawn(stream::pump(upstream, broken, messages));
        Ok((elements, place))
    }

    fn failed(&self, headers: &HeaderMap) -> impl Fn(Error) -> Status + Send + Unpin + use<> {
        let (served, had_deadline) = (self.served.clone(), head::has_timeout(headers));
        move |error| contract::status(&served, &error, had_deadline)
    }
}

impl UnaryService<Bytes> for Serving {
    type Response = Bytes;
    type Future = BoxFuture<tonic::Response<Bytes>, Status>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let serving = self.clone();
        Box::pin(async move {
            let (metadata, _, message) = request.into_parts();
            serving.run(metadata.as_ref(), message).await
        })
    }
}

impl ServerStreamingService<Bytes> for Serving {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = BoxFuture<tonic::Response<Messages>, Status>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let serving = self.clone();
        Box::pin(async move {
            let (metadata, _, message) = request.into_parts();
            let headers = metadata.as_ref();
            serving.observe(headers, message).await.map_err(serving.failed(headers))
        })
    }
}

impl ClientStreamingService<Bytes> for Serving {
    type Response = Bytes;
    type Future = BoxFuture<tonic::Response<Bytes>, Status>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let serving = self.clone();
        Box::pin(async move {
            let (metadata, _, input) = request.into_parts();
            let failed = serving.failed(metadata.as_ref());
            let (mut elements, mut place) = serving.open(metadata.as_ref(), input).map_err(&failed)?;
            let reply = stream::next(&mut elements, &mut place).await;
            let reply = reply.transpose().map_err(&failed)?;
            serving.message(stream::reply(reply), &failed)
        })
    }
}

impl StreamingService<Bytes> for Serving {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = BoxFuture<tonic::Response<Messages>, Status>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let serving = self.clone();
        Box::pin(async move {
            let (metadata, _, input) = request.into_parts();
            let headers = metadata.as_ref();
            let (elements, place) = serving.open(headers, input).map_err(serving.failed(headers))?;
            Ok(serving.replies(headers, elements, place).await)
        })
    }
}

/// Messages as their bytes.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> core::result::Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> core::result::Result<Option<Bytes>, Status> {
        // A copy: a message that an entity keeps would hold on to the connection's whole read buffer.
        let mut message = Vec::with_capacity(buffer.remaining());
        message.put(buffer);
        Ok(Some(message.into()))
    }
}
