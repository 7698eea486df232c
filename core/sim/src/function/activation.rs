// SPDX-License-Identifier: Apache-2.0
//! Activations from the function's side: what is folded, and what the host owes an activation.

use std::collections::VecDeque;

use adjoin_entity::frame::{ActivationId, CommandFrame, FunctionFrame};
use adjoin_entity::spec::EntityKind;
use adjoin_model::{EntityId, Epoch, Error, Payload, Sequence};

use super::Seen;
use super::session::Session;
use crate::agenda::{Event, MS, Time};
use crate::context::Context;
use crate::fault::Fault;
use crate::plan::TYPES;
use crate::words::{Fact, State};

/// An entity's state in the function.
pub(crate) struct Activation {
    pub(super) entity: EntityId,
    pub(super) kind: EntityKind,
    pub(super) state: State,
    /// The last sequence folded in.
    sequence: Sequence,
    /// Replays that are not answered: up to which sequence, and whether it is the last.
    folding: VecDeque<(Sequence, bool)>,
    /// The last replay has come, and is answered: commands may.
    last: bool,
    ready: bool,
    /// Commands that wait, in order; whether one runs.
    pub(super) queue: VecDeque<u64>,
    pub(super) busy: bool,
}

impl Session {
    pub(super) fn check_epoch(&self, context: &mut Context, seen: &mut Seen<'_>, entity: &EntityId, epoch: Epoch) {
        let mine = seen.epochs.get(&(entity.clone(), self.host)).copied().unwrap_or_default();
        let older = seen.epochs.range((entity.clone(), 0)..(entity.clone(), self.host)).map(|(_, epoch)| *epoch).max();
        let holds = epoch >= mine && older.is_none_or(|older| epoch > older);
        context.demand(holds, || format!("{entity} is activated under {epoch:?} after {mine:?} and {older:?}"));
        seen.epochs.insert((entity.clone(), self.host), epoch.max(mine));
    }

    pub(super) fn activate(
        &mut self,
        context: &mut Context,
        id: ActivationId,
        entity: EntityId,
        (sequence, state): (Sequence, Option<Payload>),
    ) {
        let fresh = id != 0 && !self.activations.contains_key(&id) && !self.over.contains(&id);
        context.demand(fresh, || format!("activation {id} of {entity} was named before"));
        let twice = self.activations.values().any(|other| other.entity == entity);
        context.demand(!twice, || format!("{entity} is activated twice in a session"));
        self.check_type(context, entity.entity_type());
        let kind = TYPES.into_iter().find(|(name, _)| *name == entity.entity_type()).map(|(_, kind)| kind);
        let kind = kind.unwrap_or(EntityKind::Action);
        let has_snapshot = state.is_some() && kind == EntityKind::EventSourced;
        let state = read_state(context, &entity, kind, state);
        let activation = Activation {
            entity,
            kind,
            state,
            sequence,
            folding: VecDeque::new(),
            last: false,
            ready: false,
            queue: VecDeque::new(),
            busy: false,
        };
        self.activations.insert(id, activation);
        if has_snapshot && context.befalls(Fault::SnapshotUnreadable) {
            self.fail_activation(context, id, true);
        }
    }

    /// Only what its process has reaches a session.
    pub(super) fn check_type(&self, context: &mut Context, name: &str) {
        let known = self.spec.entity_type(name).is_some();
        context.demand(known, || format!("a function without {name} is asked for one"));
    }

    /// Whether this version of the function has a handler; the state it can always show.
    pub(super) fn has(&self, entity: &EntityId, handler: &str) -> bool {
        let its = self.spec.entity_type(entity.entity_type());
        handler.is_empty() || its.is_some_and(|its| its.handler(handler).is_some())
    }

    /// A function that makes no snapshots is not asked for one. With several processes the newest spec of any counts.
    pub(super) fn check_snapshot(&self, context: &mut Context, frame: &CommandFrame) {
        let entity = self.activations.get(&frame.activation).map(|activation| &activation.entity);
        let its = entity.and_then(|entity| self.spec.entity_type(entity.entity_type()));
        let never = its.is_some_and(|its| its.snapshot_every == 0) && context.plan.processes == 1;
        let asked = frame.want_snapshot && !frame.query;
        context.demand(!(asked && never), || format!("{}: a snapshot of what makes none", frame.name));
    }

    fn fail_activation(&mut self, context: &mut Context, activation: ActivationId, snapshot_unreadable: bool) {
        self.activations.remove(&activation);
        self.over.insert(activation);
        let error = Error::unavailable("an event or a snapshot cannot be read");
        self.send(context, FunctionFrame::ActivationFailed { activation, error, snapshot_unreadable });
    }

    pub(super) fn replay(
        &mut self,
        context: &mut Context,
        seen: &Seen<'_>,
        id: ActivationId,
        (events, last): (&[(Sequence, Payload)], bool),
    ) {
        if self.over.contains(&id) {
            return;
        }
        let Some(activation) = self.activations.get_mut(&id) else {
            return context.violate(|| format!("a replay for activation {id}, which never was"));
        };
        let entity = activation.entity.clone();
        context.demand(!activation.last, || format!("{entity}: a replay after the last one"));
        let loses = last && !events.is_empty() && context.befalls(Fault::ReplayShort);
        for (sequence, payload) in &events[..events.len() - usize::from(loses)] {
            activation.fold(context, *sequence, payload);
        }
        activation.last = last;
        activation.folding.push_back((activation.sequence, last));
        let unanswered = activation.folding.len();
        context.demand(unanswered <= 2, || format!("{entity}: {unanswered} replays beside each other"));
        if unanswered == 1 {
            self.fold_next(context, seen, id);
        }
    }

    fn fold_next(&self, context: &mut Context, seen: &Seen<'_>, activation: ActivationId) {
        let takes = takes(context, seen);
        context.after(takes, Event::Folds { session: self.id, activation });
    }

    /// The oldest replay is folded: the host is told, or that it could not be read.
    pub(super) fn folds(&mut self, context: &mut Context, seen: &Seen<'_>, id: ActivationId) {
        let Some(activation) = self.activations.get_mut(&id) else { return };
        let Some((sequence, last)) = activation.folding.pop_front() else { return };
        let more = !activation.folding.is_empty();
        activation.ready = last;
        if context.befalls(Fault::ReplayFails) {
            return self.fail_activation(context, id, false);
        }
        self.send(context, FunctionFrame::Replayed { activation: id, sequence });
        if more {
            self.fold_next(context, seen, id);
        }
    }

    /// Commands one at a time and in order is the function's part; that no query comes beside a command, no command
    /// before the state is there, and not too many, is the host's.
    pub(super) fn check_turn(&self, context: &mut Context, frame: &CommandFrame) {
        if frame.activation == 0 {
            return;
        }
        let name = frame.activation;
        let Some(activation) = self.activations.get(&name) else {
            return context.violate(|| format!("a command for activation {name}, which never was"));
        };
        let entity = &activation.entity;
        context.demand(activation.ready, || format!("{entity}: a command before the last replay"));
        let its = self.calls.values().filter(|running| running.frame.activation == name);
        let (queries, commands): (Vec<bool>, Vec<bool>) =
            its.map(|running| running.frame.query).partition(|query| *query);
        let beside = if frame.query { !commands.is_empty() } else { !queries.is_empty() };
        context.demand(!beside, || format!("{entity}: a query beside a command"));
        let within = frame.query || commands.len() < context.plan.window() as usize;
        context.demand(within, || format!("{entity}: {} commands beside a window", commands.len() + 1));
    }

    /// An attempt number only rises.
    pub(super) fn check_attempt(&self, context: &mut Context, seen: &mut Seen<'_>, frame: &CommandFrame) {
        if frame.query {
            return;
        }
        let entity = self.activations.get(&frame.activation).map(|a| a.entity.clone()).or(frame.entity.clone());
        let Some(entity) = entity else {
            return context.violate(|| "a command of an action names no entity".into());
        };
        let key = (self.host, frame.id, entity, frame.name.to_string());
        let before = seen.attempts.get(&key).copied().unwrap_or(0);
        context.demand(frame.attempt > before, || {
            format!("{:?} {}: attempt {} after {before}", frame.id, frame.name, frame.attempt)
        });
        seen.attempts.insert(key, frame.attempt.max(before));
    }

    /// A loop keeps within its handlers and bytes; one command is always allowed.
    pub(super) fn check_credit(&self, context: &mut Context, frame: &CommandFrame) {
        let of_loop = |call: u64| call & 0xff == frame.call & 0xff;
        let size = |frame: &CommandFrame| frame.payload.size() as u64;
        let (mut running, mut bytes) = (1, size(frame));
        for (_, other) in self.calls.iter().filter(|(call, _)| of_loop(**call)) {
            running += 1;
            bytes += size(&other.frame);
        }
        let (most, most_bytes) = context.plan.credit;
        let within = running <= most && (bytes <= most_bytes || running == 1);
        context.demand(within, || format!("{running} handlers with {bytes} bytes, {most} and {most_bytes} allowed"));
    }
}

/// How long a handler or a fold takes.
pub(super) fn takes(context: &mut Context, seen: &Seen<'_>) -> Time {
    let quick = context.random.between(5, 300);
    if seen.slow { quick + context.random.between(1, 400) * MS } else { quick }
}

impl Activation {
    fn fold(&mut self, context: &mut Context, sequence: Sequence, payload: &Payload) {
        // Without a state before them, the first events are those after the last delete.
        let follows = sequence == self.sequence + 1 || (self.sequence == 0 && self.state == State::default());
        let (entity, before) = (&self.entity, self.sequence);
        context.demand(follows, || format!("{entity}: event {sequence} is replayed after {before}"));
        match Fact::read(payload) {
            Some(fact) => self.state = self.state.fold(fact),
            None => context.violate(|| format!("{entity}: event {sequence} is none of ours")),
        }
        self.sequence = sequence;
    }
}

fn read_state(context: &mut Context, entity: &EntityId, kind: EntityKind, state: Option<Payload>) -> State {
    let Some(payload) = state else { return State::default() };
    let read = match kind {
        EntityKind::Value => Fact::read(&payload).map(|fact| State::of_value(fact.token)),
        EntityKind::EventSourced | EntityKind::Action => State::read(&payload),
    };
    context.demand(read.is_some(), || format!("{entity}: activated with a state that is none of ours"));
    read.unwrap_or_default()
}
