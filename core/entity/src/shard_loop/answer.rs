// SPDX-License-Identifier: Apache-2.0
//! What the function answers, and what of it is written (rules 2, 6, 8, 13).

use adjoin_model::{Body, Dedup, DurableCall, Ended, Error, Outcome, Payload, Record, Result, Sequence};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::activate::dedups;
use super::entity::Slot;
use super::job::{Answered, Ask, Ending, Job};
use super::{Group, ShardLoop};
use crate::frame::{AnswerFrame, Effects, HandlerResult, SideEffect, Target, check_metadata};
use crate::io::SessionId;
use crate::mutant::Mutant;
use crate::phase::On;
use crate::shard::Admission;
use crate::spec::{Answers, EntityKind};

impl ShardLoop {
    pub(super) fn answer(&mut self, session: SessionId, frame: AnswerFrame) {
        let Some(slot) = self.activation(session, frame.activation) else { return };
        let ended = frame.activation_ended;
        let Some(mut job) = self.take_answered(slot, frame.call) else { return self.out_of_turn(slot, frame.call) };
        job.in_order = self.is_cloudstate(session);
        if let Some(session) = self.sessions.get_mut(session) {
            session.give_credit(job.bytes());
        }
        let sound = if job.ask.reads() {
            self.query_answered(slot, job, frame)
        } else {
            self.command_answered(slot, job, frame)
        };
        if ended && self.is_cloudstate(session) {
            self.restart(slot);
        }
        if ended || (!sound && !self.is(Mutant::StateKeptAfterBreach)) {
            // Ended by the function, or because the function's state has what the journal has not.
            self.end_activation(slot, On::Discarded, !ended);
        }
        self.feed_starved(session);
        self.make_ready(slot);
    }

    /// The job that an answer belongs to: the oldest command, or any query.
    fn take_answered(&mut self, slot: Slot, call: u64) -> Option<Box<Job>> {
        let any = self.is(Mutant::OutOfTurnTaken);
        let entity = self.entities.get_mut(slot)?;
        if let Some(index) = entity.running.iter().position(|job| job.frame == call).filter(|_| any) {
            return entity.running.remove(index);
        }
        if entity.running.front().is_some_and(|job| job.frame == call) {
            return entity.running.pop_front();
        }
        let index = entity.queries.iter().position(|job| job.frame == call)?;
        Some(entity.queries.swap_remove(index))
    }

    /// An answer to a later command says that commands did not run in order: nothing of it can be taken.
    fn out_of_turn(&mut self, slot: Slot, call: u64) {
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let Some(index) = entity.running.iter().position(|job| job.frame == call) else { return };
        let Some(job) = entity.running.remove(index) else { return };
        let error = Error::protocol("the function answered out of order; nothing was written");
        let (bytes, session) = (job.bytes(), entity.session);
        if let Some(session) = self.sessions.get_mut(session) {
            session.give_credit(bytes);
        }
        self.fail(job, error.with_outcome(Outcome::None));
        self.end_activation(slot, On::Discarded, true);
    }

    /// Says whether the function's state is still the journal's.
    fn query_answered(&mut self, slot: Slot, mut job: Box<Job>, frame: AnswerFrame) -> bool {
        let wrote = frame.effects.writes() || !frame.effects.side_effects.is_empty();
        let ending = match (job.ask, frame.result) {
            _ if wrote => Ending::Reply(Err(broke("a query returned effects"))),
            (_, HandlerResult::Forward(_)) => Ending::Reply(Err(broke("a query was forwarded"))),
            (Ask::State, HandlerResult::Reply(_)) => Ending::Reply(Ok(frame.effects.snapshot)),
            (_, HandlerResult::Reply(payload)) => {
                let bounded = check_metadata("the reply", &frame.metadata).and_then(|()| self.bounded(payload));
                job.metadata = frame.metadata;
                Ending::Reply(bounded)
            }
            (_, HandlerResult::Failed(error)) => Ending::Reply(Err(failed(error))),
        };
        self.finish_plain(slot, job, ending);
        !wrote
    }

    /// Says whether the function's state is still the journal's.
    fn command_answered(&mut self, slot: Slot, mut job: Box<Job>, frame: AnswerFrame) -> bool {
        if job.want_snapshot
            && let Some(entity) = self.entities.get_mut(slot)
        {
            entity.growth.asked = false;
        }
        let mut effects = frame.effects;
        let ending = match frame.result {
            HandlerResult::Failed(error) if self.failure_keeps_effects(slot) => Ending::Reply(Err(error)),
            HandlerResult::Failed(error) => {
                self.finish_plain(slot, job, Ending::Reply(Err(failed(error))));
                return true;
            }
            HandlerResult::Reply(payload) => {
                job.metadata = frame.metadata;
                Ending::Reply(Ok(payload))
            }
            HandlerResult::Forward(target) if job.call.inbox.is_some() => {
                // Nobody waits for the answer, and it must not get lost: it goes on as it came.
                effects.side_effects.push(SideEffect { target, synchronous: false, durable: true });
                Ending::Reply(Ok(None))
            }
            HandlerResult::Forward(target) => Ending::Forward(target),
        };
        let checked =
            check_metadata("the reply", &job.metadata).and_then(|()| self.check_effects(slot, &job, &effects, &ending));
        if let Err(error) = checked {
            let changed = effects.writes();
            self.finish_plain(slot, job, Ending::Reply(Err(error)));
            return !changed;
        }
        let records = self.records(slot, &job, &ending, &mut effects);
        if records.is_empty() {
            self.finish_with(slot, job, ending, effects);
            return true;
        }
        match self.admit_group(slot, job, ending, effects, records) {
            Ok(()) => true,
            Err((job, error)) => {
                self.finish_plain(slot, job, Ending::Reply(Err(error)));
                false
            }
        }
    }

    /// In the Cloudstate protocol a failure is what the client sees, and no more: what came beside it stands.
    fn failure_keeps_effects(&self, slot: Slot) -> bool {
        let cloudstate = self.entities.get(slot).is_some_and(|entity| self.is_cloudstate(entity.session));
        cloudstate || self.is(Mutant::FailureWrites)
    }

    pub(super) fn is_cloudstate(&self, session: SessionId) -> bool {
        self.sessions.get(session).is_some_and(|session| session.answers() == Answers::Cloudstate)
    }

    /// In the Cloudstate protocol an entity whose function ended its activation begins anew at once, also while nobody
    /// waits for it.
    fn restart(&mut self, slot: Slot) {
        if let Some(entity) = self.entities.get_mut(slot) {
            entity.restarts = true;
        }
    }

    /// Sizes and kinds are checked before any effect is taken.
    fn check_effects(&self, slot: Slot, job: &Job, effects: &Effects, ending: &Ending) -> Result<()> {
        let Some(entity) = self.entities.get(slot) else { return Ok(()) };
        let limits = &self.settings.limits;
        let kind = self.sessions.kind(entity.id.entity_type());
        match kind {
            _ if self.is(Mutant::BreachTaken) => return Ok(()),
            Some(EntityKind::EventSourced) if effects.value.is_some() => {
                return Err(broke("an event-sourced entity returned a value"));
            }
            Some(EntityKind::Value) if !effects.events.is_empty() => {
                return Err(broke("a value entity returned events"));
            }
            _ => {}
        }
        self.check_durable(entity.shard, &job.call.caller, &effects.side_effects)?;
        if effects.events.len() > limits.events_per_command {
            let said = format!("{} events, a command may emit {}", effects.events.len(), limits.events_per_command);
            return Err(Error::exhausted(said));
        }
        let entity_type = self.sessions.entity_type(entity.id.entity_type());
        for event in &effects.events {
            if !entity_type.is_some_and(|entity_type| entity_type.reads(&event.type_name)) {
                return Err(broke(&format!("the event {:?} is none that the function says it reads", event.type_name)));
            }
            fits("the event", &event.type_name, event, limits.event_bytes)?;
        }
        for value in effects.value.iter().chain(&effects.snapshot) {
            fits("the value", &value.type_name, value, limits.value_bytes)?;
        }
        match ending {
            Ending::Reply(Ok(Some(reply))) => fits("the reply", &reply.type_name, reply, limits.message_bytes),
            Ending::Forward(target) => fits("the forward", &target.command, &target.payload, limits.message_bytes),
            Ending::Reply(_) => Ok(()),
        }
    }

    fn bounded(&self, payload: Option<Payload>) -> Result<Option<Payload>> {
        if let Some(reply) = &payload {
            fits("the reply", &reply.type_name, reply, self.settings.limits.message_bytes)?;
        }
        Ok(payload)
    }

    /// The records of a command, in order; none when it changes nothing that must be kept.
    fn records(&self, slot: Slot, job: &Job, ending: &Ending, effects: &mut Effects) -> Vec<Record> {
        let Some(entity) = self.entities.get(slot) else { return Vec::new() };
        let mut sequence = entity.sequence;
        let record = |sequence, body| Record {
            entity: entity.id.clone(),
            sequence,
            command: job.call.command,
            at: self.now.wall,
            body,
        };
        let events = core::mem::take(&mut effects.events);
        let mut records = Vec::with_capacity(events.len() + 2);
        let deletes = effects.delete.then_some(Body::Delete);
        // A value that is deleted in the same command was never seen by anybody.
        let value = effects.value.take().filter(|_| deletes.is_none()).map(Body::Value);
        for body in events.into_iter().map(Body::Event).chain(value).chain(deletes) {
            sequence += 1;
            records.push(record(sequence, body));
        }
        let mut outbox = if self.is(Mutant::OutboxApart) { Vec::new() } else { take_durable(job, effects) };
        if !records.is_empty() || !outbox.is_empty() || matches!(ending, Ending::Forward(_)) {
            records.extend(self.dedup_record(job, ending, sequence).map(|body| record(sequence, body)));
        }
        let done = job.call.inbox.filter(|_| !self.is(Mutant::DoneApart));
        outbox.extend(done.map(|inbox| Body::Done { inbox, ended: Ended::Ran }));
        records.extend(outbox.into_iter().map(|body| record(sequence, body)));
        records
    }

    pub(super) fn dedup_record(&self, job: &Job, ending: &Ending, sequence: Sequence) -> Option<Body> {
        Some(Body::Dedup(Dedup {
            key: job.dedup_key()?,
            digest: self.digest_of(&job.call.payload),
            expires: self.now.wall.plus_ms(self.settings.dedup_window_ms),
            answer: Answered::record(ending, sequence),
        }))
    }

    /// Hands a command's records to its shard and holds its answer until they are durable. Gives the job back when the
    /// shard refuses: nothing of it was taken then.
    pub(super) fn admit_group(
        &mut self,
        slot: Slot,
        job: Box<Job>,
        ending: Ending,
        effects: Effects,
        records: Vec<Record>,
    ) -> core::result::Result<(), (Box<Job>, Error)> {
        let Some(entity) = self.entities.get(slot) else { return Ok(()) };
        let ordinal = entity.groups + 1;
        let group = Group::Entity { slot, ordinal };
        let shard = entity.shard;
        let grown = Grown::of(&records);
        // A function may decide by itself when to make one; only beside events is it sure which state it shows.
        let shows_state = job.want_snapshot || (grown.events > 0 && !grown.deleted);
        let Some(owned) = self.owned_mut(shard) else {
            return Err((job, Error::fenced("this host does not own the entity's shard").at("shard", shard)));
        };
        if let Admission::Refused(error) = owned.shard.admit(group, records) {
            return Err((job, error));
        }
        self.make_dirty(shard);
        self.grow(slot, ordinal, grown);
        let sequence = self.entities.get(slot).map_or(0, |entity| entity.sequence);
        let answered = Answered {
            ending,
            sequence,
            after_group: ordinal,
            writes: true,
            side_effects: effects.side_effects,
            snapshot: effects.snapshot.filter(|_| shows_state),
            recorded: false,
        };
        self.finish(slot, job, answered);
        Ok(())
    }

    fn grow(&mut self, slot: Slot, ordinal: u64, grown: Grown) {
        let (now, bound) = (self.dedup_clock(), self.dedup_bound());
        let restarts = self.is(Mutant::NumberingRestarts);
        let Some(entity) = self.entities.get_mut(slot) else { return };
        entity.groups = ordinal;
        entity.sequence += grown.sequenced;
        entity.growth.events = entity.growth.events.saturating_add(grown.events);
        entity.growth.bytes += grown.bytes;
        if grown.deleted {
            entity.growth = super::entity::Growth::default();
            entity.sequence = if restarts { 0 } else { entity.sequence };
        }
        if let Some(record) = grown.dedup {
            self.dedups_dropped += dedups(entity).keep(record, now, bound) as u64;
        }
    }

    /// Ends a job that wrote nothing; earlier writes of the entity must be durable first all the same.
    fn finish_plain(&mut self, slot: Slot, job: Box<Job>, ending: Ending) {
        self.finish_with(slot, job, ending, Effects::default());
    }

    fn finish_with(&mut self, slot: Slot, job: Box<Job>, ending: Ending, effects: Effects) {
        let Some(entity) = self.entities.get(slot) else { return };
        let answered = Answered {
            ending,
            sequence: entity.sequence,
            after_group: entity.groups,
            writes: false,
            side_effects: effects.side_effects,
            snapshot: effects.snapshot.filter(|_| job.want_snapshot && job.ask == Ask::Command),
            recorded: false,
        };
        self.finish(slot, job, answered);
    }
}

/// What a group of records adds to its entity.
struct Grown {
    sequenced: u64,
    events: u32,
    bytes: u64,
    deleted: bool,
    dedup: Option<Dedup>,
}

impl Grown {
    fn of(records: &[Record]) -> Self {
        let mut grown = Self { sequenced: 0, events: 0, bytes: 0, deleted: false, dedup: None };
        for record in records {
            grown.sequenced += u64::from(record.is_sequenced());
            match &record.body {
                Body::Event(event) => {
                    grown.events += 1;
                    grown.bytes += event.size() as u64;
                }
                Body::Delete => grown.deleted = true,
                Body::Dedup(dedup) => grown.dedup = Some(dedup.clone()),
                Body::Value(_)
                | Body::Superseded
                | Body::Outbox(_)
                | Body::Inbox(_)
                | Body::Done { .. }
                | Body::Consumed(_) => {}
            }
        }
        grown
    }
}

/// Takes the durable effects out of what a command asked for, as outbox records.
fn take_durable(job: &Job, effects: &mut Effects) -> Vec<Body> {
    let (durable, others) = core::mem::take(&mut effects.side_effects).into_iter().partition(|effect| effect.durable);
    effects.side_effects = others;
    let durable: Vec<SideEffect> = durable;
    let body = |SideEffect { target: Target { entity, command, payload, metadata }, .. }| {
        Body::Outbox(Box::new(DurableCall { entity, command, payload, caller: job.call.caller.clone(), metadata }))
    };
    durable.into_iter().map(body).collect()
}

pub(super) fn fits(what: &str, name: &str, payload: &Payload, bound: usize) -> Result<()> {
    if payload.size() <= bound {
        return Ok(());
    }
    Err(Error::exhausted(format!("{what} {name:?} has {} bytes, at most {bound} are taken", payload.size())))
}

fn broke(said: &str) -> Error {
    Error::protocol(format!("{said}; nothing was written")).with_outcome(Outcome::None)
}

/// A handler that failed has changed nothing (rule 6), whatever it says.
fn failed(error: Error) -> Error {
    error.with_outcome(Outcome::None)
}
