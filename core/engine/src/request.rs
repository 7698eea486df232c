// SPDX-License-Identifier: Apache-2.0
//! What an edge asks of the engine.

use std::sync::Arc;
use std::time::Duration;

use adjoin_entity::Operation;
use adjoin_entity::frame::{CallFrame, HandlerCall, Target};
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

    /// The call that a handler makes by its session; who calls and what is asked are the host's to say.
    #[must_use]
    pub fn into_call_frame(self, id: HandlerCall) -> CallFrame {
        // 0 would be no limit.
        let ms = |timeout: Duration| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).max(1);
        let Self { entity, name, payload, metadata, chain, timeout, idempotency_key, if_match, .. } = self;
        let target = Target { entity, command: name, payload, metadata };
        CallFrame { id, target, chain, timeout_ms: timeout.map_or(0, ms), idempotency_key, if_match }
    }

    /// The inverse, at the host.
    pub(crate) fn of_call_frame(call: CallFrame) -> Self {
        let CallFrame { id: _, target, chain, timeout_ms, idempotency_key, if_match } = call;
        Self {
            metadata: target.metadata,
            chain,
            timeout: (timeout_ms > 0).then(|| Duration::from_millis(timeout_ms)),
            idempotency_key,
            if_match,
            ..Self::new(target.entity, target.command, target.payload)
        }
    }

    /// What the engine counts against its bound of waiting bytes.
    pub(crate) fn bytes(&self) -> usize {
        const HEAD: usize = 256;
        let metadata: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        HEAD + self.payload.size() + metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_from_its_frame() {
        let entity = EntityId::new("shop.Cart", "ada").expect("an id");
        let plain = Request::new(entity, "addItem", Payload::new("json", "1"));
        let full = Request {
            metadata: vec![("x-adjoin-a".into(), "1".into())],
            chain: vec!["shop.Cart/bob".into()],
            idempotency_key: Some("k".into()),
            if_match: Some(7),
            timeout: Some(Duration::from_millis(250)),
            ..plain.clone()
        };
        for request in [plain, full] {
            let frame = request.clone().into_call_frame(9);
            assert_eq!(frame.id, 9);
            let back = Request::of_call_frame(frame.clone());
            assert_eq!(format!("{back:?}"), format!("{request:?}"));
            assert_eq!(back.into_call_frame(9), frame);
        }
    }

    #[test]
    fn a_timeout_below_a_millisecond_is_still_one() {
        let entity = EntityId::new("shop.Cart", "ada").expect("an id");
        let timeout = Some(Duration::from_nanos(1));
        let request = Request { timeout, ..Request::new(entity, "addItem", Payload::new("json", "1")) };
        assert_eq!(request.into_call_frame(1).timeout_ms, 1);
    }
}
