// SPDX-License-Identifier: Apache-2.0
//! What is written of consumers: positions, dead letters, and the end of those; and what operators ask about them.

use adjoin_model::{
    Body, CommandId, Consumed, ConsumerId, Consumption, DeadLetter, Ended, EntityId, Error, Origin, Position, Record,
    Result, ShardId, Wall,
};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::{Again, ConsumerPlace, Group, STORE_WAITS, ShardLoop};
use crate::call::{CallId, Reply};
use crate::consumer::HandoverOn;
use crate::io::Output;
use crate::mutant::Mutant;
use crate::shard::Admission;

/// What is being written of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shard_loop) enum Writes {
    /// How far it has come.
    Passed,
    /// That an event is a dead letter.
    Dead,
    /// That a dead letter has ended.
    Settled,
}

/// How a consumer stands in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// In which shard.
    pub shard: ShardId,
    /// Which consumer.
    pub consumer: ConsumerId,
    /// Whether a connected function has it.
    pub declared: bool,
    /// Every event up to this position has ended.
    pub position: Position,
    /// The shard's own position.
    pub head: Position,
    /// Events that were read and have not ended.
    pub open: usize,
    /// How the one that failed most often failed last, or why the journal could not be read.
    pub error: Option<Error>,
    /// Its dead letters, by position.
    pub dead: Vec<(Position, DeadLetter)>,
}

impl ShardLoop {
    /// Writes how far a consumer has come, when that is worth a record.
    pub(super) fn mark(&mut self, shard: ShardId, place: ConsumerPlace) {
        self.forget_overtaken(shard, place);
        let early = self.is(Mutant::NotedPastOpen);
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        let Some((reached, entity)) = consumer.mark(early) else { return };
        consumer.marking();
        self.note(shard, place, reached, entity, Consumed::Passed, (Writes::Passed, None));
    }

    /// Dead letters that ended ahead of the position, which is past them by now, need not be known any more. Each is a
    /// record of its own, so that they fit into batches of any size.
    fn forget_overtaken(&mut self, shard: ShardId, place: ConsumerPlace) {
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        for (event, ended, entity) in consumer.forget_overtaken() {
            self.note(shard, place, event, entity, Consumed::Settled(ended), (Writes::Settled, None));
        }
    }

    pub(super) fn settle_letter(
        &mut self,
        shard: ShardId,
        place: ConsumerPlace,
        event: Position,
        ended: Ended,
        by: Option<CallId>,
    ) {
        let forgets = self.is(Mutant::AheadForgotten);
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        let Some(entity) = consumer.progress.dead.get(&event).map(|letter| letter.entity.clone()) else {
            debug_assert!(false, "no dead letter stands at {event}");
            // It has ended already: those behind it go on.
            consumer.go(event, HandoverOn::Written);
            return;
        };
        consumer.settling.insert(event);
        let passed = if forgets { event } else { consumer.progress.passed };
        let what = Consumed::ended(ended, event, passed);
        self.note(shard, place, event, entity, what, (Writes::Settled, by));
    }

    pub(super) fn note(
        &mut self,
        shard: ShardId,
        place: ConsumerPlace,
        event: Position,
        entity: EntityId,
        what: Consumed,
        (writes, by): (Writes, Option<CallId>),
    ) {
        let (at, name) = (self.now.wall, self.consumers.names.get(place as usize).cloned());
        let (Some(owned), Some(consumer)) = (self.owned_mut(shard), name) else { return };
        let command = command(&consumer, Origin { shard, position: event });
        let body = Body::Consumed(Box::new(Consumption { consumer, event, what }));
        let record = Record { entity, sequence: 0, command, at, body };
        let group = Group::Consumed { consumer: place, event, writes, by };
        match owned.shard.admit(group, alloc::vec![record]) {
            Admission::Waiting => self.make_dirty(shard),
            Admission::Refused(error) => self.consumed_lost(shard, place, event, writes, by, error),
        }
    }

    /// What a record says is durable.
    pub(in crate::shard_loop) fn consumed(
        &mut self,
        shard: ShardId,
        consumption: &Consumption,
        entity: &EntityId,
        at: Wall,
    ) {
        let place = self.consumers.place(&consumption.consumer);
        let Some(owned) = self.owned_mut(shard) else { return };
        owned.consumers.entry(place).or_default().progress.apply(consumption, entity, at);
    }

    pub(in crate::shard_loop) fn consumed_durable(
        &mut self,
        shard: ShardId,
        place: ConsumerPlace,
        event: Position,
        writes: Writes,
        by: Option<CallId>,
    ) {
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        match writes {
            Writes::Passed => consumer.passing = false,
            Writes::Dead => {
                // One that was tried again in vain is no other letter.
                let known = consumer.get(event).is_some_and(|item| item.letter);
                consumer.go(event, HandoverOn::Written);
                self.consumers.count(place).dead += u64::from(!known);
            }
            Writes::Settled => {
                consumer.settling.remove(&event);
                consumer.go(event, HandoverOn::Written);
            }
        }
        if let Some(call) = by {
            self.out.push(Output::Reply { call, result: Ok(Reply::default()), sent: 0 });
        }
        self.stir_consumers(shard);
    }

    pub(in crate::shard_loop) fn consumed_lost(
        &mut self,
        shard: ShardId,
        place: ConsumerPlace,
        event: Position,
        writes: Writes,
        by: Option<CallId>,
        error: Error,
    ) {
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        match writes {
            // It is written all the while: a store that refuses at once is not asked again at once.
            Writes::Passed => self.rest_consumer(shard, place, Again::Mark, STORE_WAITS),
            Writes::Settled if consumer.progress.ahead.contains_key(&event) => {
                self.rest_consumer(shard, place, Again::Forget(event), STORE_WAITS);
            }
            Writes::Dead | Writes::Settled => {
                consumer.settling.remove(&event);
                let attempts = consumer.get(event).map_or(1, |item| item.attempts);
                if consumer.go(event, HandoverOn::Lost) {
                    self.rest_consumer(shard, place, Again::Event(event), attempts);
                }
            }
        }
        if let Some(call) = by {
            self.out.push(Output::Reply { call, result: Err(error), sent: 0 });
        }
    }

    /// An operator has a dead letter tried again.
    pub(in crate::shard_loop) fn retry_letter(
        &mut self,
        call: CallId,
        shard: ShardId,
        consumer: &ConsumerId,
        event: Position,
    ) {
        let result = self.letter(shard, consumer, event).and_then(|place| {
            if self.consumers.declared(place).is_none() {
                let said = format!("no connected function has the consumer {consumer}: start it, then try again");
                return Err(Error::unavailable(said));
            }
            if let Some(consumer) = self.consumer_mut(shard, place) {
                consumer.letters.push_back(event);
            }
            Ok(Reply::default())
        });
        self.out.push(Output::Reply { call, result, sent: 0 });
        self.stir_consumers(shard);
    }

    /// An operator drops a dead letter, unless it is being tried again. One that was to be tried again, but whose function
    /// has gone since, is not waited for.
    pub(in crate::shard_loop) fn drop_letter(
        &mut self,
        call: CallId,
        shard: ShardId,
        consumer: &ConsumerId,
        event: Position,
    ) {
        match self.letter(shard, consumer, event) {
            Ok(place) => {
                if let Some(consumer) = self.consumer_mut(shard, place) {
                    consumer.letters.retain(|letter| *letter != event);
                }
                self.settle_letter(shard, place, event, Ended::Dropped, Some(call));
            }
            Err(error) => self.out.push(Output::Reply { call, result: Err(error), sent: 0 }),
        }
    }

    fn letter(&self, shard: ShardId, consumer: &ConsumerId, event: Position) -> Result<ConsumerPlace> {
        let at = |error: Error| error.at("consumer", consumer).at("shard", shard).at("position", event);
        let found = self.consumers.find(consumer);
        let own = found.and_then(|place| Some((place, self.consumer(shard, place)?)));
        // Without its function nobody tries it, though that was asked.
        let tried = |place| self.consumers.declared(place).is_some();
        match own {
            Some((place, one)) if one.progress.dead.contains_key(&event) => {
                if one.is_busy(event) || (one.letters.contains(&event) && tried(place)) {
                    let said = "the event is being tried, or its end written; look again when that is over";
                    return Err(at(Error::conflict(said)));
                }
                Ok(place)
            }
            Some(_) | None => Err(at(Error::not_found("no dead letter stands there, or it has ended"))),
        }
    }

    /// How every consumer stands in every shard that was written, at most `limit`, by shard.
    #[must_use]
    pub fn consumers(&self, limit: usize) -> Vec<ConsumerStatus> {
        let all = self.shards.iter().flatten().flat_map(|owned| {
            let (shard, head) = (owned.shard.id(), owned.shard.head().position);
            owned.consumers.iter().filter(move |_| head > 0).filter_map(move |(place, consumer)| {
                let failed = consumer.items().max_by_key(|(_, item)| item.attempts).and_then(|(_, i)| i.error.clone());
                Some(ConsumerStatus {
                    shard,
                    consumer: self.consumers.names.get(*place as usize)?.clone(),
                    declared: self.consumers.declared(*place).is_some(),
                    position: consumer.reached(),
                    head,
                    open: consumer.open(),
                    error: failed.or_else(|| consumer.unread.clone()),
                    dead: consumer.progress.dead.iter().map(|(event, letter)| (*event, letter.clone())).collect(),
                })
            })
        });
        all.take(limit).collect()
    }
}

/// The name for good of the command that an event is for a consumer: the same at every attempt.
pub(super) fn command(consumer: &ConsumerId, Origin { shard, position }: Origin) -> CommandId {
    let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
    for name in [consumer.log(), consumer.group()] {
        hash.update(name.as_bytes());
        hash.update(&[0]);
    }
    hash.update(&shard.0.to_be_bytes());
    hash.update(&position.to_be_bytes());
    CommandId(hash.digest128())
}
