// SPDX-License-Identifier: Apache-2.0
//! Calls on their way in, and what ends them early: cancels, deadlines, bounds (rule 9).

use adjoin_model::{EntityId, Error, Outcome, Result, ShardId, shard_of};
use alloc::format;
use alloc::vec::Vec;

use super::ShardLoop;
use super::calls::{Due, Place, told};
use super::entity::Slot;
use super::job::{Ask, Job};
use super::sessions::Resolved;
use super::watch::Watch;
use crate::call::{Call, CallId, Operation, Reply};
use crate::frame::HostFrame;
use crate::io::Output;
use crate::mutant::Mutant;
use crate::phase::Phase;
use crate::shard::State;
use crate::spec::EntityKind;

const RETRY_AFTER_MS: u64 = 100;

impl ShardLoop {
    pub(super) fn admit(&mut self, call: Call) {
        if let Err(error) = self.admissible(&call) {
            return self.refuse(&call, error);
        }
        match self.sessions.resolve(&call) {
            Err(error) => self.refuse(&call, error),
            Ok(Resolved::Passivate) => self.passivate_now(&call),
            Ok(Resolved::Action) => self.admit_action(call),
            Ok(Resolved::Entity(Ask::Watch)) => self.admit_watch(call),
            Ok(Resolved::Entity(ask)) => self.enqueue(call, ask),
            Ok(Resolved::Unknown) if matches!(call.operation, Operation::Watch { .. }) => self.admit_watch(call),
            // Nothing is active without a function.
            Ok(Resolved::Unknown) if call.operation == Operation::Passivate => self.passivate_now(&call),
            Ok(Resolved::Unknown) => self.enqueue(call, Ask::Command),
        }
    }

    /// Bounds and contradictions that no entity needs to be asked about.
    fn admissible(&self, call: &Call) -> Result<()> {
        let limits = &self.settings.limits;
        let inner = call.hops > 0 || !call.chain.is_empty();
        if self.draining && !inner {
            return Err(Error::unavailable("the host is shutting down").retry_after(1000));
        }
        if self.calls.len() >= limits.calls && !self.is(Mutant::CallsUnbounded) {
            let said = format!("{} calls are under way, the most this host takes", limits.calls);
            return Err(Error::exhausted(said).retry_after(RETRY_AFTER_MS));
        }
        if call.payload.size() > limits.message_bytes {
            let said =
                format!("the body has {} bytes, at most {} are taken", call.payload.size(), limits.message_bytes);
            return Err(Error::exhausted(said).at("entity", &call.entity));
        }
        if call.deadline.is_some_and(|deadline| deadline <= self.now.mono) {
            return Err(Error::expired("the deadline had passed already").with_outcome(Outcome::None));
        }
        chain(call, limits.hops)
    }

    /// Answers a call that was not taken.
    fn refuse(&mut self, call: &Call, error: Error) {
        let error = told(call.wrote, error);
        let sent = call.sent.unwrap_or(0);
        self.out.push(match call.operation {
            Operation::Watch { .. } => Output::End { call: call.id, error: Some(error), sent },
            _ => Output::Reply { call: call.id, result: Err(error), sent },
        });
    }

    /// Puts a call into its entity's mailbox.
    fn enqueue(&mut self, call: Call, ask: Ask) {
        let slot = match self.place_for(&call.entity) {
            Ok(slot) => slot,
            Err(error) => return self.refuse(&call, error),
        };
        let full = self.entities.get(slot).is_some_and(|e| e.mailbox.len() >= self.settings.limits.mailbox);
        if full {
            let said = format!("{} commands wait for this entity already", self.settings.limits.mailbox);
            let error = Error::exhausted(said).at("entity", &call.entity).retry_after(RETRY_AFTER_MS);
            return self.refuse(&call, error);
        }
        if let Some(error) = self.shard_refuses(&call, ask) {
            self.refuse(&call, error);
            return self.unwanted(slot);
        }
        self.wait_in(slot, Job::new(call, ask));
    }

    /// While a shard's store cannot even say what it holds, queries are served and writes are refused.
    fn shard_refuses(&self, call: &Call, ask: Ask) -> Option<Error> {
        let owned = self.owned(shard_of(&call.entity, self.settings.shards))?;
        (owned.raise_at.is_some() && !ask.reads()).then(|| {
            let error = Error::unavailable("the store does not answer; nothing was written");
            error.at("shard", owned.shard.id()).retry_after(self.settings.raise_again_ms)
        })
    }

    /// Puts a job at the end of its entity's mailbox, with its deadline.
    pub(super) fn wait_in(&mut self, slot: Slot, job: alloc::boxed::Box<Job>) {
        let now = self.now.mono;
        self.calls.begin(&job.call, Place::Entity(slot));
        if let Some(deadline) = job.call.deadline {
            self.calls.due_at(deadline, Due::Deadline(job.id()));
        }
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let (call, phase) = (job.id(), entity.phase);
        let without_function = phase == Phase::Parked && self.sessions.choose(entity.id.entity_type()).is_none();
        entity.mailbox.push_back(job);
        if without_function {
            self.calls.due_at(now.plus_ms(self.settings.function_wait_ms), Due::FunctionWait(call));
        }
        self.entities.touch(slot, now);
        match phase {
            Phase::Active => self.make_ready(slot),
            Phase::Parked => self.want(slot),
            Phase::Waiting | Phase::Loading | Phase::Replaying | Phase::Settling => {}
        }
    }

    fn admit_watch(&mut self, call: Call) {
        match self.place_for(&call.entity) {
            Ok(slot) => self.add_watch(slot, call),
            Err(error) => self.refuse(&call, error),
        }
    }

    fn add_watch(&mut self, slot: Slot, call: Call) {
        let after = match call.operation {
            Operation::Watch { after } => after,
            Operation::Run | Operation::State | Operation::Delete | Operation::Passivate => None,
        };
        let Some(entity) = self.entities.get_mut(slot) else { return };
        if entity.watches.len() >= self.settings.limits.watches {
            let said = format!("{} watches of this entity are open already", self.settings.limits.watches);
            let error = Error::exhausted(said).at("entity", &call.entity).retry_after(RETRY_AFTER_MS);
            return self.refuse(&call, error);
        }
        self.calls.begin(&call, Place::Watch(slot));
        if let Some(deadline) = call.deadline {
            self.calls.due_at(deadline, Due::Deadline(call.id));
        }
        let phase = entity.phase;
        entity.watches.push(Watch::new(call, after));
        match phase {
            Phase::Active => self.ask_watches(slot),
            Phase::Parked => self.want(slot),
            Phase::Waiting | Phase::Loading | Phase::Replaying | Phase::Settling => {}
        }
    }

    /// The entity's slot; a new one makes room by passivating the one used longest ago.
    pub(super) fn place_for(&mut self, id: &EntityId) -> Result<Slot> {
        if let Some(slot) = self.entities.find(id) {
            return Ok(slot);
        }
        let shard = self.shard_here(id)?;
        match self.owned(shard).map(|owned| owned.shard.state()) {
            Some(State::Open | State::Raising) => {}
            Some(State::Closed) | None => {
                return Err(Error::fenced("this host does not own the entity's shard").at("shard", shard));
            }
        }
        let full = self.entities.len() >= self.settings.limits.resident && !self.is(Mutant::ResidentUnbounded);
        if full && !self.passivate_oldest() {
            let said = format!("{} entities are resident and all are busy", self.settings.limits.resident);
            return Err(Error::exhausted(said).retry_after(RETRY_AFTER_MS));
        }
        Ok(self.entities.insert(id.clone(), shard, self.now.mono))
    }

    /// Whether this loop has the entity's shard.
    pub(super) fn is_home(&self, id: &EntityId) -> bool {
        shard_of(id, self.settings.shards).0 % u32::from(self.settings.loops.max(1)) == u32::from(self.settings.index)
    }

    /// The shard that an entity is kept under here: its own, or any where it is an action, which every loop serves.
    fn shard_here(&self, id: &EntityId) -> Result<ShardId> {
        if self.is_home(id) {
            return Ok(shard_of(id, self.settings.shards));
        }
        let open = || self.shards.iter().flatten().find(|owned| owned.shard.state() != State::Closed);
        let stateless = self.sessions.kind(id.entity_type()) == Some(EntityKind::Action);
        let found = if stateless { open().map(|owned| owned.shard.id()) } else { None };
        found.ok_or_else(|| Error::fenced("this loop does not have the entity's shard; call again").at("entity", id))
    }

    /// The edge took elements of a watch or a stream.
    pub(super) fn taken(&mut self, call: CallId, elements: u32) {
        match self.calls.place(call) {
            Some(Place::Watch(slot)) => self.watch_taken(slot, call),
            Some(Place::Action(frame)) => self.stream_taken(frame, elements),
            Some(Place::Entity(_) | Place::Starved | Place::Held) | None => {}
        }
    }

    /// Nobody waits for a call any more.
    pub(super) fn cancel(&mut self, call: CallId) {
        if let Some(known) = self.calls.remove(call) {
            self.leave(call, known.place);
        }
    }

    pub(super) fn due(&mut self, due: Due) {
        let call = due.call();
        match (due, self.calls.place(call)) {
            (_, None) => {}
            (Due::FunctionWait(_), Some(Place::Entity(slot))) => self.function_wait_over(call, slot),
            (Due::FunctionWait(_), Some(_)) => {}
            (Due::Deadline(_), Some(place)) => {
                let (wrote, sent) = self.calls.remove(call).map_or((false, 0), |known| (known.wrote, known.sent));
                let streams = matches!(place, Place::Action(frame) if self.is_stream(frame));
                let ran = (!self.is(Mutant::ExpiredRuns) && self.leave(call, place)) || wrote;
                let outcome = if ran && !self.is(Mutant::ExpiredIsNone) { Outcome::Unknown } else { Outcome::None };
                let said = if ran { "the deadline passed while it ran" } else { "the deadline passed before it ran" };
                let error = Error::expired(said).with_outcome(outcome);
                self.out.push(match place {
                    Place::Watch(_) => Output::End { call, error: Some(error), sent },
                    _ if streams => Output::End { call, error: Some(error), sent },
                    _ => Output::Reply { call, result: Err(error), sent },
                });
            }
        }
    }

    /// Ends a call that has not been run: its caller is told why.
    pub(super) fn give_up(&mut self, call: CallId, error: Error) {
        if let Some(known) = self.calls.remove(call) {
            self.leave(call, known.place);
            self.out.push(Output::Reply { call, result: Err(known.told(error)), sent: known.sent });
        }
    }

    /// Takes a caller away from what it waits for; says whether the command may have its effect all the same.
    fn leave(&mut self, call: CallId, place: Place) -> bool {
        match place {
            Place::Watch(slot) => {
                self.forget_watch(slot, call);
                self.unwanted(slot);
                false
            }
            Place::Action(frame) => self.abandon_action(frame),
            Place::Starved => self.forget_starved(call),
            Place::Held => {
                self.leave_held(call);
                true
            }
            Place::Entity(slot) => self.leave_entity(slot, call),
        }
    }

    fn leave_entity(&mut self, slot: Slot, call: CallId) -> bool {
        let Some(entity) = self.entities.get_mut(slot) else { return false };
        if let Some(index) = entity.mailbox.iter().position(|job| job.id() == call) {
            let (ask, orphans) =
                entity.mailbox.remove(index).map_or((Ask::Command, Vec::new()), |job| (job.ask, job.followers));
            for (place, follower) in (index..).zip(orphans) {
                entity.mailbox.insert(place.min(entity.mailbox.len()), Job::new(follower, ask));
            }
            self.make_ready(slot);
            self.unwanted(slot);
            return false;
        }
        let session = entity.session;
        if let Some(job) = entity.running.iter_mut().chain(&mut entity.queries).find(|job| job.id() == call) {
            job.abandoned = true;
            let (frame, reads, followed) = (job.frame, job.ask.reads(), !job.followers.is_empty());
            if !followed {
                self.send(session, HostFrame::Cancel { call: frame });
            }
            return !reads;
        }
        if let Some(job) = entity.appending.iter_mut().find(|job| job.id() == call) {
            job.abandoned = true;
            return !job.ask.reads();
        }
        for job in entity.mailbox.iter_mut().chain(&mut entity.running).chain(&mut entity.appending) {
            job.followers.retain(|follower| follower.id != call);
        }
        true
    }

    /// Tells everybody who waits for a job how it ended. A reply whose caller has left is dropped.
    pub(super) fn tell(&mut self, job: alloc::boxed::Box<Job>, result: Result<Reply>) {
        for follower in job.followers {
            if let Some(known) = self.calls.remove(follower.id) {
                let result = result.clone().map(|reply| Reply { replayed: true, ..reply });
                let result = result.map_err(|error| known.told(error));
                self.out.push(Output::Reply { call: follower.id, result, sent: known.sent });
            }
        }
        if job.ask == Ask::Watch {
            if let (Err(error), Some(slot)) = (result, self.entities.find(&job.call.entity)) {
                self.watch_failed(slot, job.call.id, error);
            }
            return;
        }
        let known = self.calls.remove(job.call.id);
        if let Some(known) = known.filter(|_| !job.abandoned) {
            let result = result.map_err(|error| known.told(error));
            self.out.push(Output::Reply { call: job.call.id, result, sent: known.sent });
        }
    }
}

/// A call that awaits an entity that already waits for it would never end; a call forwarded for ever neither.
fn chain(call: &Call, hops: usize) -> Result<()> {
    if call.chain.len() > hops || call.hops as usize > hops {
        return Err(Error::rejected(format!("the call went through more than {hops} entities")));
    }
    let name = || format!("{}", call.entity);
    if !call.chain.is_empty() && call.chain.contains(&name()) {
        let said = format!("{} waits for this call already: it would wait for itself for ever", call.entity);
        return Err(Error::rejected(said));
    }
    Ok(())
}
