// SPDX-License-Identifier: Apache-2.0
//! Function processes: what they have, how much they take, and what their end means (rule 10).

use adjoin_model::{EntityId, Error, Outcome, Result};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::ShardLoop;
use super::calls::Due;
use super::entity::Slot;
use super::job::{Ask, Job};
use crate::call::{Call, CallId, Operation};
use crate::frame::HostFrame;
use crate::io::{Output, SessionId};
use crate::mutant::Mutant;
use crate::phase::{On, Phase};
use crate::spec::{Answers, EntityKind, EntityType, Spec};

/// Commands that are listed because the process died under them.
const DEADLY_LISTED: usize = 100;

/// One connected function process.
pub(crate) struct Session {
    spec: Arc<Spec>,
    running_bound: u32,
    bytes_bound: u64,
    running: u32,
    bytes: u64,
    activations: u32,
    /// Entities and actions that wait for credit, in order.
    pub(crate) starved: VecDeque<Starved>,
}

/// Who waits for credit.
pub(crate) enum Starved {
    Entity(Slot),
    Action(Box<Job>),
}

/// All sessions, and the types known from any of them so far.
#[derive(Default)]
pub(crate) struct Sessions {
    live: BTreeMap<SessionId, Session>,
    types: BTreeMap<Arc<str>, Known>,
}

struct Known {
    spec: Arc<Spec>,
    place: usize,
    sessions: Vec<SessionId>,
}

/// What a call is for.
pub(crate) enum Resolved {
    /// An entity, and in which way.
    Entity(Ask),
    /// An entity's activation, which is to end.
    Passivate,
    /// An action.
    Action,
    /// No function has ever said; perhaps the next one does.
    Unknown,
}

impl Sessions {
    pub(crate) fn entity_type(&self, name: &str) -> Option<&EntityType> {
        self.types.get(name).and_then(|known| known.spec.types.get(known.place))
    }

    /// Every type that a connected function has.
    pub(crate) fn connected(&self) -> impl Iterator<Item = (&Spec, &EntityType)> {
        let types = self.types.values().filter(|known| !known.sessions.is_empty());
        types.filter_map(|known| Some((&*known.spec, known.spec.types.get(known.place)?)))
    }

    pub(crate) fn kind(&self, name: &str) -> Option<EntityKind> {
        self.entity_type(name).map(|entity_type| entity_type.kind)
    }

    pub(crate) fn get_mut(&mut self, session: SessionId) -> Option<&mut Session> {
        self.live.get_mut(&session)
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&Session> {
        self.live.get(&session)
    }

    /// Sessions in which somebody waits for credit.
    pub(crate) fn starving(&self) -> Vec<SessionId> {
        self.live.iter().filter(|(_, session)| !session.starved.is_empty()).map(|(id, _)| *id).collect()
    }

    pub(crate) fn is_live(&self, session: SessionId) -> bool {
        self.live.contains_key(&session)
    }

    /// The session of that type with the fewest activations.
    pub(crate) fn choose(&self, entity_type: &str) -> Option<SessionId> {
        let known = self.types.get(entity_type)?;
        known.sessions.iter().copied().min_by_key(|session| self.live.get(session).map_or(u32::MAX, |s| s.activations))
    }

    /// Every live session, in order.
    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.live.keys().copied().collect()
    }

    /// What the call is for.
    pub(crate) fn resolve(&self, call: &Call) -> Result<Resolved> {
        let name = call.entity.entity_type();
        let Some(entity_type) = self.entity_type(name) else {
            if self.live.is_empty() {
                return Ok(Resolved::Unknown);
            }
            let known: Vec<&str> = self.types.keys().map(|name| &**name).collect();
            let said = format!("no entity type {name:?}; the function has: {}", known.join(", "));
            return Err(Error::not_found(said));
        };
        if entity_type.kind == EntityKind::Action {
            return resolve_action(entity_type, call).map(|()| Resolved::Action);
        }
        match call.operation {
            Operation::State => Ok(Resolved::Entity(Ask::State)),
            Operation::Delete => Ok(Resolved::Entity(Ask::Delete)),
            Operation::Passivate => Ok(Resolved::Passivate),
            Operation::Run => {
                let query = handler(entity_type, call)?.query;
                Ok(Resolved::Entity(if query { Ask::Query } else { Ask::Command }))
            }
            Operation::Watch { .. } if handler(entity_type, call)?.query => Ok(Resolved::Entity(Ask::Watch)),
            Operation::Watch { .. } => {
                let said = format!("{name}.{} is a command: only queries can be watched", call.name);
                Err(Error::invalid(said))
            }
        }
    }

    fn up(&mut self, id: SessionId, spec: &Arc<Spec>, (running, bytes): (u32, u64), renews: bool) {
        for (place, entity_type) in spec.types.iter().enumerate() {
            let known = self.types.entry(entity_type.name.clone()).or_insert_with(|| Known {
                spec: spec.clone(),
                place,
                sessions: Vec::new(),
            });
            if renews {
                known.spec = spec.clone();
                known.place = place;
            }
            known.sessions.push(id);
        }
        let session = Session {
            spec: spec.clone(),
            running_bound: running.max(1),
            bytes_bound: bytes.max(1),
            running: 0,
            bytes: 0,
            activations: 0,
            starved: VecDeque::new(),
        };
        self.live.insert(id, session);
    }

    fn down(&mut self, id: SessionId) -> Option<Session> {
        let session = self.live.remove(&id)?;
        for entity_type in &session.spec.types {
            if let Some(known) = self.types.get_mut(&entity_type.name) {
                known.sessions.retain(|other| *other != id);
            }
        }
        Some(session)
    }
}

fn handler<'a>(entity_type: &'a EntityType, call: &Call) -> Result<&'a crate::spec::Handler> {
    entity_type.handler(&call.name).ok_or_else(|| {
        let known: Vec<&str> = entity_type.handlers.iter().map(|handler| &*handler.name).collect();
        let said = format!("{} has no command {:?}; it has: {}", entity_type.name, call.name, known.join(", "));
        Error::not_found(said)
    })
}

fn resolve_action(entity_type: &EntityType, call: &Call) -> Result<()> {
    if call.operation != Operation::Run {
        return Err(Error::invalid(format!("{} is an action: it has no state", entity_type.name)));
    }
    if call.if_match.is_some() {
        return Err(Error::invalid(format!("{} is an action: it has no sequence to match", entity_type.name)));
    }
    handler(entity_type, call).map(|_| ())
}

impl Session {
    /// Takes credit for one more unanswered command; says whether there was some. One is always allowed, so that a
    /// large one is not held for ever.
    pub(crate) fn take_credit(&mut self, bytes: u64) -> bool {
        let fits = self.running < self.running_bound && self.bytes.saturating_add(bytes) <= self.bytes_bound;
        if !fits && self.running > 0 {
            return false;
        }
        self.running += 1;
        self.bytes += bytes;
        true
    }

    /// Whether a small command would be given credit.
    pub(crate) fn has_room(&self) -> bool {
        self.running == 0 || (self.running < self.running_bound && self.bytes < self.bytes_bound)
    }

    pub(crate) fn give_credit(&mut self, bytes: u64) {
        self.running = self.running.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(crate) fn answers(&self) -> Answers {
        self.spec.answers
    }

    pub(crate) fn activated(&mut self) {
        self.activations += 1;
    }

    pub(crate) fn deactivated(&mut self) {
        self.activations = self.activations.saturating_sub(1);
    }
}

impl ShardLoop {
    pub(super) fn session_up(&mut self, id: SessionId, spec: &Arc<Spec>, running: u32, bytes: u64) {
        self.sessions.up(id, spec, (running, bytes), !self.is(Mutant::SpecKept));
        self.check_idle_in_time();
        for slot in self.entities.slots().collect::<Vec<_>>() {
            if self.entities.get(slot).is_some_and(|entity| entity.phase == Phase::Parked) {
                self.resolve_parked(slot);
            }
        }
        self.effects_for_function();
        self.declare_consumers(true);
    }

    /// What waited without knowing its type is looked at again.
    fn resolve_parked(&mut self, slot: Slot) {
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let jobs: Vec<Box<Job>> = entity.mailbox.drain(..).collect();
        let mut kept = VecDeque::with_capacity(jobs.len());
        for mut job in jobs {
            match self.sessions.resolve(&job.call) {
                // It was an action when it came here.
                Ok(Resolved::Entity(_)) if !self.is_home(&job.call.entity) => {
                    self.fail(job, Error::fenced("the type has a state now, and its shard is elsewhere; call again"));
                }
                Ok(Resolved::Entity(ask)) => {
                    job.ask = ask;
                    kept.push_back(job);
                }
                Ok(Resolved::Action) if self.sessions.choose(job.call.entity.entity_type()).is_some() => {
                    self.start_action(job);
                }
                // It waits on: the function that came has other types.
                Ok(Resolved::Action | Resolved::Unknown | Resolved::Passivate) => kept.push_back(job),
                Err(error) => self.fail(job, error),
            }
        }
        if let Some(entity) = self.entities.get_mut(slot) {
            entity.mailbox = kept;
        }
        self.resolve_watches(slot);
        self.want(slot);
    }

    fn resolve_watches(&mut self, slot: Slot) {
        let Some(entity) = self.entities.get(slot) else { return };
        let refused: Vec<(CallId, Error)> = entity
            .watches
            .iter()
            .filter_map(|watch| match self.sessions.resolve(&watch.call) {
                Ok(Resolved::Entity(_) | Resolved::Unknown | Resolved::Passivate) => None,
                Ok(Resolved::Action) => Some((watch.call.id, Error::invalid("an action cannot be watched"))),
                Err(error) => Some((watch.call.id, error)),
            })
            .collect();
        for (call, error) in refused {
            self.watch_failed(slot, call, error);
        }
    }

    /// A function's process is gone: what it had is redelivered or fails.
    pub(super) fn session_down(&mut self, id: SessionId, orderly: bool) {
        let Some(session) = self.sessions.down(id) else { return };
        for slot in self.entities.slots().collect::<Vec<_>>() {
            if self.entities.get(slot).is_some_and(|entity| entity.session == id) {
                self.session_lost(slot, orderly);
            }
        }
        for starved in session.starved {
            if let Starved::Action(job) = starved {
                self.start_action(job);
            }
        }
        self.actions_lost(id);
        self.declare_consumers(false);
    }

    fn session_lost(&mut self, slot: Slot, orderly: bool) {
        let redelivers = self.is(Mutant::AnsweredRedelivered);
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let replaying = entity.phase == Phase::Replaying;
        if !orderly {
            // In order, so only the oldest command can have been running; queries run together.
            let blamed = if replaying { entity.mailbox.front_mut() } else { entity.running.front_mut() };
            blamed.into_iter().chain(entity.queries.iter_mut()).for_each(|job| job.deaths += 1);
        }
        if redelivers {
            let answered = core::mem::take(&mut entity.appending);
            self.requeue(slot, answered);
        }
        self.end_activation(slot, On::SessionLost, false);
        self.fail_deadly(slot);
    }

    /// Fails the commands that ran whenever the process died.
    fn fail_deadly(&mut self, slot: Slot) {
        let bound = if self.is(Mutant::DeadlyAgain) { u32::MAX } else { self.settings.deaths };
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let deadly: Vec<usize> = (0..entity.mailbox.len()).filter(|i| entity.mailbox[*i].deaths >= bound).collect();
        let jobs: Vec<Box<Job>> = deadly.into_iter().rev().filter_map(|i| entity.mailbox.remove(i)).collect();
        for job in jobs {
            let said = format!("the function's process died {bound} times while {} ran or was next", job.call.name);
            if self.deadly.len() >= DEADLY_LISTED {
                self.deadly.remove(0);
            }
            self.deadly.push((job.call.entity.clone(), job.call.name.clone()));
            self.fail(job, Error::internal(said));
        }
        self.unwanted(slot);
    }

    /// Says that the function was waited for too long, if it still is.
    pub(super) fn function_wait_over(&mut self, call: CallId, slot: Slot) {
        let (now, wait_ms) = (self.now.mono, self.settings.function_wait_ms);
        let Some(entity) = self.entities.get_mut(slot) else { return };
        // What was due in an earlier absence says nothing about this one, which has its own.
        if entity.parked.plus_ms(wait_ms) > now {
            return;
        }
        if entity.phase != Phase::Parked || self.sessions.choose(entity.id.entity_type()).is_some() {
            return;
        }
        let error = unavailable(&entity.id, wait_ms);
        let Some(index) = entity.mailbox.iter().position(|job| job.id() == call) else { return };
        if let Some(job) = entity.mailbox.remove(index) {
            self.fail(job, error);
        }
        self.unwanted(slot);
    }

    /// Bounds the wait of everything in a parked entity's mailbox.
    pub(super) fn bound_function_wait(&mut self, slot: Slot) {
        let Some(entity) = self.entities.get_mut(slot) else { return };
        entity.parked = self.now.mono;
        let at = self.now.mono.plus_ms(self.settings.function_wait_ms);
        for job in entity.mailbox.iter().filter(|job| job.ask != Ask::Watch) {
            self.calls.due_at(at, Due::FunctionWait(job.id()));
        }
    }

    /// Sends a frame to a session.
    pub(super) fn send(&mut self, session: SessionId, frame: HostFrame) {
        self.out.push(Output::Frame { session, frame });
    }
}

/// No function with the type is there.
pub(super) fn unavailable(entity: &EntityId, waited_ms: u64) -> Error {
    let said = format!(
        "no function that has {} is connected, {waited_ms} ms were waited; start it, or look at the host's readiness",
        entity.entity_type()
    );
    Error::unavailable(said).with_outcome(Outcome::None).retry_after(1000)
}
