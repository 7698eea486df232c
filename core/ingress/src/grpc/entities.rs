// SPDX-License-Identifier: Apache-2.0
//! `adjoin.client.v1.Entities`: every entity type by name, without generated stubs.

use std::pin::Pin;
use std::sync::Arc;

use adjoin_engine::{Element, Request as EngineRequest};
use adjoin_model::{Error, Result};
use adjoin_wire::client::{CallRequest, CallResponse, ExchangeRequest, StreamResponse, WatchRequest, WatchResponse};
use bytes::Bytes;
use http::HeaderMap;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::app::App;
use crate::beside;
use crate::generated::client::entities_server::Entities;
use crate::grpc::exchange;
use crate::grpc::named::Named;
use crate::grpc::replies::{Begun, Replies};
use crate::grpc::status::status;
use crate::http::head;

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
    pub(super) async fn ask(&self, headers: &HeaderMap, asked: Asked<'_>) -> Result<(Named, EngineRequest)> {
        let table = self.0.routes.ready().await?;
        let named = Named::find(&table, asked.entity_type, asked.command)?;
        named.seen(false);
        let request = named.request(headers, asked.key, asked.body, self.0.settings.json_depth)?;
        Ok((named, request))
    }

    async fn run(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>> {
        let (metadata, _, message) = request.into_parts();
        let CallRequest { entity_type, entity_key, command, body, if_sequence } = message;
        let asked = Asked { entity_type: &entity_type, key: &entity_key, command: &command, body };
        let (route, mut request) = self.ask(metadata.as_ref(), asked).await?;
        if route.handler().streamed_out {
            return Err(Error::invalid("this handler streams its reply: call it by Stream").at("command", command));
        }
        route.refuse_input()?;
        if if_sequence.is_some() && !route.has_state() {
            return Err(Error::invalid("an action has no sequence that if_sequence could name"));
        }
        request.if_match = if_sequence.or(request.if_match);
        request.timeout = request.timeout.or(self.0.timeout());
        let reply = self.0.engine.call(request).await?;
        let message = CallResponse { body: route.shown(reply.payload)?, sequence: reply.sequence };
        Ok(beside::response(reply.metadata, None, reply.replayed, message))
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
        let begun = Begun::at_once(self.0.engine.watch(request, after), place);
        let name = route.entity_type().name.clone();
        let message = move |element: Element| {
            Ok(WatchResponse { body: route.shown(element.payload)?, sequence: element.sequence })
        };
        let replies = Replies::new(begun, name, message);
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
        route.refuse_input()?;
        let place = self.0.streams.place(&self.0.settings)?;
        let begun = Begun::soon(self.0.engine.stream(request), place, false).await;
        Ok(streamed(begun, route))
    }
}

/// A streamed reply, element by element.
pub(super) fn streamed(begun: Begun, route: Named) -> Response<StreamStream> {
    let name = route.entity_type().name.clone();
    let message = move |element: Element| Ok(StreamResponse { body: route.shown(element.payload)? });
    begun.response(|begun| Box::pin(Replies::new(begun, name, message)) as StreamStream)
}

type WatchStream = Pin<Box<dyn Stream<Item = core::result::Result<WatchResponse, Status>> + Send>>;
pub(super) type StreamStream = Pin<Box<dyn Stream<Item = core::result::Result<StreamResponse, Status>> + Send>>;

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
