// SPDX-License-Identifier: Apache-2.0
//! What an edge asks of the engine.

use std::sync::Arc;
use std::time::Duration;

use adjoin_entity::Operation;
use adjoin_model::{EntityId, Metadata, Payload, Sequence};

/// A command, a query or a watch. The engine gives it its ids and its deadline.
#[derive(Clone, Debug)]
pub struct Request {
    /// For whom.
    pub entity: EntityId,
    /// Which handler.
    pub name: Arc<str>,
    /// Its body.
    pub payload: Payload,
    /// Who calls; empty when unknown.
    pub caller: Arc<str>,
    /// Metadata of the call: names in lower case.
    pub metadata: Metadata,
    /// Entities that wait for this call, outermost first, as `type/key`.
    pub chain: Vec<String>,
    /// Makes it safe to send again.
    pub idempotency_key: Option<Arc<str>>,
    /// Run only at this sequence.
    pub if_match: Option<Sequence>,
    /// After which nobody waits any more.
    pub timeout: Option<Duration>,
    /// What is asked. [`Engine::watch`](crate::Engine::watch) sets it.
    pub operation: Operation,
}

impl Request {
    /// A call of a handler by somebody unknown, without metadata, key, condition and deadline.
    #[must_use]
    pub fn new(entity: EntityId, name: impl Into<Arc<str>>, payload: Payload) -> Self {
        Self {
            entity,
            name: name.into(),
            payload,
            caller: Arc::from(""),
            metadata: Vec::new(),
            chain: Vec::new(),
            idempotency_key: None,
            if_match: None,
            timeout: None,
            operation: Operation::Run,
        }
    }

    /// What the engine counts against its bound of waiting bytes.
    pub(crate) fn bytes(&self) -> usize {
        const HEAD: usize = 256;
        let metadata: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        HEAD + self.payload.size() + metadata
    }
}
