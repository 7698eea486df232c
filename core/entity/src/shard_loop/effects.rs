// SPDX-License-Identifier: Apache-2.0
//! Durable effects between shards (rule 7): what the outboxes send, what the inboxes take, and what runs.
//!
//! An outbox record stands in the batch of the command that asked for it, the end of an inbox record in the batch of
//! the command that it asked for. Between the two stands the watermark: what it covers is never taken twice.

use adjoin_model::{
    Body, CommandId, DurableCall, Ended, EntityId, Error, Incoming, Mono, Origin, Position, Record, Result, ShardId,
    Unfinished, shard_of,
};
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::answer::fits;
use super::calls::CountMap;
use super::{Group, ShardLoop};
use crate::call::{Call, CallId, Operation, Reply};
use crate::failure::{is_answer, is_passing, lost_function, wants_function};
use crate::frame::{SideEffect, Target, check_metadata};
use crate::inbox::{Errand, ErrandOn, Item};
use crate::io::{EffectId, Output};
use crate::mutant::Mutant;
use crate::outbox::Outgoing;
use crate::shard::{Admission, State};
use crate::timers::Timers;

/// How often the wait of a lane is doubled, at most.
const LANE_WAITS: u32 = 4;

/// What waits for time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A lane of the outbox: from where to where.
    Lane(ShardId, ShardId),
    /// An inbox record.
    Errand(ShardId, Position),
}

/// What a loop keeps of durable effects beside each shard's outbox and inbox.
#[derive(Default)]
pub(crate) struct Effects {
    /// Inbox records whose commands are under way.
    pub(super) runs: CountMap<(ShardId, Position)>,
    due: Timers<Due>,
    /// Shards that may have something to send or to run.
    stirred: Vec<ShardId>,
    counts: EffectCounts,
}

impl Effects {
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.due.next()
    }
}

/// Counts of durable effects in a loop; those of what ended are since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EffectCounts {
    /// Outbox records that are not delivered.
    pub outbox: usize,
    /// Inbox records that have not ended.
    pub inbox: usize,
    /// Those among them that are stuck.
    pub stuck: usize,
    /// Effects that ran.
    pub ran: u64,
    /// Effects that were refused, which ends them too.
    pub refused: u64,
    /// Effects that an operator dropped.
    pub dropped: u64,
    /// Failures, each of which was tried again or left its effect stuck.
    pub failed: u64,
}

/// How a durable effect stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectState {
    /// On its way to its shard.
    Sending,
    /// In the inbox of its shard.
    Inbox(Errand),
}

/// A durable effect that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectStatus {
    /// In whose outbox or inbox it is.
    pub shard: ShardId,
    /// At which position.
    pub position: Position,
    /// The outbox record that it comes from.
    pub origin: Origin,
    /// How it stands.
    pub state: EffectState,
    /// Whose command it asks for.
    pub target: EntityId,
    /// Which command.
    pub command: Arc<str>,
    /// That command's name for good.
    pub id: CommandId,
    /// How often it failed.
    pub attempts: u32,
    /// How it failed last.
    pub error: Option<Error>,
}

impl ShardLoop {
    /// Takes over what a shard had left to do. Before the first step.
    pub fn resume(&mut self, shard: ShardId, unfinished: Unfinished) {
        let (forgets, forgets_all) = (self.is(Mutant::WatermarkApart), self.is(Mutant::UnfinishedForgotten));
        let Some(owned) = self.owned_mut(shard) else { return };
        for (from, durable) in unfinished.watermarks.into_iter().filter(|_| !forgets) {
            owned.inbox.watermarks.entry(from).or_default().durable = durable;
        }
        for (position, record) in unfinished.outbox.into_iter().chain(unfinished.inbox).filter(|_| !forgets_all) {
            self.effect_durable(shard, position, record);
        }
        self.resume_consumers(shard, unfinished.consumers);
        self.stir(shard);
    }

    /// A shard may have something to send or to run.
    pub(super) fn stir(&mut self, shard: ShardId) {
        let Some(owned) = self.owned_mut(shard).filter(|owned| !owned.stirred) else { return };
        if owned.outbox.is_ready() || owned.inbox.is_ready() {
            owned.stirred = true;
            self.effects.stirred.push(shard);
        }
    }

    /// Sends what outboxes have, and begins what may run.
    pub(super) fn run_effects(&mut self) {
        let draining = self.draining;
        for shard in core::mem::take(&mut self.effects.stirred) {
            let bound = self.settings.limits.deliveries.max(1);
            let Some(owned) = self.owned_mut(shard) else { continue };
            owned.stirred = false;
            if draining || owned.shard.state() != State::Open {
                continue;
            }
            let deliveries = owned.outbox.send();
            let mut begun = Vec::new();
            while owned.inbox.running() < bound
                && let Some(inbox) = owned.inbox.next()
            {
                owned.inbox.go(inbox, ErrandOn::Begun);
                begun.push(inbox);
            }
            if self.is(Mutant::SentIsDelivered) {
                let delivered = deliveries.iter().flat_map(|(_, records)| records).map(|record| record.position);
                self.out.push(Output::Trim { shard, delivered: delivered.collect() });
            }
            let send = |(to, records)| Output::Deliver { from: shard, to, records };
            self.out.extend(deliveries.into_iter().map(send));
            begun.into_iter().for_each(|inbox| self.run_effect(shard, inbox));
        }
    }

    /// Runs an inbox record as an ordinary command.
    fn run_effect(&mut self, shard: ShardId, inbox: Position) {
        let effect = self.calls.next_effect();
        let Some(item) = self.owned_mut(shard).and_then(|owned| owned.inbox.get_mut(inbox)) else { return };
        item.effect = effect;
        let sent = Some(item.sent);
        let DurableCall { entity, command, payload, caller, metadata } = (*item.incoming.call).clone();
        let call = Call {
            id: 0,
            command: item.command,
            entity,
            name: command,
            payload,
            caller,
            metadata,
            chain: Vec::new(),
            hops: 0,
            wrote: false,
            idempotency_key: None,
            if_match: None,
            deadline: None,
            operation: Operation::Run,
            inbox: Some(inbox),
            sent,
        };
        self.effects.runs.insert(effect, (shard, inbox));
        self.out.push(Output::Effect { effect: Some(effect), call });
    }

    /// Bounds of what a command of this caller asks for through the outbox.
    pub(super) fn check_durable(&self, shard: ShardId, caller: &str, effects: &[SideEffect]) -> Result<()> {
        let durable = || effects.iter().filter(|effect| effect.durable);
        if durable().any(|effect| effect.synchronous) {
            return Err(Error::invalid("a durable side effect is made when it can be: no reply waits for it"));
        }
        let limits = &self.settings.limits;
        let mut bytes = 0;
        for SideEffect { target: Target { command, payload, metadata, .. }, .. } in durable() {
            fits("the durable effect", command, payload, limits.message_bytes)?;
            check_metadata("the durable effect", metadata)?;
            bytes += DurableCall::size_of(command, payload, caller, metadata);
        }
        let (more, owned) = (durable().count(), self.owned(shard));
        let Some(owned) = owned.filter(|_| more > 0) else { return Ok(()) };
        let (outgoing, outgoing_bytes) = owned.shard.outgoing();
        let (open, open_bytes) = (owned.outbox.len() + outgoing, owned.outbox.bytes() + outgoing_bytes);
        if open + more > limits.outbox || open_bytes + bytes > limits.outbox_bytes {
            let said = format!(
                "{open} durable effects of the shard, {open_bytes} bytes, are not delivered yet; nothing was written"
            );
            return Err(Error::exhausted(said).at("shard", shard).retry_after(1000));
        }
        Ok(())
    }

    /// Takes what has become durable of outbox and inbox.
    pub(super) fn take_effects(&mut self, shard: ShardId) {
        let blind = self.is(Mutant::EventsPassedOver);
        let Some(owned) = self.owned_mut(shard) else { return };
        if let Some(batch) = owned.shard.take_written().filter(|batch| batch.quiet || blind) {
            owned.consumers.values_mut().for_each(|consumer| consumer.pass_over(&batch));
        }
        for (position, record) in owned.shard.take_effects() {
            self.effect_durable(shard, position, record);
        }
    }

    fn effect_durable(&mut self, shard: ShardId, position: Position, record: Record) {
        let (shards, by_sequence) = (self.settings.shards, self.is(Mutant::OutboxBySequence));
        let Some(owned) = self.owned_mut(shard) else { return };
        match record.body {
            Body::Outbox(call) => {
                let target = shard_of(&call.entity, shards);
                let position = if by_sequence { record.sequence } else { position };
                owned.outbox.push(target, Outgoing { position, command: record.command, call: *call });
            }
            Body::Inbox(incoming) => owned.inbox.push(position, record.command, incoming),
            Body::Done { inbox, ended } => {
                owned.inbox.go(inbox, ErrandOn::Settled);
                let counts = &mut self.effects.counts;
                match ended {
                    Ended::Ran => counts.ran += 1,
                    Ended::Refused => counts.refused += 1,
                    Ended::Dropped => counts.dropped += 1,
                }
            }
            Body::Consumed(consumption) => self.consumed(shard, &consumption, &record.entity, record.at),
            Body::Event(_) | Body::Value(_) | Body::Superseded | Body::Delete | Body::Dedup(_) => {}
        }
    }

    /// A delivery has come: what the watermark does not cover is written, as far as there is room for it in the inbox and in
    /// one batch. The rest comes again.
    pub(super) fn deliver(&mut self, from: ShardId, to: ShardId, records: Vec<Outgoing>) {
        let (room, bytes, at) = (self.settings.limits.inbox, self.settings.limits.batch_bytes, self.now.wall);
        let (early, reverses) = (self.is(Mutant::DeliveredEarly), self.is(Mutant::DeliveryReversed));
        let Some(owned) = self.owned_mut(to) else {
            return self.out.push(Output::Delivered { from, to, up_to: 0 });
        };
        let mark = owned.inbox.watermarks.get(&from).copied().unwrap_or_default();
        let room = room.saturating_sub(owned.inbox.len());
        let fresh = records.into_iter().filter(|record| record.position > mark.durable).take(room);
        let mut left = bytes;
        let fits = |record: &Record| left.checked_sub(record.size()).inspect(|rest| left = *rest).is_some();
        let mut records: Vec<Record> = fresh.map(|record| incoming(from, at, record)).take_while(fits).collect();
        let (count, last) = (records.len(), records.last().map_or(0, origin_position));
        if reverses {
            records.reverse();
        }
        let taken = count > 0
            && !mark.writing
            && owned.shard.admit(Group::Inbox { from, records: count }, records) == Admission::Waiting;
        if !taken {
            return self.out.push(Output::Delivered { from, to, up_to: mark.durable });
        }
        owned.inbox.arriving += count;
        owned.inbox.watermarks.entry(from).or_default().writing = true;
        if early {
            self.out.push(Output::Delivered { from, to, up_to: last });
        }
        self.make_dirty(to);
    }

    /// A delivery is durable, or lost: the watermark says which.
    pub(super) fn delivery_settled(&mut self, to: ShardId, from: ShardId, records: usize) {
        let Some(owned) = self.owned_mut(to) else { return };
        owned.inbox.arriving = owned.inbox.arriving.saturating_sub(records);
        let mark = owned.inbox.watermarks.entry(from).or_default();
        mark.writing = false;
        let up_to = mark.durable;
        self.out.push(Output::Delivered { from, to, up_to });
    }

    /// A target's watermark is durable up to there.
    pub(super) fn delivered(&mut self, from: ShardId, to: ShardId, up_to: Position) {
        let Some(owned) = self.owned_mut(from) else { return };
        match owned.outbox.delivered(to, up_to) {
            Ok(delivered) if delivered.is_empty() => {}
            Ok(delivered) => self.out.push(Output::Trim { shard: from, delivered }),
            // Most often its inbox is full for a moment: that is worth asking about again soon.
            Err(refused) => self.rest(refused.min(LANE_WAITS), Due::Lane(from, to)),
        }
        self.stir(from);
    }

    /// Waits, the longer the more often it was in vain.
    fn rest(&mut self, attempts: u32, due: Due) {
        let at = self.effect_wait(attempts);
        self.effects.due.push(at, due);
    }

    /// When something that has failed so often is tried again.
    pub(super) fn effect_wait(&self, attempts: u32) -> Mono {
        let (first, most) = (self.settings.effect_retry_ms, self.settings.effect_retry_max_ms);
        let wait = first.saturating_mul(1 << attempts.saturating_sub(1).min(30)).min(most);
        self.now.mono.plus_ms(wait)
    }

    /// Those whose wait is over.
    pub(super) fn effects_due(&mut self) {
        while let Some(due) = self.effects.due.pop(self.now.mono) {
            let (Due::Lane(shard, _) | Due::Errand(shard, _)) = due;
            match (due, self.owned_mut(shard)) {
                (Due::Lane(_, to), Some(owned)) => owned.outbox.due(to),
                (Due::Errand(_, inbox), Some(owned)) => drop(owned.inbox.go(inbox, ErrandOn::Due)),
                (_, None) => {}
            }
            self.stir(shard);
        }
    }

    /// The command of an inbox record was answered. If it wrote, that it ended is durable already.
    pub(super) fn effect_ran(
        &mut self,
        (shard, inbox): (ShardId, Position),
        effect: EffectId,
        result: Result<Reply>,
        sent: u32,
    ) {
        let item = self.owned_mut(shard).and_then(|owned| owned.inbox.get_mut(inbox));
        let Some(item) = item.filter(|item| item.state == Errand::Running && item.effect == effect) else {
            return self.stir(shard);
        };
        item.sent = item.sent.max(sent);
        match result {
            Ok(_) => self.end_effect(shard, inbox, ErrandOn::Answered, Ended::Ran, None),
            Err(error) if is_answer(&error) || self.is(Mutant::FailureEndsEffect) => {
                self.end_effect(shard, inbox, ErrandOn::Answered, Ended::Refused, None);
            }
            Err(error) => self.effect_failed(shard, inbox, error),
        }
    }

    /// Writes that an inbox record has ended.
    fn end_effect(&mut self, shard: ShardId, inbox: Position, on: ErrandOn, ended: Ended, by: Option<CallId>) {
        let at = self.now.wall;
        let Some(owned) = self.owned_mut(shard) else { return };
        if !owned.inbox.go(inbox, on) {
            return;
        }
        let Some(item) = owned.inbox.get(inbox) else { return };
        let body = Body::Done { inbox, ended };
        let record = Record { entity: item.entity().clone(), sequence: 0, command: item.command, at, body };
        match owned.shard.admit(Group::Done { inbox, by }, alloc::vec![record]) {
            Admission::Waiting => self.make_dirty(shard),
            Admission::Refused(error) => self.done_lost(shard, inbox, by, error),
        }
    }

    /// Tells an operator that what was asked for is durable.
    pub(super) fn done_written(&mut self, by: Option<CallId>) {
        if let Some(call) = by {
            self.out.push(Output::Reply { call, result: Ok(Reply::default()), sent: 0 });
        }
    }

    /// That an inbox record has ended could not be written: it is run again.
    pub(super) fn done_lost(&mut self, shard: ShardId, inbox: Position, by: Option<CallId>, error: Error) {
        if let Some(call) = by {
            self.out.push(Output::Reply { call, result: Err(error.clone()), sent: 0 });
        }
        self.effect_failed(shard, inbox, error);
    }

    fn effect_failed(&mut self, shard: ShardId, inbox: Position, error: Error) {
        let bound = if is_passing(&error) { u32::MAX } else { self.settings.effect_attempts.max(1) };
        self.effects.counts.failed += 1;
        let Some(owned) = self.owned_mut(shard) else { return };
        let Some(item) = owned.inbox.get_mut(inbox) else { return };
        item.attempts = item.attempts.saturating_add(1);
        item.error = Some(error);
        let attempts = item.attempts;
        if attempts >= bound {
            owned.inbox.go(inbox, ErrandOn::GaveUp);
        } else if owned.inbox.go(inbox, ErrandOn::Failed) {
            self.rest(attempts, Due::Errand(shard, inbox));
        }
        self.stir(shard);
    }

    /// An operator does not wait for an inbox record's turn.
    pub(super) fn retry_effect(&mut self, call: CallId, shard: ShardId, inbox: Position) {
        let none = self.no_effect(shard, inbox);
        let result = match self.owned_mut(shard) {
            None => Err(none),
            Some(owned) => match owned.inbox.get_mut(inbox) {
                None => Err(none),
                Some(item) => {
                    item.attempts = 0;
                    // One that waits or runs anyway is as the operator wants it.
                    owned.inbox.go(inbox, ErrandOn::Retried);
                    Ok(Reply::default())
                }
            },
        };
        self.out.push(Output::Reply { call, result, sent: 0 });
        self.stir(shard);
    }

    /// An operator drops an inbox record, unless its command is under way.
    pub(super) fn drop_effect(&mut self, call: CallId, shard: ShardId, inbox: Position) {
        let state = self.owned(shard).and_then(|owned| owned.inbox.get(inbox)).map(|item| item.state);
        let refused = match state {
            None => Some(self.no_effect(shard, inbox)),
            Some(state) if state.next(ErrandOn::Dropped).is_none() => {
                let said = "the effect's command is under way; look again when it has been answered";
                Some(Error::conflict(said).at("shard", shard).at("position", inbox))
            }
            Some(_) => None,
        };
        match refused {
            Some(error) => self.out.push(Output::Reply { call, result: Err(error), sent: 0 }),
            None => self.end_effect(shard, inbox, ErrandOn::Dropped, Ended::Dropped, Some(call)),
        }
    }

    /// Why nothing can be done about the inbox record there.
    fn no_effect(&self, shard: ShardId, position: Position) -> Error {
        let sending = self.owned(shard).is_some_and(|owned| owned.outbox.list().any(|(.., o)| o.position == position));
        let error = if sending {
            Error::conflict("the effect is on its way to its shard's inbox; look again when it is there")
        } else {
            Error::not_found("no durable effect stands there, or it has ended")
        };
        error.at("shard", shard).at("position", position)
    }

    /// A function has come: what failed for want of one is tried again at once, and what went down with its process too,
    /// unless that was so too often.
    pub(super) fn effects_for_function(&mut self) {
        let concerned = |item: &Item| match item.state {
            Errand::Stuck => item.error.as_ref().is_some_and(wants_function),
            _ => item.error.as_ref().is_some_and(lost_function),
        };
        let shards: Vec<ShardId> = self.shards.iter().flatten().map(|owned| owned.shard.id()).collect();
        for shard in shards {
            let Some(owned) = self.owned_mut(shard) else { continue };
            let waiting: Vec<Position> =
                owned.inbox.list().filter(|(_, item)| concerned(item)).map(|(position, _)| position).collect();
            for inbox in waiting {
                if owned.inbox.go(inbox, ErrandOn::Retried)
                    && let Some(item) = owned.inbox.get_mut(inbox)
                    && item.error.as_ref().is_some_and(wants_function)
                {
                    item.attempts = 0;
                }
            }
            self.stir(shard);
        }
    }

    /// Counts of durable effects. Walks over the loop's shards: to be asked now and then.
    #[must_use]
    pub fn effect_counts(&self) -> EffectCounts {
        let mut counts = self.effects.counts;
        for owned in self.shards.iter().flatten() {
            counts.outbox += owned.outbox.len();
            counts.inbox += owned.inbox.len();
            counts.stuck += owned.inbox.stuck();
        }
        counts
    }

    /// Durable effects that have not ended, at most `limit`, by shard and position.
    #[must_use]
    pub fn effects(&self, limit: usize) -> Vec<EffectStatus> {
        let all = self.shards.iter().flatten().flat_map(|owned| {
            let shard = owned.shard.id();
            let sending = owned.outbox.list().map(move |(_, attempts, record)| {
                let origin = Origin { shard, position: record.position };
                EffectStatus {
                    shard,
                    position: record.position,
                    origin,
                    state: EffectState::Sending,
                    target: record.call.entity.clone(),
                    command: record.call.command.clone(),
                    id: origin.command(record.command),
                    attempts,
                    error: None,
                }
            });
            let inbox = owned.inbox.list().map(move |(position, item)| EffectStatus {
                shard,
                position,
                origin: item.incoming.origin,
                state: EffectState::Inbox(item.state),
                target: item.entity().clone(),
                command: item.incoming.call.command.clone(),
                id: item.command,
                attempts: item.attempts,
                error: item.error.clone(),
            });
            sending.chain(inbox)
        });
        all.take(limit).collect()
    }
}

/// The inbox record of what another shard has sent.
fn incoming(from: ShardId, at: adjoin_model::Wall, record: Outgoing) -> Record {
    let origin = Origin { shard: from, position: record.position };
    Record {
        entity: record.call.entity.clone(),
        sequence: 0,
        command: origin.command(record.command),
        at,
        body: Body::Inbox(Incoming { origin, call: Box::new(record.call) }),
    }
}

/// The position of the outbox record that an inbox record comes from.
fn origin_position(record: &Record) -> Position {
    if let Body::Inbox(incoming) = &record.body { incoming.origin.position } else { 0 }
}
