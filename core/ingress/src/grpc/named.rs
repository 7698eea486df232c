// SPDX-License-Identifier: Apache-2.0
//! A handler that a client names: one of a code-first type, whose payloads are JSON, or one of a contract, whose
//! messages are made of JSON and shown as JSON.

use std::sync::Arc;

use adjoin_engine::Request as EngineRequest;
use adjoin_entity::spec::{EntityType, Handler};
use adjoin_model::{EntityId, Error, Payload, Result};
use bytes::Bytes;
use http::HeaderMap;

use crate::ask;
use crate::contract::Served;
use crate::http::json;
use crate::routes::{Route, Table};
use crate::transcode::message::{read, show};

/// A handler, by type and name.
#[derive(Clone)]
pub(super) enum Named {
    Coded(Arc<Route>),
    Contracted(Arc<Served>),
}

impl Named {
    /// # Errors
    /// `NotFound`, saying which of the two is not there.
    pub(super) fn find(table: &Table, entity_type: &str, command: &str) -> Result<Self> {
        match table.contracts().named(entity_type, command) {
            Some(found) => Ok(Self::Contracted(found?.clone())),
            None => table.find(entity_type, command).map(|route| Self::Coded(route.clone())),
        }
    }

    pub(super) fn entity_type(&self) -> &Arc<EntityType> {
        match self {
            Self::Coded(route) => &route.entity_type,
            Self::Contracted(served) => &served.entity_type,
        }
    }

    pub(super) fn handler(&self) -> &Handler {
        match self {
            Self::Coded(route) => route.handler(),
            Self::Contracted(served) => served.handler(),
        }
    }

    pub(super) fn has_state(&self) -> bool {
        match self {
            Self::Coded(route) => route.has_state(),
            Self::Contracted(served) => served.has_state(),
        }
    }

    /// The request under way is for this handler.
    pub(super) fn seen(&self, watch: bool) {
        match self {
            Self::Coded(route) => route.seen(watch),
            Self::Contracted(served) => served.seen(watch),
        }
    }

    /// A call of it. `body` is one JSON value, or nothing.
    ///
    /// # Errors
    /// `Invalid` for a body or a field of the head that cannot be read, and for a message that names another entity.
    pub(super) fn request(&self, headers: &HeaderMap, key: &str, body: Bytes, depth: u8) -> Result<EngineRequest> {
        match self {
            Self::Coded(route) => {
                if !body.is_empty() {
                    json::check(&body, depth)?;
                }
                let entity = EntityId::new(route.entity_type.name.clone(), key)?;
                ask::request(entity, route, headers, body)
            }
            Self::Contracted(served) if self.handler().streamed_in => served.request(headers, Bytes::new()),
            Self::Contracted(served) => {
                let message = read(&served.method, &body, depth, served.has_state().then_some(key))?;
                served.request(headers, message)
            }
        }
    }

    /// An element of the client's stream, one JSON value.
    ///
    /// # Errors
    /// `Invalid` when it cannot be read.
    pub(super) fn element(&self, element: Bytes, depth: u8) -> Result<Payload> {
        match self {
            Self::Coded(_) => json::check(&element, depth).map(|()| ask::json_payload(element)),
            Self::Contracted(served) => read(&served.method, &element, depth, None).map(|it| served.payload(it)),
        }
    }

    /// A reply as one JSON value.
    ///
    /// # Errors
    /// `Protocol` when it is another message than the contract says: the command itself has ended well.
    pub(super) fn shown(&self, reply: Option<Payload>) -> Result<Bytes> {
        match self {
            Self::Coded(_) => Ok(ask::json_of(reply)),
            Self::Contracted(served) => match served.output(reply)? {
                None => Ok(Bytes::from_static(b"null")),
                Some(reply) => show(&served.method, &reply),
            },
        }
    }

    /// # Errors
    /// `Invalid` for a handler that takes a stream: a call without one would wait for it.
    pub(super) fn refuse_input(&self) -> Result<()> {
        if !self.handler().streamed_in {
            return Ok(());
        }
        let command = self.handler().name.to_string();
        Err(Error::invalid("this handler takes a stream: call it by Exchange").at("command", command))
    }
}
