// SPDX-License-Identifier: Apache-2.0
//! What leaves, once what it rests on is durable (rules 2 and 3).

use adjoin_model::{CommandId, Error, Outcome, Result, ShardId, Snapshot};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::calls::Place;
use super::entity::{Growth, Slot};
use super::job::{Answered, Ask, Ending, Job};
use super::{Group, ShardLoop};
use crate::call::{Call, CallId, Operation, Reply};
use crate::frame::{SideEffect, Target};
use crate::io::{EffectId, Output};
use crate::mutant::Mutant;
use crate::phase::{On, Phase};
use crate::shard::{Settled, ShardInput};

/// What waits for synchronous side effects.
pub(crate) struct Held {
    job: Box<Job>,
    then: Then,
    open: usize,
    /// Those that are made once the ones before have ended, with their places.
    rest: VecDeque<(usize, SideEffect)>,
}

/// What comes behind a command's side effects.
enum Then {
    Reply(Result<Reply>),
    /// Says also whether the command has had an effect.
    Forward(Target, bool),
}

impl ShardLoop {
    /// A job is answered: its reply leaves now, or when the group that it rests on is durable.
    pub(super) fn finish(&mut self, slot: Slot, mut job: Box<Job>, mut answered: Answered) {
        let early = self.breaks_release(&job, &mut answered);
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let open = answered.after_group > entity.settled && !early;
        if let Some(snapshot) = &answered.snapshot {
            entity.growth = Growth { snapshot_bytes: snapshot.size() as u64, ..Growth::default() };
        }
        job.answer = Some(Box::new(answered));
        if open { entity.appending.push_back(job) } else { self.release(slot, job) }
    }

    /// A mutant lets out what has to wait; says whether that is the whole answer.
    fn breaks_release(&mut self, job: &Job, answered: &mut Answered) -> bool {
        if self.is(Mutant::SnapshotBeforeDurable)
            && let Some(state) = answered.snapshot.take()
        {
            let snapshot = Snapshot { sequence: answered.sequence, state };
            self.out.push(Output::KeepSnapshot { entity: job.call.entity.clone(), snapshot });
        }
        if self.is(Mutant::EffectsBeforeDurable) {
            for (index, effect) in core::mem::take(&mut answered.side_effects).into_iter().enumerate() {
                let call = effect_call(&job.call, effect.target, index, false);
                self.out.push(Output::Effect { effect: None, call });
            }
        }
        let forwards = matches!(answered.ending, Ending::Forward(_));
        let reads = job.ask.reads();
        (self.is(Mutant::ReplyBeforeDurable) && answered.writes && !forwards)
            || (self.is(Mutant::RefusalBeforeDurable) && !answered.writes && !reads && !forwards)
            || (self.is(Mutant::QueryBeforeDurable) && reads)
            || (self.is(Mutant::ForwardBeforeDurable) && forwards)
    }

    /// The store answered for a shard.
    pub(super) fn shard_input(&mut self, id: ShardId, input: ShardInput) {
        let again_at = self.now.mono.plus_ms(self.settings.raise_again_ms);
        let Some(owned) = self.owned_mut(id) else { return };
        let unknown = input == ShardInput::Unknown;
        match input {
            ShardInput::RaiseFailed => {
                owned.raising = false;
                owned.raise_at = Some(again_at);
            }
            ShardInput::Raised(_) | ShardInput::Fenced => owned.raising = false,
            ShardInput::Durable | ShardInput::Refused(_) | ShardInput::Unknown => {}
        }
        let again = owned.raise_at.is_some();
        let settled = owned.shard.step(input);
        if again {
            self.to_raise.push(id);
        }
        self.make_dirty(id);
        self.take_effects(id);
        self.take_settled(id, settled);
        self.stir(id);
        self.stir_consumers(id);
        if unknown {
            self.raise(id);
        }
    }

    fn take_settled(&mut self, shard: ShardId, settled: Vec<Settled<Group>>) {
        let mut losers: Vec<Slot> = Vec::new();
        for one in settled {
            match one {
                Settled::Durable(Group::Entity { slot, ordinal }) => self.group_durable(slot, ordinal),
                Settled::Lost(Group::Entity { slot, ordinal }, error) => {
                    self.group_lost(slot, ordinal, error);
                    if !losers.contains(&slot) {
                        losers.push(slot);
                    }
                }
                Settled::Durable(Group::Inbox { from, records }) => self.delivery_settled(shard, from, records),
                Settled::Lost(Group::Inbox { from, records }, _) => self.delivery_settled(shard, from, records),
                Settled::Durable(Group::Done { by, .. }) => self.done_written(by),
                Settled::Lost(Group::Done { inbox, by }, error) => self.done_lost(shard, inbox, by, error),
                Settled::Durable(Group::Consumed { consumer, event, writes, by }) => {
                    self.consumed_durable(shard, consumer, event, writes, by);
                }
                Settled::Lost(Group::Consumed { consumer, event, writes, by }, error) => {
                    self.consumed_lost(shard, consumer, event, writes, by, error);
                }
            }
        }
        for slot in losers {
            self.after_loss(slot);
        }
    }

    fn group_durable(&mut self, slot: Slot, ordinal: u64) {
        let Some(entity) = self.entities.get_mut(slot) else { return };
        entity.settled = ordinal;
        while let Some(job) = self.pop_durable(slot, ordinal) {
            self.release(slot, job);
        }
        self.ask_watches(slot);
        self.settle(slot);
    }

    fn pop_durable(&mut self, slot: Slot, ordinal: u64) -> Option<Box<Job>> {
        let entity = self.entities.get_mut(slot)?;
        let job = entity.appending.pop_front_if(|job| job.answer.as_ref().is_some_and(|a| a.after_group <= ordinal))?;
        if let Some(answered) = job.answer.as_ref().filter(|answered| answered.writes) {
            entity.durable = entity.durable.max(answered.sequence);
        }
        Some(job)
    }

    /// The command of a lost group fails; what came after it in the entity follows in [`Self::after_loss`].
    fn group_lost(&mut self, slot: Slot, ordinal: u64, error: Error) {
        let error = if self.is(Mutant::FencedIsNone) { error.with_outcome(Outcome::None) } else { error };
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let own = |job: &Job| job.answer.as_ref().is_some_and(|a| a.writes && a.after_group == ordinal);
        let Some(index) = entity.appending.iter().position(|job| own(job)) else { return };
        let at = error.at("entity", &entity.id);
        if let Some(mut job) = entity.appending.remove(index) {
            job.answer = None;
            self.fail(job, at);
        }
    }

    /// Everything that ran on a lost state runs again: its records are withdrawn, the activation ends.
    fn after_loss(&mut self, slot: Slot) {
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let shard = entity.shard;
        entity.settled = entity.groups;
        let unreleased: VecDeque<Box<Job>> = core::mem::take(&mut entity.appending);
        self.requeue(slot, unreleased);
        if let Some(owned) = self.owned_mut(shard) {
            owned.shard.withdraw(|group| matches!(group, Group::Entity { slot: other, .. } if *other == slot));
        }
        match self.entities.get(slot).map(|entity| entity.phase) {
            Some(Phase::Active) if self.is(Mutant::StateKeptAfterLoss) => self.make_ready(slot),
            Some(Phase::Active) => self.end_activation(slot, On::Discarded, true),
            Some(Phase::Settling) => self.settle(slot),
            _ => {}
        }
    }

    /// Lets a job's answer out: what it rests on is durable.
    fn release(&mut self, slot: Slot, mut job: Box<Job>) {
        let Some(answered) = job.answer.take() else { return };
        let Answered { ending, sequence, writes, side_effects, snapshot, recorded, .. } = *answered;
        if let Some(state) = snapshot {
            let snapshot = Snapshot { sequence, state };
            self.out.push(Output::KeepSnapshot { entity: job.call.entity.clone(), snapshot });
        }
        match ending {
            Ending::Forward(target) => {
                let wrote = writes || recorded || !side_effects.is_empty();
                self.go_on(job, target, wrote, side_effects);
            }
            Ending::Reply(Ok(payload)) if job.ask == Ask::Watch => self.watch_answered(slot, job, payload, sequence),
            Ending::Reply(result) => {
                let metadata = core::mem::take(&mut job.metadata);
                let reply = result.map(|payload| Reply { payload, sequence, replayed: recorded, metadata });
                self.reply(job, reply, side_effects);
            }
        }
    }

    /// Makes side effects, then replies; synchronous ones hold the reply, never the entity.
    pub(super) fn reply(&mut self, job: Box<Job>, reply: Result<Reply>, side_effects: Vec<SideEffect>) {
        self.proceed(job, Then::Reply(reply), side_effects.into_iter().enumerate().collect());
    }

    /// Makes side effects, then lets the call go on elsewhere. It waits for them only where they are made in order.
    pub(super) fn go_on(&mut self, job: Box<Job>, target: Target, wrote: bool, side_effects: Vec<SideEffect>) {
        if job.in_order {
            return self.proceed(job, Then::Forward(target, wrote), side_effects.into_iter().enumerate().collect());
        }
        self.make_effects(&job.call, side_effects, 0);
        self.forward(job, target, wrote);
    }

    fn proceed(&mut self, job: Box<Job>, then: Then, mut rest: VecDeque<(usize, SideEffect)>) {
        let mut open = 0;
        while let Some((index, effect)) = rest.pop_front() {
            open += usize::from(self.make_effect(&job, index, effect));
            if open > 0 && job.in_order {
                break;
            }
        }
        if open > 0 {
            self.calls.put(job.id(), Place::Held);
            self.calls.held.insert(job.id(), Held { job, then, open, rest });
            return;
        }
        match then {
            Then::Reply(reply) => self.tell(job, reply),
            Then::Forward(target, wrote) => self.forward(job, target, wrote),
        }
    }

    /// Says whether its end is waited for.
    fn make_effect(&mut self, job: &Job, index: usize, effect: SideEffect) -> bool {
        let waits = effect.synchronous && self.calls.place(job.id()).is_some();
        let name = waits.then(|| self.calls.name_effect(job.id()));
        let call = effect_call(&job.call, effect.target, index, waits);
        self.out.push(Output::Effect { effect: name, call });
        waits
    }

    /// A synchronous side effect has ended; how is its own affair, the reply is that of the command.
    pub(super) fn effect_done(&mut self, effect: EffectId, result: Result<Reply>, sent: u32) {
        if let Some(run) = self.effects.runs.remove(&effect) {
            return self.effect_ran(run, effect, result, sent);
        }
        if let Some(run) = self.consumers.runs.remove(&effect) {
            return self.event_ran(run, effect, result, sent);
        }
        let Some(call) = self.calls.effects.remove(&effect) else { return };
        let Some(held) = self.calls.held.get_mut(&call) else { return self.part_done(call, result) };
        held.open -= 1;
        if held.open == 0
            && let Some(held) = self.calls.held.remove(&call)
        {
            self.proceed(held.job, held.then, held.rest);
        }
    }

    /// The caller of a held reply has left; those who follow it wait on.
    pub(super) fn leave_held(&mut self, call: CallId) {
        let Some(held) = self.calls.held.get_mut(&call) else { return };
        held.job.abandoned = true;
        if held.job.followers.is_empty()
            && let Some(Held { job, then, rest, .. }) = self.calls.held.remove(&call)
        {
            // What the command has asked for is made all the same; nobody waits for any of it.
            self.proceed(job, then, rest);
        }
    }

    /// The call goes on elsewhere, with everybody who waits for it. `wrote`: it has had an effect here.
    pub(super) fn forward(&mut self, job: Box<Job>, target: Target, wrote: bool) {
        // Each under its own id, with its own deadline: they only share the idempotency key.
        let forwarded = |call: &Call, target| Call { wrote: wrote || call.wrote, ..forwarded(call, target, call.id) };
        for follower in &job.followers {
            if self.calls.remove(follower.id).is_some() {
                self.out.push(Output::Forward(forwarded(follower, target.clone())));
            }
        }
        let known = self.calls.remove(job.call.id);
        // Its attempts count on, as its id is the same. What is refused over there unsent was sent here all the same.
        let sent = job.call.sent.map(|_| known.map_or(job.attempt, |known| known.sent));
        let call = Call { sent, ..forwarded(&job.call, target) };
        if known.is_some() && !job.abandoned {
            self.out.push(Output::Forward(call));
        } else {
            // Nobody waits, but the command has asked for it all the same.
            self.out.push(Output::Effect { effect: None, call: Call { id: 0, deadline: None, ..call } });
        }
    }

    /// Makes side effects that no reply of this entity waits for: of a command that goes on elsewhere, and of an element
    /// of a streamed reply, numbered on from those before.
    pub(super) fn make_effects(&mut self, call: &Call, effects: Vec<SideEffect>, from: usize) {
        for (index, effect) in effects.into_iter().enumerate() {
            let call = effect_call(call, effect.target, from + index, false);
            self.out.push(Output::Effect { effect: None, call });
        }
    }
}

fn forwarded(call: &Call, target: Target, id: CallId) -> Call {
    Call {
        id,
        command: call.command,
        entity: target.entity,
        name: target.command,
        payload: target.payload,
        caller: call.caller.clone(),
        metadata: target.metadata,
        chain: call.chain.clone(),
        hops: call.hops + 1,
        wrote: call.wrote,
        idempotency_key: call.idempotency_key.clone(),
        if_match: None,
        deadline: call.deadline,
        operation: Operation::Run,
        inbox: None,
        sent: call.sent,
    }
}

/// A side effect as a call. Its command id follows from the command's and its place, so that a redelivery asks for the
/// same one again.
pub(super) fn effect_call(call: &Call, target: Target, index: usize, waits: bool) -> Call {
    let mut seed = [0; 24];
    seed[..16].copy_from_slice(&call.command.0.to_be_bytes());
    seed[16..].copy_from_slice(&(index as u64).to_be_bytes());
    let command = CommandId(xxhash_rust::xxh3::xxh3_128(&seed));
    let inner = forwarded(call, target, 0);
    let chain = if waits { inner.chain.clone() } else { Vec::new() };
    let (hops, deadline) = if waits { (inner.hops, inner.deadline) } else { (0, None) };
    Call { command, chain, hops, deadline, idempotency_key: None, wrote: false, sent: None, ..inner }
}
