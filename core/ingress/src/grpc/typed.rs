// SPDX-License-Identifier: Apache-2.0
//! Derived services: protobuf in, JSON to the handler, protobuf out.

use std::pin::Pin;
use std::sync::Arc;

use adjoin_engine::{Element, Elements, Request as EngineRequest};
use adjoin_entity::Reply;
use adjoin_entity::spec::EntityKind;
use adjoin_model::{EntityId, Error, Result};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body as GrpcBody;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::BoxFuture;
use tonic::server::{ClientStreamingService, Grpc, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Status, Streaming};

use crate::app::App;
use crate::ask;
use crate::beside;
use crate::grpc::bounded::bounded;
use crate::grpc::contract;
use crate::grpc::replies::{Begun, Replies};
use crate::grpc::status::{status, unread};
use crate::grpc::timed::{Due, timed};
use crate::http::head;
use crate::http::stream::{self, Place};
use crate::schema::typed::TypedMethod;

/// Answers a call of a contract's service or of a derived one, or that there is none.
pub(crate) async fn respond(app: &Arc<App>, request: Request<GrpcBody>) -> Response<GrpcBody> {
    let table = match app.routes.ready().await {
        Ok(table) => table,
        Err(error) => return status(&error, "adjoin").into_http(),
    };
    if let Some(served) = table.contracts().method(request.uri().path()) {
        return contract::respond(app, served.clone(), request).await;
    }
    let typed = table.typed(app);
    let Some(method) = typed.method(request.uri().path()) else {
        return Status::unimplemented("no such service or method; see the reflection service").into_http();
    };
    if let Ok(route) = table.find(&method.entity_type.name, &method.method.handler) {
        route.seen(method.method.watch);
    }
    let serving = Serving { app: app.clone(), method: method.clone() };
    let due = if method.method.streamed_in { Due::Begun } else { Due::Whole };
    let one = !method.method.streamed_in;
    let request = request.map(|body| timed(bounded(body, app.settings.body_bytes, one), due, &app.settings));
    let mut grpc = Grpc::new(Dynamic(method.input.clone()))
        .apply_max_message_size_config(Some(app.settings.body_bytes), Some(usize::MAX))
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip);
    match (method.method.streamed_in, method.method.streamed_out) {
        (false, false) => grpc.unary(serving, request).await,
        (false, true) => grpc.server_streaming(serving, request).await,
        (true, false) => grpc.client_streaming(serving, request).await,
        (true, true) => grpc.streaming(serving, request).await,
    }
}

type Messages = Pin<Box<dyn Stream<Item = core::result::Result<DynamicMessage, Status>> + Send>>;

/// One call of one method.
#[derive(Clone)]
struct Serving {
    app: Arc<App>,
    method: Arc<TypedMethod>,
}

impl Serving {
    fn ask(&self, headers: &HeaderMap, message: &DynamicMessage) -> Result<EngineRequest> {
        let (key, body) = self.method.body(message)?;
        self.ask_with(headers, key, body)
    }

    fn ask_with(&self, headers: &HeaderMap, key: String, body: Bytes) -> Result<EngineRequest> {
        let name = &self.method.entity_type.name;
        let entity = EntityId::new(name.clone(), key)?;
        let table = self.app.routes.now();
        let route = table.find(name, &self.method.method.handler)?;
        ask::request(entity, route, headers, body)
    }

    async fn run(&self, request: tonic::Request<DynamicMessage>) -> Result<tonic::Response<DynamicMessage>> {
        let (metadata, _, message) = request.into_parts();
        let mut request = self.ask(metadata.as_ref(), &message)?;
        request.timeout = request.timeout.or(self.app.timeout());
        let reply = self.app.engine.call(request).await?;
        self.answer(reply)
    }

    fn answer(&self, reply: Reply) -> Result<tonic::Response<DynamicMessage>> {
        let Reply { payload, sequence, replayed, metadata: said } = reply;
        let message = self.method.response(&ask::json_of(payload), sequence)?;
        let has_state = self.method.entity_type.kind != EntityKind::Action;
        Ok(beside::response(said, has_state.then_some(sequence), replayed, message))
    }

    async fn observe(&self, request: tonic::Request<DynamicMessage>) -> Result<tonic::Response<Messages>> {
        let (metadata, _, message) = request.into_parts();
        let request = self.ask(metadata.as_ref(), &message)?;
        let place = self.app.streams.place(&self.app.settings)?;
        let begun = if self.method.method.watch {
            let after = head::last_event_id(metadata.as_ref())?;
            Begun::at_once(self.app.engine.watch(request, after), place)
        } else {
            Begun::soon(self.app.engine.stream(request), place, false).await
        };
        Ok(begun.response(|begun| self.replies(begun)))
    }

    fn replies(&self, begun: Begun) -> Messages {
        let method = self.method.clone();
        let message = move |element: Element| method.response(&ask::json_of(element.payload), element.sequence);
        Box::pin(Replies::new(begun, self.method.entity_type.name.clone(), message))
    }

    /// Opens a call with a stream of input; the first message names the entity.
    async fn open(&self, request: tonic::Request<Streaming<DynamicMessage>>) -> Result<(Elements, Place)> {
        let (metadata, _, mut input) = request.into_parts();
        let first = input
            .next()
            .await
            .ok_or_else(|| Error::invalid("the stream has no message: the first names the entity"))?;
        let first = first.map_err(|said| unread(&said))?;
        let (key, body) = self.method.body(&first)?;
        let request = self.ask_with(metadata.as_ref(), key, Bytes::new())?;
        let mut place = self.app.streams.place(&self.app.settings)?;
        let broken = place.breakable();
        let (upstream, elements) = self.app.engine.duplex(request);
        let method = self.method.clone();
        let rest = input.map(move |message| {
            let message = message.map_err(|said| unread(&said))?;
            method.body(&message).map(|(_, body)| ask::json_payload(body))
        });
        let messages = tokio_stream::once(Ok(ask::json_payload(body))).chain(rest);
        tokio::spawn(stream::pump(upstream, broken, messages));
        Ok((elements, place))
    }

    fn failed(&self) -> impl Fn(Error) -> Status + use<> {
        let entity_type = self.method.entity_type.name.clone();
        move |error| status(&error, &entity_type)
    }
}

impl UnaryService<DynamicMessage> for Serving {
    type Response = DynamicMessage;
    type Future = BoxFuture<tonic::Response<DynamicMessage>, Status>;

    fn call(&mut self, request: tonic::Request<DynamicMessage>) -> Self::Future {
        let serving = self.clone();
        Box::pin(async move { serving.run(request).await.map_err(serving.failed()) })
    }
}

impl ServerStreamingService<DynamicMessage> for Serving {
    type Response = DynamicMessage;
    type ResponseStream = Messages;
    type Future = BoxFuture<tonic::Response<Messages>, Status>;

    fn call(&mut self, request: tonic::Request<DynamicMessage>) -> Self::Future {
        let serving = self.clone();
        Box::pin(async move { serving.observe(request).await.map_err(serving.failed()) })
    }
}

impl ClientStreamingService<DynamicMessage> for Serving {
    type Response = DynamicMessage;
    type Future = BoxFuture<tonic::Response<DynamicMessage>, Status>;

    fn call(&mut self, request: tonic::Request<Streaming<DynamicMessage>>) -> Self::Future {
        let serving = self.clone();
        Box::pin(async move {
            let (mut elements, mut place) = serving.open(request).await.map_err(serving.failed())?;
            let reply = stream::next(&mut elements, &mut place).await.transpose();
            let reply = reply.map_err(serving.failed())?;
            serving.answer(stream::reply(reply)).map_err(serving.failed())
        })
    }
}

impl StreamingService<DynamicMessage> for Serving {
    type Response = DynamicMessage;
    type ResponseStream = Messages;
    type Future = BoxFuture<tonic::Response<Messages>, Status>;

    fn call(&mut self, request: tonic::Request<Streaming<DynamicMessage>>) -> Self::Future {
        let serving = self.clone();
        Box::pin(async move {
            let (elements, place) = serving.open(request).await.map_err(serving.failed())?;
            let begun = Begun::soon(elements, place, true).await;
            Ok(begun.response(|begun| serving.replies(begun)))
        })
    }
}

/// Messages of one descriptor.
#[derive(Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> core::result::Result<(), Status> {
        message.encode(buffer).map_err(|_| Status::internal("the answer does not fit its buffer"))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> core::result::Result<Option<DynamicMessage>, Status> {
        // What prost says of a broken message repeats parts of it: it is not passed on.
        let wrong = |_| Status::invalid_argument(format!("the message is no {}", self.0.full_name()));
        DynamicMessage::decode(self.0.clone(), buffer).map(Some).map_err(wrong)
    }
}
