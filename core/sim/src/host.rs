// SPDX-License-Identifier: Apache-2.0
//! One incarnation of the node: its loops, and what its driver remembers about them.

use std::collections::{BTreeMap, BTreeSet};

use adjoin_entity::frame::ActivationId;
use adjoin_entity::{CallId, EffectId, Homes, Input, SessionId, ShardLoop};
use adjoin_model::{EntityId, Head, Mono, Owner, Position, ShardId};

use crate::agenda::Time;
use crate::history::AttemptId;

/// What a host is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It takes the shards over.
    Claiming,
    /// It serves.
    Running,
    /// It takes no new calls and ends once nothing is under way.
    Draining,
    /// It is gone.
    Dead,
}

/// Who waits for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// A client.
    Client(AttemptId),
    /// A loop, for a side effect, if it waits.
    Loop { index: u8, effect: Option<EffectId> },
}

/// What an operator asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// That a stuck effect is tried again.
    Unstick,
    /// That a dead letter is tried again.
    RetryLetter(ShardId, Position),
    /// That a dead letter is dropped.
    DropLetter(ShardId, Position),
}

/// A call that is in a loop.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) edge: Edge,
    pub(crate) index: u8,
    pub(crate) entity: EntityId,
    pub(crate) deadline: Option<Mono>,
    /// A watch or a streamed reply: it ends instead of being answered.
    pub(crate) streams: bool,
    /// An element was given out and not taken.
    pub(crate) untaken: bool,
    /// Its client has hung up.
    pub(crate) gone: bool,
    /// How often it was forwarded: a cancel that was on its way to one loop says nothing to the next.
    pub(crate) hops: u32,
}

/// A loop and its inputs.
pub(crate) struct Slot {
    pub(crate) machine: ShardLoop,
    pub(crate) inputs: Vec<Input>,
    /// When it is stepped next, if that is planned.
    pub(crate) step_at: Option<Time>,
    pub(crate) drained: bool,
    /// Steps in a row at which it wanted to be woken at once, with nothing to take.
    pub(crate) restless: u32,
}

/// A host.
pub(crate) struct Host {
    pub(crate) owner: Owner,
    pub(crate) phase: Phase,
    /// A newer incarnation has begun to claim: what it reads may be old, which the lease of rule 4 will say to it.
    pub(crate) deposed: bool,
    pub(crate) paused_until: Time,
    /// Until when its requests do not reach the store, and the store's answers do not reach it.
    pub(crate) cut_until: Time,
    pub(crate) deaf_until: Time,
    /// Shards to claim, and those claimed.
    pub(crate) unclaimed: BTreeSet<u32>,
    pub(crate) claimed: Vec<(ShardId, Head)>,
    pub(crate) loops: Vec<Slot>,
    /// Which of them serves what.
    pub(crate) homes: Homes,
    pub(crate) calls: BTreeMap<CallId, Waiting>,
    /// What operators asked for and were not told yet.
    pub(crate) orders: BTreeMap<CallId, Order>,
    pub(crate) sessions: BTreeSet<SessionId>,
    /// What the function has, as the loops say: of which entity, in which session.
    pub(crate) activations: BTreeMap<ActivationId, (EntityId, SessionId)>,
    pub(crate) active: BTreeMap<EntityId, ActivationId>,
    next_call: CallId,
}

impl Host {
    pub(crate) fn new(owner: Owner, shards: u32, loops: u8) -> Self {
        Self {
            owner,
            phase: Phase::Claiming,
            deposed: false,
            paused_until: 0,
            cut_until: 0,
            deaf_until: 0,
            unclaimed: (0..shards).collect(),
            claimed: Vec::new(),
            loops: Vec::new(),
            homes: Homes::new(shards, loops),
            calls: BTreeMap::new(),
            orders: BTreeMap::new(),
            sessions: BTreeSet::new(),
            activations: BTreeMap::new(),
            active: BTreeMap::new(),
            next_call: 0,
        }
    }

    pub(crate) fn name_call(&mut self) -> CallId {
        self.next_call += 1;
        self.next_call
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.phase != Phase::Dead
    }

    /// Has loops that are stepped.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Draining)
    }

    /// Begins the loops, each with its share of the claimed shards.
    pub(crate) fn begin(&mut self, machines: impl Iterator<Item = ShardLoop>) {
        let slot = |machine| Slot { machine, inputs: Vec::new(), step_at: None, drained: false, restless: 0 };
        self.loops = machines.map(slot).collect();
        self.phase = Phase::Running;
    }

    /// Forgets everything, as a process that ends does.
    pub(crate) fn die(&mut self) {
        self.phase = Phase::Dead;
        self.loops.clear();
        self.orders.clear();
        self.sessions.clear();
        self.activations.clear();
        self.active.clear();
    }

    /// An activation has ended, by either side.
    pub(crate) fn forget_activation(&mut self, activation: ActivationId) {
        let Some((entity, _)) = self.activations.remove(&activation) else { return };
        if self.active.get(&entity) == Some(&activation) {
            self.active.remove(&entity);
        }
    }

    /// All activations of a session have ended.
    pub(crate) fn forget_session(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        let ended: Vec<ActivationId> =
            self.activations.iter().filter(|(_, (_, other))| *other == session).map(|(id, _)| *id).collect();
        ended.into_iter().for_each(|activation| self.forget_activation(activation));
    }
}
