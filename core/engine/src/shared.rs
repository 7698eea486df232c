// SPDX-License-Identifier: Apache-2.0
//! What every edge of the engine needs to reach the loops.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adjoin_entity::{Call, CallId, Input};
use adjoin_model::{CommandId, EntityId, Error, Outcome, Payload, Result, shard_of};
use tokio::sync::mpsc;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::message::{Edge, Message, Waiting};
use crate::request::Request;
use crate::responder::Responder;

/// Reaches the loops. Loops hold it too, for forwards and effects.
pub(crate) struct Shared {
    pub(crate) inboxes: Vec<mpsc::UnboundedSender<Message>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) shards: u32,
    /// Random; with a counter it names commands.
    pub(crate) salt: u128,
    pub(crate) calls: AtomicU64,
}

/// What is answered when the engine is gone.
pub(crate) fn stopped() -> Error {
    Error::unavailable("the engine has stopped").with_outcome(Outcome::Unknown)
}

impl Shared {
    /// The loop of an entity.
    pub(crate) fn home(&self, entity: &EntityId) -> u8 {
        (shard_of(entity, self.shards).0 % self.inboxes.len() as u32) as u8
    }

    pub(crate) fn send(&self, to: u8, message: Message) -> core::result::Result<(), Message> {
        let Some(inbox) = self.inboxes.get(usize::from(to)) else { return Err(message) };
        inbox.send(message).map_err(|unsent| unsent.0)
    }

    /// Names a call; the lowest byte is the loop it enters at.
    pub(crate) fn name(&self, home: u8) -> (CallId, CommandId) {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        // An odd factor makes the map one to one; the salt keeps hosts apart.
        let command =
            self.salt.wrapping_add(u128::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        ((number << 8) | u64::from(home), CommandId(command))
    }

    /// Hands a call in. The responder hears of it in any case.
    pub(crate) fn submit(&self, request: Request, responder: Responder) -> CallId {
        let home = self.home(&request.entity);
        let (id, command) = self.name(home);
        let (permit, bytes) = match self.admission.call(request.bytes()) {
            Ok(admitted) => admitted,
            Err(error) => {
                responder.refuse(error);
                return id;
            }
        };
        let since = self.clock.now().mono;
        let waiting =
            Waiting { edge: Edge::Responder(responder), since, _permit: Some(permit), span: tracing::Span::none() };
        let deadline = request.timeout.map(|timeout| {
            adjoin_model::Mono(since.0.saturating_add(u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX)))
        });
        let call = Call {
            id,
            command,
            entity: request.entity,
            name: request.name,
            payload: request.payload,
            caller: request.caller,
            metadata: request.metadata,
            chain: request.chain,
            hops: 0,
            idempotency_key: request.idempotency_key,
            if_match: request.if_match,
            deadline,
            operation: request.operation,
        };
        if let Err(Message::Call(unsent)) = self.send(home, Message::Call(Box::new((call, waiting, Some(bytes))))) {
            let (_, waiting, _) = *unsent;
            waiting.refuse(stopped());
        }
        id
    }

    /// Nobody waits for the call any more.
    pub(crate) fn cancel(&self, call: CallId) {
        self.follow(call, Input::Cancel(call));
    }

    pub(crate) fn taken_at(&self, at: u8, call: CallId, elements: u32) {
        // A stopped loop needs no report.
        let _ = self.send(at, Message::Follow(Input::Taken { call, elements }));
    }

    pub(crate) fn taken(&self, call: CallId, elements: u32) {
        self.taken_at((call & 0xff) as u8, call, elements);
    }

    pub(crate) async fn stream_input(&self, call: CallId, payload: Payload) -> Result<()> {
        self.admission.room().await;
        self.follow(call, Input::StreamInput { call, payload });
        Ok(())
    }

    pub(crate) fn stream_input_end(&self, call: CallId) {
        self.follow(call, Input::StreamInputEnd { call });
    }

    fn follow(&self, call: CallId, input: Input) {
        // A stopped loop has answered all its calls.
        let _ = self.send((call & 0xff) as u8, Message::Follow(input));
    }
}
