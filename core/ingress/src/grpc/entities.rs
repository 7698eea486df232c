// SPDX-License-Identifier: Apache-2.0
//! `adjoin.client.v1.Entities`: every entity type by name, without generated stubs.

use std::pin::Pin;
use std::sync::Arc;

use adjoin_engine::{Element, Request as EngineRequest};
use adjoin_model::{EntityId, Error, Result};
use adjoin_wire::client::{CallRequest, CallResponse, ExchangeRequest, StreamResponse, WatchRequest, WatchResponse};
use bytes::Bytes;
use http::HeaderMap;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::app::App;
use crate::ask;
use crate::generated::client::entities_server::Entities;
use crate::grpc::exchange;
use crate::grpc::replies::Replies;
use crate::grpc::status::status;
use crate::http::{head, json};
use crate::routes::Route;

/// The service over an app.
pub(crate) struct Generic(pub(crate) Arc<App>);

/// Whom a message names, and what it brings.
pub(super) struct Asked<'a> {
    pub(super) entity_type: &'a str,
    pub(super) key: &'a str,
    pub(super) command: &'a str,
    pub(super) body: Bytes,
}

impl Generic {
    pub(super) async fn ask(&self, headers: &HeaderMap, asked: Asked<'_>) -> Result<(Arc<Route>, EngineRequest)> {
        let table = self.0.routes.ready().await?;
        let route = table.find(asked.entity_type, asked.command)?.clone();
        route.seen(false);
        if !asked.body.is_empty() {
            json::check(&asked.body, self.0.settings.json_depth)?;
        }
        let entity = EntityId::new(route.entity_type.name.clone(), asked.key)?;
        let request = ask::request(entity, &route, headers, asked.body)?;
        Ok((route, request))
    }

    async fn run(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>> {
        let (metadata, _, message) = request.into_parts();
        let CallRequest { entity_type, entity_key, command, body, if_sequence } = message;
        let asked = Asked { entity_type: &entity_type, key: &entity_key, command: &command, body };
        let (route, mut request) = self.ask(metadata.as_ref(), asked).await?;
        if route.handler().streamed_out {
            return Err(Error::invalid("this handler streams its reply: call it by Stream").at("command", command));
        }
        refuse_input(&route)?;
        if if_sequence.is_some() && !route.has_state() {
            return Err(Error::invalid("an action has no sequence that if_sequence could name"));
        }
        request.if_match = if_sequence.or(request.if_match);
        request.timeout = request.timeout.or(self.0.timeout());
        let reply = self.0.engine.call(request).await?;
        let mut response = Response::new(CallResponse { body: ask::json_of(reply.payload), sequence: reply.sequence });
        if reply.replayed {
            response.metadata_mut().insert("idempotency-replayed", tonic::metadata::MetadataValue::from_static("true"));
        }
        Ok(response)
    }

    async fn observe(&self, request: Request<WatchRequest>) -> Result<Response<WatchStream>> {
        let (metadata, _, message) = request.into_parts();
        let WatchRequest { entity_type, entity_key, query, body, after_sequence } = message;
        let asked = Asked { entity_type: &entity_type, key: &entity_key, command: &query, body };
        let (route, request) = self.ask(metadata.as_ref(), asked).await?;
        if !route.handler().query {
            return Err(Error::invalid("only a query can be watched").at("command", query));
        }
        route.seen(true);
        let after = if after_sequence > 0 { Some(after_sequence) } else { head::last_event_id(metadata.as_ref())? };
        let place = self.0.streams.place(&self.0.settings)?;
        let elements = self.0.engine.watch(request, after);
        let message =
            |element: Element| Ok(WatchResponse { body: ask::json_of(element.payload), sequence: element.sequence });
        let replies = Replies::new(elements, place, route.entity_type.name.clone(), message);
        Ok(Response::new(Box::pin(replies)))
    }

    async fn replies(&self, request: Request<CallRequest>) -> Result<Response<StreamStream>> {
        let (metadata, _, message) = request.into_parts();
        let CallRequest { entity_type, entity_key, command, body, if_sequence: _ } = message;
        let asked = Asked { entity_type: &entity_type, key: &entity_key, command: &command, body };
        let (route, request) = self.ask(metadata.as_ref(), asked).await?;
        if !route.handler().streamed_out {
            return Err(Error::invalid("this handler has one reply: call it by Call").at("command", command));
        }
        refuse_input(&route)?;
        let place = self.0.streams.place(&self.0.settings)?;
        let elements = self.0.engine.stream(request);
        let message = |element: Element| Ok(StreamResponse { body: ask::json_of(element.payload) });
        let replies = Replies::new(elements, place, route.entity_type.name.clone(), message);
        Ok(Response::new(Box::pin(replies)))
    }
}

type WatchStream = Pin<Box<dyn Stream<Item = core::result::Result<WatchResponse, Status>> + Send>>;
pub(super) type StreamStream = Pin<Box<dyn Stream<Item = core::result::Result<StreamResponse, Status>> + Send>>;

/// A call without a stream, of a handler that would wait for one.
fn refuse_input(route: &Route) -> Result<()> {
    if !route.handler().streamed_in {
        return Ok(());
    }
    let command = route.handler().name.to_string();
    Err(Error::invalid("this handler takes a stream: call it by Exchange").at("command", command))
}

/// What the details of an error call their domain: the entity type, as far as it is one.
fn domain(entity_type: &str) -> String {
    let is_name = adjoin_model::check_name("entity type", entity_type).is_ok();
    if is_name { entity_type.to_owned() } else { "adjoin".to_owned() }
}

#[tonic::async_trait]
impl Entities for Generic {
    type WatchStream = WatchStream;
    type StreamStream = StreamStream;
    type ExchangeStream = StreamStream;

    async fn call(&self, request: Request<CallRequest>) -> core::result::Result<Response<CallResponse>, Status> {
        let domain = domain(&request.get_ref().entity_type);
        self.run(request).await.map_err(|error| status(&error, &domain))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> core::result::Result<Response<WatchStream>, Status> {
        let domain = domain(&request.get_ref().entity_type);
        self.observe(request).await.map_err(|error| status(&error, &domain))
    }

    async fn stream(&self, request: Request<CallRequest>) -> core::result::Result<Response<StreamStream>, Status> {
        let domain = domain(&request.get_ref().entity_type);
        self.replies(request).await.map_err(|error| status(&error, &domain))
    }

    async fn exchange(
        &self,
        request: Request<Streaming<ExchangeRequest>>,
    ) -> core::result::Result<Response<StreamStream>, Status> {
        let (metadata, _, mut input) = request.into_parts();
        let first = exchange::first(&mut input).await.map_err(|error| status(&error, "adjoin"))?;
        let domain = domain(&first.entity_type);
        self.exchanged(metadata.as_ref(), first, input).await.map_err(|error| status(&error, &domain))
    }
}
