// SPDX-License-Identifier: Apache-2.0
//! Who runs next in an entity: commands in order, queries together, never both (rule 1).

use adjoin_model::{Answer, Body, Error, Record, Sequence};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use core::iter;

use super::ShardLoop;
use super::dedup::Duplicate;
use super::entity::{Entity, Slot};
use super::job::{Answered, Ask, Ending, Job};
use super::sessions::{Session, Sessions, Starved};
use crate::frame::{CommandFrame, Effects, HostFrame, Target};
use crate::mutant::Mutant;
use crate::phase::{On, Phase};

/// What the front of a mailbox may do.
enum Move {
    /// It waits for others to finish.
    Wait,
    /// It goes to the function.
    Send,
    /// It is answered without running; with the sequence of the record that its answer comes from, if from one.
    Answer(Ending, Option<Sequence>),
    /// It follows a running command with the same idempotency key.
    Follow,
    /// The host deletes the entity.
    Delete,
}

impl ShardLoop {
    /// Lets everything go that may go now.
    pub(super) fn turn(&mut self, slot: Slot) {
        while let Some(entity) = self.entities.get(slot) {
            let Some(job) = entity.mailbox.front().filter(|_| entity.phase == Phase::Active) else { return };
            let next = match job.ask {
                Ask::Query | Ask::Watch | Ask::State => self.query_move(entity, job),
                Ask::Command => self.command_move(entity, job),
                Ask::Delete if !entity.running.is_empty() || !entity.queries.is_empty() => Move::Wait,
                Ask::Delete => self.duplicate_move(entity, job).or(self.mismatch(entity, job)).unwrap_or(Move::Delete),
            };
            if !self.make_move(slot, next) {
                return;
            }
        }
    }

    fn query_move(&self, entity: &Entity, job: &Job) -> Move {
        let room = entity.queries.len() < self.settings.limits.watches.max(1);
        if !entity.running.is_empty() || !room {
            return Move::Wait;
        }
        self.mismatch(entity, job).unwrap_or(Move::Send)
    }

    fn command_move(&self, entity: &Entity, job: &Job) -> Move {
        let barrier = job.call.if_match.is_some() && !entity.running.is_empty() && !self.is(Mutant::MatchBeside);
        let queries = !entity.queries.is_empty() && !self.is(Mutant::CommandBesideQuery);
        if queries || entity.running.len() >= self.settings.window as usize || barrier {
            return Move::Wait;
        }
        if let Some(next) = self.duplicate_move(entity, job) {
            return next;
        }
        self.mismatch(entity, job).unwrap_or(Move::Send)
    }

    /// A command whose idempotency key is known is not run again (rule 8).
    fn duplicate_move(&self, entity: &Entity, job: &Job) -> Option<Move> {
        let key = job.dedup_key().filter(|_| !self.is(Mutant::NoDedup))?;
        let twin = entity.running.iter().chain(&entity.appending).find(|other| is_twin(other, job));
        if let Some(twin) = twin.filter(|_| !self.is(Mutant::DuplicateBeside)) {
            let same = twin.call.payload == job.call.payload;
            return Some(if same { Move::Follow } else { differs(job) });
        }
        let known = entity.dedups.as_ref()?.duplicate(&key, self.digest_of(&job.call.payload), self.dedup_clock())?;
        Some(match known {
            Duplicate::Differs => differs(job),
            Duplicate::Same(Answer::Reply { payload, sequence }) => {
                Move::Answer(Ending::Reply(Ok(payload)), Some(sequence))
            }
            Duplicate::Same(Answer::Failed(error)) => Move::Answer(Ending::Reply(Err(error)), Some(entity.sequence)),
            Duplicate::Same(Answer::Forward { entity: to, command, payload }) => {
                let metadata = job.call.metadata.clone();
                let target = Target { entity: to, command: command.into(), payload, metadata };
                Move::Answer(Ending::Forward(target), Some(entity.sequence))
            }
        })
    }

    /// Does it; says whether the next one may be looked at.
    fn make_move(&mut self, slot: Slot, next: Move) -> bool {
        match next {
            Move::Wait => false,
            Move::Send => self.send_front(slot),
            Move::Delete => {
                self.delete_front(slot);
                false
            }
            Move::Answer(ending, recorded) => {
                if let Some(job) = self.pop_front(slot) {
                    self.answer_here(slot, job, ending, recorded);
                }
                true
            }
            Move::Follow => {
                if let Some(job) = self.pop_front(slot) {
                    self.follow(slot, *job);
                }
                true
            }
        }
    }

    fn pop_front(&mut self, slot: Slot) -> Option<Box<Job>> {
        self.entities.get_mut(slot)?.mailbox.pop_front()
    }

    fn follow(&mut self, slot: Slot, job: Job) {
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let twin = entity.running.iter_mut().chain(&mut entity.appending).find(|other| is_twin(other, &job));
        if let Some(twin) = twin {
            twin.followers.push(job.call);
            twin.followers.extend(job.followers);
        }
    }

    /// Ends a job by what the host knows already; what it rests on must be durable first.
    fn answer_here(&mut self, slot: Slot, job: Box<Job>, ending: Ending, recorded: Option<Sequence>) {
        let Some(entity) = self.entities.get(slot) else { return };
        let answered = Answered {
            ending,
            sequence: recorded.unwrap_or(entity.sequence),
            after_group: entity.groups,
            writes: false,
            side_effects: vec![],
            snapshot: None,
            recorded: recorded.is_some(),
        };
        self.finish(slot, job, answered);
    }

    /// Sends the front of the mailbox to the function, if its credit allows.
    fn send_front(&mut self, slot: Slot) -> bool {
        let frame = self.frame_name();
        let Some(entity) = self.entities.get_mut(slot) else { return false };
        let Some(front) = entity.mailbox.front() else { return false };
        if front.abandoned && front.followers.is_empty() {
            entity.mailbox.pop_front();
            return true;
        }
        let Some(session) = self.sessions.get_mut(entity.session) else { return false };
        if !session.take_credit(front.bytes()) {
            if !entity.starved {
                entity.starved = true;
                session.starved.push_back(Starved::Entity(slot));
            }
            return false;
        }
        let Some(mut job) = entity.mailbox.pop_front() else { return false };
        self.calls.count_sent(&job);
        let Some(entity) = self.entities.get(slot) else { return false };
        let due = self.sessions.entity_type(entity.id.entity_type()).is_some_and(|t| snapshot_due(t, entity));
        let Some(entity) = self.entities.get_mut(slot) else { return false };
        job.want_snapshot = job.ask == Ask::State || (job.ask == Ask::Command && due && !entity.growth.asked);
        entity.growth.asked |= job.want_snapshot && job.ask == Ask::Command;
        job.frame = frame;
        job.sent = self.now.mono;
        let (session, activation) = (entity.session, entity.activation);
        let remaining_ms = job.call.deadline.map_or(0, |deadline| (deadline.since(self.now.mono) / 1000).max(1));
        let command = HostFrame::Command(command_frame(&job, activation, remaining_ms));
        if job.ask.reads() {
            entity.queries.push(job)
        } else {
            entity.running.push_back(job)
        }
        self.send(session, command);
        true
    }

    /// The host's own delete: a record, and the activation ends since its state is not the journal's any more.
    fn delete_front(&mut self, slot: Slot) {
        let Some(job) = self.pop_front(slot) else { return };
        let Some(entity) = self.entities.get(slot) else { return };
        if entity.sequence == 0 {
            let error = Error::not_found(format!("{} was never written", entity.id));
            return self.answer_here(slot, job, Ending::Reply(Err(error)), None);
        }
        let sequence = entity.sequence + 1;
        let record = Record {
            entity: entity.id.clone(),
            sequence,
            command: job.call.command,
            at: self.now.wall,
            body: Body::Delete,
        };
        let (effects, ending) = (Effects::default(), Ending::Reply(Ok(None)));
        let dedup = self.dedup_record(&job, &ending, sequence).map(|body| Record { body, ..record.clone() });
        let records = iter::once(record).chain(dedup).collect();
        if let Err((job, error)) = self.admit_group(slot, job, ending, effects, records) {
            return self.answer_here(slot, job, Ending::Reply(Err(error)), None);
        }
        self.end_activation(slot, On::Discarded, true);
    }

    /// What is told to a call that wants another sequence than the entity is at. Asked only while no command runs.
    fn mismatch(&self, entity: &Entity, job: &Job) -> Option<Move> {
        let wanted = job.call.if_match.filter(|wanted| *wanted != entity.sequence && !self.is(Mutant::MatchIgnored))?;
        let said = format!("the entity is at sequence {}, not at {wanted}", entity.sequence);
        let error = Error::conflict(said).at("entity", &entity.id).at("sequence", entity.sequence);
        Some(Move::Answer(Ending::Reply(Err(error)), None))
    }

    /// Feeds whoever waits while there is credit: one that was fed may have had nothing to send any more, and the next
    /// one must not wait for an answer that does not come.
    pub(super) fn feed_all(&mut self) {
        for id in self.sessions.starving() {
            let waiting = |sessions: &Sessions| sessions.get(id).map_or(0, |session| session.starved.len());
            let mut before = waiting(&self.sessions);
            while before > 0 && self.sessions.get(id).is_some_and(Session::has_room) {
                self.feed_starved(id);
                self.run_ready();
                let after = waiting(&self.sessions);
                if after >= before {
                    break;
                }
                before = after;
            }
        }
    }

    /// Credit came back: those who waited for it go, in order.
    pub(super) fn feed_starved(&mut self, id: crate::io::SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        match session.starved.pop_front() {
            None => {}
            Some(Starved::Action(job)) => self.start_action(job),
            Some(Starved::Entity(slot)) => {
                if let Some(entity) = self.entities.get_mut(slot) {
                    entity.starved = false;
                }
                self.make_ready(slot);
            }
        }
    }
}

fn is_twin(other: &Job, job: &Job) -> bool {
    other.call.idempotency_key.is_some()
        && other.call.idempotency_key == job.call.idempotency_key
        && other.call.name == job.call.name
        && other.call.caller == job.call.caller
        && other.ask == job.ask
}

fn differs(job: &Job) -> Move {
    let key = job.call.idempotency_key.as_deref().unwrap_or_default();
    let said = format!("the idempotency key {key:?} was used with another payload: choose a new key");
    Move::Answer(Ending::Reply(Err(Error::conflict(said).at("entity", &job.call.entity))), None)
}

/// By count and by size: none until the events since the last exceed its bytes, so cost stays linear (rule 12).
fn snapshot_due(entity_type: &crate::spec::EntityType, entity: &Entity) -> bool {
    entity_type.snapshot_every > 0
        && entity.growth.events >= entity_type.snapshot_every
        && entity.growth.bytes >= entity.growth.snapshot_bytes
}

pub(super) fn command_frame(job: &Job, activation: u64, remaining_ms: u64) -> CommandFrame {
    let call = &job.call;
    CommandFrame {
        activation,
        call: job.frame,
        entity: (activation == 0).then(|| call.entity.clone()),
        name: if job.ask == Ask::State { "".into() } else { call.name.clone() },
        payload: call.payload.clone(),
        query: job.ask.reads(),
        want_snapshot: job.want_snapshot,
        attempt: job.attempt,
        id: call.command,
        remaining_ms,
        caller: call.caller.clone(),
        metadata: call.metadata.clone(),
        chain: call.chain.clone(),
    }
}
