// SPDX-License-Identifier: Apache-2.0
//! The services of the protocol on one connection.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::body::Incoming;
use tonic::body::Body;
use tonic::{Request, Response, Status, Streaming};
use tower::Service;

use super::entity::{Answers, handle};
use super::event_sourced;
use super::lines::{ENVELOPE, Lines, MESSAGE_BYTES, Served};
use super::value_entity;
use crate::cloudstate::protocol::action::action_protocol_server::{self, ActionProtocolServer};
use crate::cloudstate::protocol::entity_discovery_server::{self, EntityDiscoveryServer};
use crate::cloudstate::protocol::eventsourced::event_sourced_server::{self, EventSourced, EventSourcedServer};
use crate::cloudstate::protocol::eventsourced::{EventSourcedStreamIn, EventSourcedStreamOut};
use crate::cloudstate::protocol::valueentity::value_entity_server::{self, ValueEntity, ValueEntityServer};
use crate::cloudstate::protocol::valueentity::{ValueEntityStreamIn, ValueEntityStreamOut};

/// Largest message taken: its payloads, and what is around them.
const MOST_BYTES: usize = MESSAGE_BYTES + ENVELOPE;

/// A connection that may be a proxy's. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Proxies {
    discovery: EntityDiscoveryServer<Lines>,
    event_sourced: EventSourcedServer<Lines>,
    value_entity: ValueEntityServer<Lines>,
    action: ActionProtocolServer<Lines>,
}

impl Proxies {
    pub(crate) fn new(served: &Arc<Served>) -> Self {
        let lines = Arc::new(served.connection());
        Self {
            discovery: EntityDiscoveryServer::from_arc(lines.clone()),
            event_sourced: EventSourcedServer::from_arc(lines.clone()).max_decoding_message_size(MOST_BYTES),
            value_entity: ValueEntityServer::from_arc(lines.clone()).max_decoding_message_size(MOST_BYTES),
            action: ActionProtocolServer::from_arc(lines).max_decoding_message_size(MOST_BYTES),
        }
    }

    /// Answers a call of this protocol; gives one of another back.
    pub(crate) async fn answer(
        &mut self,
        request: http::Request<Incoming>,
    ) -> Result<Result<http::Response<Body>, Infallible>, http::Request<Incoming>> {
        let service = request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/'));
        Ok(match service.map(|(service, _)| service) {
            Some(entity_discovery_server::SERVICE_NAME) => self.discovery.call(request).await,
            Some(event_sourced_server::SERVICE_NAME) => self.event_sourced.call(request).await,
            Some(value_entity_server::SERVICE_NAME) => self.value_entity.call(request).await,
            Some(action_protocol_server::SERVICE_NAME) => self.action.call(request).await,
            _ => return Err(request),
        })
    }
}

#[tonic::async_trait]
impl EventSourced for Lines {
    type handleStream = Answers<EventSourcedStreamOut>;

    async fn handle(
        &self,
        request: Request<Streaming<EventSourcedStreamIn>>,
    ) -> Result<Response<Self::handleStream>, Status> {
        handle::<event_sourced::EventSourced>(self.clone(), request.into_inner())
    }
}

#[tonic::async_trait]
impl ValueEntity for Lines {
    type handleStream = Answers<ValueEntityStreamOut>;

    async fn handle(
        &self,
        request: Request<Streaming<ValueEntityStreamIn>>,
    ) -> Result<Response<Self::handleStream>, Status> {
        handle::<value_entity::ValueEntity>(self.clone(), request.into_inner())
    }
}
