// SPDX-License-Identifier: Apache-2.0
//! What every edge of the engine needs to reach the loops.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use adjoin_entity::{Call, CallId, Homes, Input, Operation};
use adjoin_model::{CommandId, EntityId, Error, Mono, Outcome, ShardId};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::admission::Admission;
use crate::clock::Clock;
use crate::driver::call_span;
use crate::message::{Edge, Message, Waiting};
use crate::request::Request;
use crate::responder::Responder;

/// An odd factor, so that numbering stays one to one.
const MIX: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Reaches the loops. Loops hold it too, for forwards and effects.
pub(crate) struct Shared {
    pub(crate) inboxes: Vec<mpsc::UnboundedSender<Message>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) homes: RwLock<Homes>,
    /// Random; with a counter it names commands.
    pub(crate) salt: u128,
    pub(crate) calls: AtomicU64,
    /// The first loop that has stopped after a bug.
    pub(crate) failed: watch::Sender<Option<u8>>,
}

/// What is answered when the engine is gone.
pub(crate) fn stopped() -> Error {
    Error::unavailable("the engine has stopped").with_outcome(Outcome::Unknown)
}

/// What every call of a loop is answered that has stopped after a bug.
pub(crate) fn bug() -> Error {
    Error::internal("the shard loop has stopped after a bug of adjoin; restart the host, the journal is sound")
        .with_outcome(Outcome::Unknown)
}

impl Shared {
    /// A loop has stopped after a bug.
    pub(crate) fn fail(&self, index: u8) {
        self.failed.send_modify(|first| *first = first.or(Some(index)));
    }

    /// The loop that a call goes to; any serves some, of which `turn` chooses one.
    pub(crate) fn home(&self, entity: &EntityId, turn: u64) -> u8 {
        self.homes.read().unwrap_or_else(PoisonError::into_inner).of_call(entity, turn)
    }

    /// The loop of a shard.
    pub(crate) fn home_of(&self, shard: ShardId) -> u8 {
        self.homes.read().unwrap_or_else(PoisonError::into_inner).of_shard(shard)
    }

    /// Changes which loops serve what.
    pub(crate) fn rehome<T>(&self, change: impl FnOnce(&mut Homes) -> T) -> T {
        change(&mut self.homes.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands a message to a loop; gives it back when the loop has stopped.
    pub(crate) fn send(&self, to: u8, message: Message) -> Option<Message> {
        let Some(inbox) = self.inboxes.get(usize::from(to)) else { return Some(message) };
        inbox.send(message).err().map(|unsent| unsent.0)
    }

    /// Says something to every loop. One that has stopped needs no telling.
    pub(crate) fn send_all(&self, message: impl Fn() -> Message) {
        for inbox in &self.inboxes {
            drop(inbox.send(message()));
        }
    }

    /// Says something about a call to every loop but one.
    pub(crate) fn send_others(&self, but: u8, input: &Input) {
        for (_, inbox) in (0_u8..).zip(&self.inboxes).filter(|(index, _)| *index != but) {
            drop(inbox.send(Message::Input(input.clone())));
        }
    }

    /// Names a call that enters at this loop: the lowest byte says so.
    pub(crate) fn call_id(&self, home: u8) -> CallId {
        named(self.next_call(), home)
    }

    fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// Hands a call in. Its responder hears of it in any case.
    pub(crate) fn submit(&self, request: Request, responder: Responder, upstream: Option<Arc<Semaphore>>) -> CallId {
        let number = self.next_call();
        let home = self.home(&request.entity, number);
        let id = named(number, home);
        let watch = matches!(request.operation, Operation::Watch { .. });
        let permit = match self.admission.call(request.bytes(), watch) {
            Ok(permit) => permit,
            Err(error) => {
                responder.refuse(error);
                return id;
            }
        };
        let command = CommandId(self.salt.wrapping_add(u128::from(number)).wrapping_mul(MIX));
        let since = self.clock.now().mono;
        let call = into_call(request, id, command, since);
        let edge = Edge::Responder(responder);
        let waiting = Waiting { edge, since, upstream, span: call_span(&call), permit };
        if let Some(Message::Call(_, waiting)) = self.send(home, Message::Call(call, waiting)) {
            waiting.refuse(stopped().with_outcome(Outcome::None));
        }
        id
    }

    /// Nobody waits for the call any more.
    pub(crate) fn cancel(&self, call: CallId) {
        self.follow(Input::Cancel(call), call);
    }

    /// Elements were taken that the loop `from` had sent.
    pub(crate) fn taken_from(&self, from: u8, call: CallId, elements: u32) {
        // A stopped loop needs no report.
        drop(self.send(from, Message::Follow(Input::Taken { call, elements })));
    }

    /// An input about a call goes to where the call entered; from there it is passed on.
    pub(crate) fn follow(&self, input: Input, call: CallId) {
        // A stopped loop has answered all its calls.
        drop(self.send((call & 0xff) as u8, Message::Follow(input)));
    }
}

fn named(number: u64, home: u8) -> CallId {
    (number << 8) | u64::from(home)
}

fn into_call(request: Request, id: CallId, command: CommandId, since: Mono) -> Call {
    let micros = |timeout: Duration| u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX);
    let deadline = request.timeout.map(|timeout| Mono(since.0.saturating_add(micros(timeout))));
    Call {
        id,
        command,
        entity: request.entity,
        name: request.name,
        payload: request.payload,
        caller: request.caller,
        metadata: request.metadata,
        chain: request.chain,
        hops: 0,
        wrote: false,
        idempotency_key: request.idempotency_key,
        if_match: request.if_match,
        deadline,
        operation: request.operation,
        inbox: None,
        sent: None,
    }
}
