// SPDX-License-Identifier: Apache-2.0
//! Eventing: each shard's events are read by position and given to the handlers that subscribe to them.
//!
//! How far a consumer has come is a record of the shard's own journal, so it is fenced by the shard's head as every
//! write is: a host that has lost the shard cannot move it.

mod declared;
mod notes;
mod totals;

use adjoin_model::{
    Body, Consumed, ConsumerId, Ended, EntityId, Error, Mono, Origin, Position, Record, Result, ShardId,
};
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use self::declared::Declared;
pub use self::notes::ConsumerStatus;
pub(super) use self::notes::Writes;
use self::notes::command;
pub use self::totals::{ConsumerCounts, ConsumerTotals};
use super::calls::CountMap;
use super::{Group, ShardLoop};
use crate::call::{Call, Operation, Reply};
use crate::cloud_event;
use crate::consumer::{Consumer, Handover, HandoverOn, Item, Reading};
use crate::failure::is_passing;
use crate::io::{EffectId, EventPage, Output};
use crate::mutant::Mutant;
use crate::shard::State;
use crate::timers::Timers;

/// Bytes of records that are read at once.
const PAGE: usize = 64 << 10;
/// Pages that are read at once in a loop.
const READS: usize = 16;
/// The store is asked again as after so many failures.
const STORE_WAITS: u32 = 4;
/// Bytes of the error that a dead letter keeps.
const ERROR_BYTES: usize = 1024;

/// A consumer's place in the list of its loop.
pub type ConsumerPlace = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    shard: ShardId,
    consumer: ConsumerPlace,
    what: Again,
}

/// What is done once a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Again {
    /// This event is given.
    Event(Position),
    /// The journal is read.
    Journal,
    /// The position is written.
    Mark,
    /// It is written that the end of this dead letter need not be known.
    Forget(Position),
}

/// What a loop keeps of consumers beside each shard's own.
#[derive(Default)]
pub(crate) struct Consumers {
    names: Vec<ConsumerId>,
    /// By place: what a function said of each last.
    declared: Vec<Option<Arc<Declared>>>,
    /// Calls under way.
    pub(super) runs: CountMap<(ShardId, ConsumerPlace, Position)>,
    due: Timers<Due>,
    reading: usize,
    /// Shards that may have something to read or to give out.
    stirred: VecDeque<ShardId>,
    /// Shards that have, but a bound of the loop is reached.
    held: VecDeque<ShardId>,
    /// By place, as far as something was counted.
    counts: Vec<ConsumerCounts>,
}

impl Consumers {
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.due.next()
    }

    fn place(&mut self, consumer: &ConsumerId) -> ConsumerPlace {
        let found = self.names.iter().position(|name| name == consumer);
        let place = found.unwrap_or_else(|| {
            self.names.push(consumer.clone());
            self.declared.push(None);
            self.names.len() - 1
        });
        place as ConsumerPlace
    }

    fn find(&self, consumer: &ConsumerId) -> Option<ConsumerPlace> {
        self.names.iter().position(|name| name == consumer).map(|place| place as ConsumerPlace)
    }

    /// What a connected function says of it.
    fn declared(&self, place: ConsumerPlace) -> Option<&Arc<Declared>> {
        self.declared.get(place as usize)?.as_ref().filter(|declared| declared.connected)
    }
}

impl ShardLoop {
    fn consumer(&self, shard: ShardId, place: ConsumerPlace) -> Option<&Consumer> {
        self.owned(shard)?.consumers.get(&place)
    }

    fn consumer_mut(&mut self, shard: ShardId, place: ConsumerPlace) -> Option<&mut Consumer> {
        self.owned_mut(shard)?.consumers.get_mut(&place)
    }

    /// A shard may have something to read or to give out.
    pub(super) fn stir_consumers(&mut self, shard: ShardId) {
        let Some(owned) = self.owned_mut(shard).filter(|owned| !owned.consuming && !owned.consumers.is_empty()) else {
            return;
        };
        owned.consuming = true;
        self.consumers.stirred.push_back(shard);
    }

    /// Reads, gives out and notes, as far as the bounds of the loop allow.
    pub(super) fn run_consumers(&mut self) {
        while let Some(shard) = self.next_stirred() {
            let Some(owned) = self.owned_mut(shard) else { continue };
            // It is stirred again once it is open.
            if owned.shard.state() != State::Open {
                continue;
            }
            let places: Vec<ConsumerPlace> = owned.consumers.keys().copied().collect();
            let stopped = places.into_iter().filter(|place| !self.consume(shard, *place)).count();
            if stopped > 0
                && let Some(owned) = self.owned_mut(shard).filter(|owned| !owned.held)
            {
                owned.held = true;
                self.consumers.held.push_back(shard);
            }
        }
    }

    /// The next shard to look at; one that a bound has stopped only while there is room again.
    fn next_stirred(&mut self) -> Option<ShardId> {
        if let Some(shard) = self.consumers.stirred.pop_front() {
            if let Some(owned) = self.owned_mut(shard) {
                owned.consuming = false;
            }
            return Some(shard);
        }
        let room = self.consumers.runs.len() < self.settings.limits.consuming.max(1) && self.consumers.reading < READS;
        let shard = if room { self.consumers.held.pop_front()? } else { return None };
        if let Some(owned) = self.owned_mut(shard) {
            owned.held = false;
        }
        Some(shard)
    }

    /// Says whether nothing is held up by a bound of the loop.
    fn consume(&mut self, shard: ShardId, place: ConsumerPlace) -> bool {
        self.mark(shard, place);
        if self.draining || self.consumers.declared(place).is_none() {
            return true;
        }
        self.give_out(shard, place) && self.read_on(shard, place)
    }

    fn give_out(&mut self, shard: ShardId, place: ConsumerPlace) -> bool {
        let (bound, at_once) = (self.settings.limits.consuming.max(1), self.is(Mutant::EventsAtOnce));
        loop {
            let full = self.consumers.runs.len() >= bound;
            let Some(consumer) = self.consumer_mut(shard, place) else { return true };
            if full {
                return !consumer.is_ready();
            }
            let next = if at_once { consumer.next_of_any() } else { consumer.next() };
            let Some(event) = next else { return true };
            consumer.go(event, HandoverOn::Begun);
            self.give(shard, place, event);
        }
    }

    fn read_on(&mut self, shard: ShardId, place: ConsumerPlace) -> bool {
        let full = self.consumers.reading >= READS;
        let (events, letters) = (self.settings.limits.events.max(1), self.settings.limits.dead_letters);
        let Some(owned) = self.owned_mut(shard) else { return true };
        let head = owned.shard.head().position;
        let Some(consumer) = owned.consumers.get_mut(&place) else { return true };
        if consumer.reading.is_some() || consumer.unread.is_some() {
            return true;
        }
        let room = consumer.open() < events && consumer.progress.dead.len() < letters;
        let (reading, from, max_bytes) = match consumer.letters.front() {
            Some(letter) => (Reading::Letter(*letter), *letter, 1),
            None if head > consumer.read() && room => (Reading::On, consumer.read() + 1, PAGE),
            None => return true,
        };
        if full {
            return false;
        }
        consumer.reading = Some(reading);
        self.consumers.reading += 1;
        self.out.push(Output::ReadEvents { shard, consumer: place, from, max_bytes });
        true
    }

    /// A part of the journal has been read.
    pub(super) fn events_read(
        &mut self,
        shard: ShardId,
        place: ConsumerPlace,
        from: Position,
        page: Result<EventPage>,
    ) {
        self.consumers.reading = self.consumers.reading.saturating_sub(1);
        let head = self.owned(shard).map_or(0, |owned| owned.shard.head().position);
        let declared = self.consumers.declared(place).cloned();
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        let Some(reading) = consumer.reading.take() else { return self.stir_consumers(shard) };
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                consumer.unread = Some(error);
                return self.rest_consumer(shard, place, Again::Journal, STORE_WAITS);
            }
        };
        match (reading, declared) {
            (Reading::Letter(event), Some(declared)) => {
                consumer.letters.retain(|letter| *letter != event);
                let record = page.records.into_iter().find(|(position, _)| *position == event);
                self.letter_read(shard, place, event, record.and_then(|(_, record)| record), &declared);
            }
            (Reading::On, Some(declared)) if from == consumer.read() + 1 => {
                let log = self.consumers.names.get(place as usize).map(|name| name.log().to_string());
                for (position, record) in page.records.into_iter().filter(|(position, _)| *position <= head) {
                    self.event_read(shard, place, position, record, &declared, log.as_deref());
                }
            }
            // What was read is for nobody: it is read again.
            (Reading::On | Reading::Letter(_), _) => {}
        }
        self.stir_consumers(shard);
    }

    fn event_read(
        &mut self,
        shard: ShardId,
        place: ConsumerPlace,
        position: Position,
        record: Option<Record>,
        declared: &Declared,
        log: Option<&str>,
    ) {
        let again = self.is(Mutant::LettersGivenOn);
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        consumer.saw(position, record.as_ref().map(|record| &record.entity));
        let Some(record) = record.filter(|record| Some(record.entity.entity_type()) == log) else { return };
        let Body::Event(_) = &record.body else { return };
        if consumer.was_dead(position) && !again {
            // Its end was written, but not yet that the position is past it.
            return;
        }
        match item(record, declared) {
            Some(item) => consumer.push(position, item),
            None => self.consumers.count(place).passed_over += 1,
        }
    }

    /// A dead letter has been read. One that is gone from the journal, or that no handler takes any more, stays.
    fn letter_read(
        &mut self,
        shard: ShardId,
        place: ConsumerPlace,
        event: Position,
        record: Option<Record>,
        declared: &Declared,
    ) {
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        if let Some(item) = record.and_then(|record| item(record, declared))
            && let Some(letter) = consumer.progress.dead.get(&event)
            && !consumer.is_busy(event)
        {
            let sent = letter.attempts;
            consumer.push(event, Item { letter: true, sent, ..item });
        }
    }

    /// Calls the handler of an event.
    fn give(&mut self, shard: ShardId, place: ConsumerPlace, event: Position) {
        let effect = self.calls.next_effect();
        let name = self.consumers.names.get(place as usize).cloned();
        let declared = self.consumers.declared(place).cloned();
        let anew = self.is(Mutant::AttemptsAnew);
        let Some(item) = self.consumer_mut(shard, place).and_then(|consumer| consumer.get_mut(event)) else { return };
        item.effect = effect;
        item.sent = if anew { 0 } else { item.sent };
        let (Some(consumer), Some(declared)) = (name, declared) else { return };
        let call = match declared.target(item) {
            Ok(entity) => event_call(entity, &declared, item, &consumer, Origin { shard, position: event }),
            Err(error) => return self.event_failed(shard, place, event, error),
        };
        self.consumers.runs.insert(effect, (shard, place, event));
        self.out.push(Output::Effect { effect: Some(effect), call });
    }

    /// The handler of an event has answered.
    pub(super) fn event_ran(
        &mut self,
        (shard, place, event): (ShardId, ConsumerPlace, Position),
        effect: EffectId,
        result: Result<Reply>,
        sent: u32,
    ) {
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        let item = consumer.get_mut(event).filter(|item| item.state == Handover::Running && item.effect == effect);
        let letter = item.map(|item| {
            item.sent = item.sent.max(sent);
            item.letter
        });
        match (letter, result) {
            (None, _) => {}
            // What a handler refuses is no less lost than what it fails at.
            (Some(_), Err(error)) => self.event_failed(shard, place, event, error),
            (Some(false), Ok(_)) => {
                consumer.go(event, HandoverOn::Answered);
                self.consumers.count(place).taken += 1;
            }
            (Some(true), Ok(_)) => {
                consumer.go(event, HandoverOn::LetterAnswered);
                self.consumers.count(place).taken += 1;
                self.settle_letter(shard, place, event, Ended::Ran, None);
            }
        }
        self.stir_consumers(shard);
    }

    fn event_failed(&mut self, shard: ShardId, place: ConsumerPlace, event: Position, error: Error) {
        self.consumers.count(place).failed += 1;
        let (most, early) = (self.settings.effect_attempts.max(1), self.is(Mutant::LetterUnwritten));
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        let before = consumer.progress.dead.get(&event).map_or(0, |letter| letter.attempts);
        let Some(item) = consumer.get_mut(event) else { return };
        item.attempts = item.attempts.saturating_add(1);
        let bound = if is_passing(&error) {
            u32::MAX
        } else if item.letter {
            1
        } else {
            most
        };
        let (attempts, sent) = (item.attempts, item.sent);
        let said = shortened(&error.to_string());
        item.error = Some(error);
        let entity = item.entity.clone();
        if attempts < bound {
            consumer.go(event, HandoverOn::Failed);
            return self.rest_consumer(shard, place, Again::Event(event), attempts);
        }
        consumer.go(event, HandoverOn::GaveUp);
        if early {
            consumer.go(event, HandoverOn::Written);
        }
        // What its process did not outlive was sent again within one run.
        let what = Consumed::Dead { attempts: before.saturating_add(attempts).max(sent), error: said };
        self.note(shard, place, event, entity, what, (Writes::Dead, None));
    }

    /// Waits, the longer the more often it was in vain.
    fn rest_consumer(&mut self, shard: ShardId, consumer: ConsumerPlace, what: Again, attempts: u32) {
        let at = self.effect_wait(attempts);
        self.consumers.due.push(at, Due { shard, consumer, what });
    }

    /// Those whose wait is over.
    pub(super) fn consumers_due(&mut self) {
        while let Some(Due { shard, consumer, what }) = self.consumers.due.pop(self.now.mono) {
            if let Some(consumer) = self.consumer_mut(shard, consumer) {
                match what {
                    Again::Event(event) => drop(consumer.go(event, HandoverOn::Due)),
                    Again::Journal => consumer.unread = None,
                    Again::Mark => consumer.mark_lost(),
                    Again::Forget(event) => drop(consumer.settling.remove(&event)),
                }
            }
            self.stir_consumers(shard);
        }
    }
}

fn item(record: Record, declared: &Declared) -> Option<Item> {
    let Body::Event(event) = record.body else { return None };
    let handler = declared.subscription.handler(&event.type_name)?.clone();
    let (state, entity, at) = (Handover::Waiting, record.entity, record.at);
    Some(Item { state, entity, event, at, handler, attempts: 0, sent: 0, error: None, effect: 0, letter: false })
}

/// An event as a call. An entity knows it again by its idempotency key, an action by its command id.
fn event_call(entity: EntityId, declared: &Declared, item: &Item, consumer: &ConsumerId, origin: Origin) -> Call {
    let metadata =
        cloud_event::metadata(consumer, origin, &item.entity, &item.event.type_name, item.at, declared.content);
    Call {
        id: 0,
        command: command(consumer, origin),
        entity,
        name: item.handler.clone(),
        payload: item.event.clone(),
        caller: declared.caller.clone(),
        metadata,
        chain: Vec::new(),
        hops: 0,
        wrote: false,
        idempotency_key: (!declared.action).then(|| cloud_event::id(origin).into()),
        if_match: None,
        deadline: None,
        operation: Operation::Run,
        inbox: None,
        sent: Some(item.sent),
    }
}

fn shortened(error: &str) -> String {
    error[..error.floor_char_boundary(ERROR_BYTES)].into()
}
