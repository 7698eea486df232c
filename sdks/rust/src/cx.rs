// SPDX-License-Identifier: Apache-2.0
//! What a handler sees and may do.

mod change;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adjoin_engine::Request;
use adjoin_entity::frame::{CommandFrame, Effects, HandlerResult, SideEffect, Target};
use adjoin_model::{CommandId, EntityId, Epoch, Error, Metadata, Payload, Result};
use serde::de::DeserializeOwned;

use crate::asking;
use crate::handler::HandlerFn;
use crate::json;
use crate::kinds::Defined;
use crate::mutant::{Mutant, is};
use crate::names::{self, JSON};
use crate::outbox::Outbox;
use crate::reject::Reject;
use crate::shared::Shared;
use crate::stream::Ports;

pub(crate) use change::State;

/// The context of one call: the state, what the command does, and who asks.
///
/// Commands get it as `&mut`, queries as `&`: what changes something needs `&mut`.
pub struct Cx<S> {
    pub(crate) state: State<S>,
    /// The state before the command, where it was kept.
    before: Option<Box<S>>,
    /// Something changed without the state before having been kept.
    lost_before: bool,
    keeps_state: bool,
    pub(crate) applying: bool,
    entity: EntityId,
    epoch: Epoch,
    frame: CommandFrame,
    received: Option<Instant>,
    pub(crate) effects: Effects,
    /// Why the command fails whatever the handler returns.
    fault: Option<Error>,
    forward: Option<Target>,
    said: Metadata,
    ports: Option<Ports>,
    outbox: Rc<Outbox>,
    pub(crate) shared: Arc<Shared>,
}

/// For whom a call is.
pub(crate) struct Addressed {
    pub(crate) entity: EntityId,
    pub(crate) epoch: Epoch,
    pub(crate) frame: CommandFrame,
    /// Where the handler's own calls go.
    pub(crate) outbox: Rc<Outbox>,
}

impl<S> Cx<S> {
    pub(crate) fn new(state: State<S>, call: Addressed, shared: Arc<Shared>, keeps_state: bool) -> Self {
        let Addressed { entity, epoch, frame, outbox } = call;
        Self {
            state,
            before: None,
            lost_before: false,
            keeps_state,
            applying: false,
            received: (frame.remaining_ms > 0).then(Instant::now),
            entity,
            epoch,
            frame,
            effects: Effects::default(),
            fault: None,
            forward: None,
            said: Metadata::new(),
            ports: None,
            outbox,
            shared,
        }
    }

    pub(crate) fn with_ports(mut self, ports: Ports) -> Self {
        self.ports = Some(ports);
        self
    }

    /// The state of the entity, with everything this command has changed so far. Of an action: the value it was
    /// registered with.
    #[must_use]
    pub fn state(&self) -> &S {
        self.state.get()
    }

    /// The entity's key: `ada`.
    #[must_use]
    pub fn key(&self) -> &str {
        self.entity.key()
    }

    /// The entity: `shop.Cart/ada`.
    #[must_use]
    pub fn entity(&self) -> &EntityId {
        &self.entity
    }

    /// The command's id, the same through every redelivery: use it as idempotency key towards other systems.
    #[must_use]
    pub fn id(&self) -> CommandId {
        self.frame.id
    }

    /// 1, and one more for every redelivery after the process died.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.frame.attempt
    }

    /// The fencing token: greater than that of any earlier owner of the entity. 0 in an action.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.0
    }

    /// Who calls; empty when unknown.
    #[must_use]
    pub fn caller(&self) -> &str {
        &self.frame.caller
    }

    /// Metadata of the call, by its lower-case name.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.frame.metadata.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Says something to the client beside the reply: a field of the HTTP response, or of the initial metadata of gRPC.
    /// The host keeps back names that are its own, and what no field can hold. Nothing of it leaves when the command
    /// fails or goes on elsewhere, nor with an answer that is given again to a repeated idempotency key. In a handler
    /// that streams its reply it leaves with the next element; only what goes with the first can still be a field.
    pub fn reply_metadata(&mut self, name: &str, value: impl Into<String>) {
        let entry = (name.to_ascii_lowercase(), value.into());
        match &self.ports {
            Some(ports) => ports.say(entry),
            None => self.said.push(entry),
        }
    }

    /// What is left of the caller's deadline; `None` without one.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let given = Duration::from_millis(self.frame.remaining_ms);
        self.received.map(|received| given.saturating_sub(received.elapsed()))
    }

    /// Calls a command of another entity once this one is durable; nobody waits for it and it is made at most once.
    pub fn effect<F, T, M, K>(&mut self, f: F, key: impl Into<Arc<str>>, body: F::Body)
    where
        F: HandlerFn<T, M>,
        T: Defined<K>,
    {
        self.side_effect(f, key.into(), &body, Made::Once);
    }

    /// Like [`Cx::effect`], but made for certain: it is written with what this command writes, and is made again until
    /// the other one has ended, also after a crash. An entity runs it exactly once; an action may run it more often,
    /// each time with the same [`Cx::id`]. One that keeps failing is listed by `adjoin effects`. Entities only: an action
    /// writes nothing, so it is refused there as Invalid.
    pub fn effect_durable<F, T, M, K>(&mut self, f: F, key: impl Into<Arc<str>>, body: F::Body)
    where
        F: HandlerFn<T, M>,
        T: Defined<K>,
    {
        self.side_effect(f, key.into(), &body, Made::Durably);
    }

    /// Like [`Cx::effect`], and the reply to this command waits until the other one is answered.
    pub fn effect_awaited<F, T, M, K>(&mut self, f: F, key: impl Into<Arc<str>>, body: F::Body)
    where
        F: HandlerFn<T, M>,
        T: Defined<K>,
    {
        self.side_effect(f, key.into(), &body, Made::Awaited);
    }

    fn side_effect<F, T, M, K>(&mut self, _: F, key: Arc<str>, body: &F::Body, made: Made)
    where
        F: HandlerFn<T, M>,
        T: Defined<K>,
    {
        match target::<F, T, M, K>(key, body) {
            Ok(target) => {
                let (synchronous, durable) = (made == Made::Awaited, made == Made::Durably);
                let effect = SideEffect { target, synchronous, durable };
                match &self.ports {
                    Some(ports) => ports.effect(effect),
                    None => self.effects.side_effects.push(effect),
                }
            }
            Err(error) => self.fail(error),
        }
    }

    /// Hands the call on: that command's answer is the caller's answer, once this command is durable. Return it:
    /// `return cx.forward(Cart::check_out, key, ())`.
    ///
    /// # Errors
    /// Always, so that it can be returned.
    pub fn forward<F, T, M, K>(
        &mut self,
        _: F,
        key: impl Into<Arc<str>>,
        body: F::Body,
    ) -> std::result::Result<F::Reply, Reject>
    where
        F: HandlerFn<T, M>,
        T: Defined<K>,
    {
        match target::<F, T, M, K>(key.into(), &body) {
            Ok(target) => self.forward = Some(target),
            Err(error) => self.fail(error),
        }
        Err(Reject::forwarded())
    }

    /// Calls another entity and waits for its answer. The call knows that this entity waits: one that comes back to it
    /// is refused instead of waiting for ever.
    ///
    /// # Errors
    /// What the call ended with.
    pub async fn call<F, T, M, K>(&self, _: F, key: impl Into<Arc<str>>, body: F::Body) -> Result<F::Reply>
    where
        F: HandlerFn<T, M>,
        T: Defined<K>,
    {
        let target = target::<F, T, M, K>(key.into(), &body)?;
        let mut request = Request::new(target.entity, target.command, target.payload);
        request.chain = self.chain();
        request.timeout = self.remaining();
        let reply = match self.shared.engine() {
            Some(engine) => engine.call(request).await?,
            None => asking::ask(&self.outbox, request).await?,
        };
        decode(reply.payload.as_ref())
    }

    /// Those who wait for this call; an action holds nobody up, so it is not among them.
    fn chain(&self) -> Vec<String> {
        if is(Mutant::ChainHidden) {
            return Vec::new();
        }
        let mut chain = self.frame.chain.clone();
        if self.frame.activation != 0 {
            chain.push(self.entity.to_string());
        }
        chain
    }

    /// Makes the command fail, whatever its handler returns. The first reason counts.
    pub(crate) fn fail(&mut self, error: Error) {
        self.fault.get_or_insert(error);
    }
}

/// How a side effect is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    /// Once at most, and nobody waits.
    Once,
    /// Once at most, and the reply waits.
    Awaited,
    /// For certain.
    Durably,
}

/// A command of another entity, by its function.
fn target<F, T, M, K>(key: Arc<str>, body: &F::Body) -> Result<Target>
where
    F: HandlerFn<T, M>,
    T: Defined<K>,
{
    let (entity_type, command) = names::of::<T, K, F>()?;
    let data = json::encode(body).map_err(|error| Error::invalid(format!("the body has no JSON form: {error}")))?;
    let payload = Payload::new(JSON.clone(), data);
    Ok(Target { entity: EntityId::new(entity_type, key)?, command, payload, metadata: Vec::new() })
}

/// A reply as a value.
pub(crate) fn decode<R: DeserializeOwned>(payload: Option<&Payload>) -> Result<R> {
    let data = payload.map_or(&b"null"[..], |payload| &payload.data);
    json::decode(data).map_err(|error| Error::protocol(format!("the reply is not of the type asked for: {error}")))
}

/// How a call ended.
pub(crate) struct Ended<S> {
    /// The state to go on with; none when it is no longer the journal's.
    pub(crate) state: Option<State<S>>,
    pub(crate) call: u64,
    pub(crate) result: HandlerResult,
    pub(crate) effects: Effects,
    /// Beside a reply.
    pub(crate) metadata: Metadata,
    /// It failed after a change, and the state before had not been kept.
    pub(crate) lost_before: bool,
}
