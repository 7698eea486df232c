// SPDX-License-Identifier: Apache-2.0
//! Eventing: each shard's events are read by position and given to the handlers that subscribe to them.
//!
//! How far a consumer has come is a record of the shard's own journal, so it is fenced by the shard's head as every
//! write is: a host that has lost the shard cannot move it.

use adjoin_model::{
    Body, CommandId, Consumed, ConsumerId, Consumption, DeadLetter, Ended, EntityId, Error, Origin, Position, Record,
    Result, ShardId, Wall,
};
use alloc::boxed::Box;
use alloc::collections::{BinaryHeap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::calls::CountMap;
use super::effects::{is_passing, nothing};
use super::{Group, ShardLoop};
use crate::call::{Call, CallId, Operation, Reply};
use crate::cloud_event::{self, Content};
use crate::consumer::{Consumer, Handover, HandoverOn, Item, Reading};
use crate::io::{EffectId, EventPage, Output};
use crate::shard::{Admission, State};
use crate::spec::{Answers, EntityKind, EntityType, EventKey, Spec, Subscription};
use adjoin_model::Mono;

/// Bytes of records that are read at once.
const PAGE: usize = 64 << 10;
/// Pages that are read at once in a loop.
const READS: usize = 16;
/// Bytes of the error that a dead letter keeps.
const ERROR_BYTES: usize = 1024;

/// A consumer's place in the list of its loop.
pub type ConsumerPlace = u32;

/// What is being written of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    /// How far it has come.
    Passed,
    /// That an event is a dead letter.
    Dead,
    /// That a dead letter has ended.
    Settled,
}

/// What a connected function says of a consumer.
pub(super) struct Declared {
    subscription: Subscription,
    entity_type: Arc<str>,
    action: bool,
    content: Content,
}

impl Declared {
    fn of(spec: &Spec, entity_type: &EntityType, subscription: &Subscription) -> Self {
        let content = match spec.answers {
            Answers::Cloudstate => Content::Any,
            Answers::Adjoin if entity_type.services.is_empty() => Content::Json,
            Answers::Adjoin => Content::Protobuf,
        };
        let action = entity_type.kind == EntityKind::Action;
        Self { subscription: subscription.clone(), entity_type: entity_type.name.clone(), action, content }
    }

    /// Whether events go the same way as before.
    fn gives_as(&self, other: &Self) -> bool {
        let way =
            |one: &Self| (one.subscription.events.clone(), one.subscription.rest.clone(), one.entity_type.clone());
        way(self) == way(other)
    }

    /// The entity that takes this event.
    fn target(&self, item: &Item) -> Result<EntityId> {
        let key = match &self.subscription.key {
            EventKey::Subject => item.entity.key().to_string(),
            EventKey::Message(key) => key.find(&item.handler, &item.event)?,
        };
        EntityId::new(self.entity_type.clone(), key)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    shard: ShardId,
    consumer: ConsumerPlace,
    /// None: the journal is read again.
    event: Option<Position>,
}

/// What a loop keeps of consumers beside each shard's own.
#[derive(Default)]
pub(crate) struct Consumers {
    names: Vec<ConsumerId>,
    /// By place; only those that a connected function has.
    declared: Vec<Option<Arc<Declared>>>,
    /// Calls under way.
    pub(super) runs: CountMap<(ShardId, ConsumerPlace, Position)>,
    due: BinaryHeap<Reverse<(Mono, Due)>>,
    reading: usize,
    /// Shards that may have something to read or to give out.
    stirred: VecDeque<ShardId>,
    counts: ConsumerCounts,
}

/// Counts of eventing in a loop, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerCounts {
    /// Events that a handler took.
    pub taken: u64,
    /// Failures, each of which was tried again or made a dead letter.
    pub failed: u64,
    /// Events that became dead letters.
    pub dead: u64,
    /// Events that no handler of a consumer takes.
    pub passed_over: u64,
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

impl Consumers {
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn counts(&self) -> ConsumerCounts {
        self.counts
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

    fn declared(&self, place: ConsumerPlace) -> Option<&Arc<Declared>> {
        self.declared.get(place as usize)?.as_ref()
    }
}

impl ShardLoop {
    fn consumer(&self, shard: ShardId, place: ConsumerPlace) -> Option<&Consumer> {
        self.owned(shard)?.consumers.get(&place)
    }

    fn consumer_mut(&mut self, shard: ShardId, place: ConsumerPlace) -> Option<&mut Consumer> {
        self.owned_mut(shard)?.consumers.get_mut(&place)
    }

    /// Takes over how far the consumers of a shard had come. Before the first step.
    pub(super) fn resume_consumers(&mut self, shard: ShardId, left: Vec<(ConsumerId, adjoin_model::Progress)>) {
        for (consumer, progress) in left {
            let place = self.consumers.place(&consumer);
            if let Some(owned) = self.owned_mut(shard) {
                owned.consumers.insert(place, Consumer::new(progress));
            }
        }
    }

    /// Functions have come or gone: what they subscribe to, every shard gives out from where it is.
    pub(super) fn declare_consumers(&mut self, came: bool) {
        let mut now: Vec<(ConsumerPlace, Arc<Declared>)> = Vec::new();
        for (spec, entity_type) in self.sessions.connected() {
            for subscription in &entity_type.subscriptions {
                // A spec whose consumers have no names was refused by its check.
                let Ok(consumer) = subscription.consumer() else { continue };
                let declared = Arc::new(Declared::of(spec, entity_type, subscription));
                now.push((self.consumers.place(&consumer), declared));
            }
        }
        let before = core::mem::take(&mut self.consumers.declared);
        self.consumers.declared.resize_with(self.consumers.names.len(), || None);
        let mut changed = Vec::new();
        for (place, declared) in now {
            let was = before.get(place as usize).and_then(Option::as_ref);
            changed.push((place, was.is_some_and(|was| !was.gives_as(&declared))));
            if let Some(slot) = self.consumers.declared.get_mut(place as usize) {
                *slot = Some(declared);
            }
        }
        self.bring_up(&changed, came);
    }

    fn bring_up(&mut self, declared: &[(ConsumerPlace, bool)], came: bool) {
        if declared.is_empty() {
            return;
        }
        let shards: Vec<ShardId> = self.shards.iter().flatten().map(|owned| owned.shard.id()).collect();
        for shard in shards {
            let Some(owned) = self.owned_mut(shard) else { continue };
            for (place, changed) in declared {
                let consumer = owned.consumers.entry(*place).or_default();
                if *changed {
                    consumer.restart();
                }
                if came {
                    consumer.retry_resting();
                }
            }
            self.stir_consumers(shard);
        }
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
        let mut later = Vec::new();
        while let Some(shard) = self.consumers.stirred.pop_front() {
            let Some(owned) = self.owned_mut(shard) else { continue };
            owned.consuming = false;
            // It is stirred again once it is open.
            if owned.shard.state() != State::Open {
                continue;
            }
            let places: Vec<ConsumerPlace> = owned.consumers.keys().copied().collect();
            let held = places.into_iter().filter(|place| !self.consume(shard, *place)).count();
            if held > 0 {
                later.push(shard);
            }
        }
        for shard in later {
            self.stir_consumers(shard);
        }
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
        let bound = self.settings.limits.consuming.max(1);
        loop {
            let full = self.consumers.runs.len() >= bound;
            let Some(consumer) = self.consumer_mut(shard, place) else { return true };
            if full {
                return !consumer.is_ready();
            }
            let Some(event) = consumer.next() else { return true };
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
                return self.rest_consumer(shard, place, None, 4);
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
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        consumer.saw(position, record.as_ref().map(|record| &record.entity));
        let Some(record) = record.filter(|record| Some(record.entity.entity_type()) == log) else { return };
        let Body::Event(_) = &record.body else { return };
        match item(record, declared, false) {
            Some(item) => consumer.push(position, item),
            None => self.consumers.counts.passed_over += 1,
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
        if let Some(item) = record.and_then(|record| item(record, declared, true))
            && consumer.progress.dead.contains_key(&event)
        {
            consumer.push(event, item);
        }
    }

    /// Calls the handler of an event.
    fn give(&mut self, shard: ShardId, place: ConsumerPlace, event: Position) {
        self.calls.next_effect += 1;
        let effect = self.calls.next_effect;
        let name = self.consumers.names.get(place as usize).cloned();
        let declared = self.consumers.declared(place).cloned();
        let Some(item) = self.consumer_mut(shard, place).and_then(|consumer| consumer.get_mut(event)) else { return };
        item.effect = effect;
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
    ) {
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        let item = consumer.get(event).filter(|item| item.state == Handover::Running && item.effect == effect);
        let letter = item.map(|item| item.letter);
        match (letter, result) {
            (None, _) => {}
            // What a handler refuses is no less lost than what it fails at.
            (Some(_), Err(error)) => self.event_failed(shard, place, event, error),
            (Some(false), Ok(_)) => {
                consumer.go(event, HandoverOn::Answered);
                self.consumers.counts.taken += 1;
            }
            (Some(true), Ok(_)) => {
                consumer.go(event, HandoverOn::LetterAnswered);
                self.consumers.counts.taken += 1;
                self.settle_letter(shard, place, event, Ended::Ran, None);
            }
        }
        self.stir_consumers(shard);
    }

    fn event_failed(&mut self, shard: ShardId, place: ConsumerPlace, event: Position, error: Error) {
        self.consumers.counts.failed += 1;
        let most = self.settings.effect_attempts.max(1);
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
        let attempts = item.attempts;
        let said = shortened(&error.to_string());
        item.error = Some(error);
        let entity = item.entity.clone();
        if attempts < bound {
            consumer.go(event, HandoverOn::Failed);
            return self.rest_consumer(shard, place, Some(event), attempts);
        }
        consumer.go(event, HandoverOn::GaveUp);
        let what = Consumed::Dead { attempts: before.saturating_add(attempts), error: said };
        self.note(shard, place, event, entity, what, (Writes::Dead, None));
    }

    /// Waits, the longer the more often it was in vain.
    fn rest_consumer(&mut self, shard: ShardId, consumer: ConsumerPlace, event: Option<Position>, attempts: u32) {
        let at = self.effect_wait(attempts);
        self.consumers.due.push(Reverse((at, Due { shard, consumer, event })));
    }

    /// Those whose wait is over.
    pub(super) fn consumers_due(&mut self) {
        while let Some(Reverse((at, due))) = self.consumers.due.peek().copied()
            && at <= self.now.mono
        {
            self.consumers.due.pop();
            let Due { shard, consumer, event } = due;
            if let Some(consumer) = self.consumer_mut(shard, consumer) {
                match event {
                    Some(event) => drop(consumer.go(event, HandoverOn::Due)),
                    None => consumer.unread = None,
                }
            }
            self.stir_consumers(shard);
        }
    }

    /// Writes how far a consumer has come, when that is worth a record.
    fn mark(&mut self, shard: ShardId, place: ConsumerPlace) {
        let Some(consumer) = self.consumer_mut(shard, place) else { return };
        let Some((reached, entity)) = consumer.mark() else { return };
        consumer.marking();
        self.note(shard, place, reached, entity, Consumed::Passed, (Writes::Passed, None));
    }

    fn settle_letter(
        &mut self,
        shard: ShardId,
        place: ConsumerPlace,
        event: Position,
        ended: Ended,
        by: Option<CallId>,
    ) {
        let letter = self.consumer(shard, place).and_then(|consumer| consumer.progress.dead.get(&event));
        let Some(entity) = letter.map(|letter| letter.entity.clone()) else { return };
        self.note(shard, place, event, entity, Consumed::Settled(ended), (Writes::Settled, by));
    }

    fn note(
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
    pub(super) fn consumed(&mut self, shard: ShardId, consumption: &Consumption, entity: &EntityId, at: Wall) {
        let place = self.consumers.place(&consumption.consumer);
        let Some(owned) = self.owned_mut(shard) else { return };
        owned.consumers.entry(place).or_default().progress.apply(consumption, entity, at);
    }

    pub(super) fn consumed_durable(
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
                consumer.go(event, HandoverOn::Written);
                self.consumers.counts.dead += 1;
            }
            Writes::Settled => drop(consumer.go(event, HandoverOn::Written)),
        }
        if let Some(call) = by {
            self.out.push(Output::Reply { call, result: Ok(nothing()) });
        }
        self.stir_consumers(shard);
    }

    pub(super) fn consumed_lost(
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
            Writes::Passed => consumer.mark_lost(),
            Writes::Dead | Writes::Settled => {
                let attempts = consumer.get(event).map_or(1, |item| item.attempts);
                if consumer.go(event, HandoverOn::Lost) {
                    self.rest_consumer(shard, place, Some(event), attempts);
                }
            }
        }
        if let Some(call) = by {
            self.out.push(Output::Reply { call, result: Err(error) });
        }
    }

    /// An operator has a dead letter tried again.
    pub(super) fn retry_letter(&mut self, call: CallId, shard: ShardId, consumer: &ConsumerId, event: Position) {
        let result = self.letter(shard, consumer, event).and_then(|place| {
            if self.consumers.declared(place).is_none() {
                let said = format!("no connected function has the consumer {consumer}: start it, then try again");
                return Err(Error::unavailable(said));
            }
            if let Some(consumer) = self.consumer_mut(shard, place)
                && !consumer.letters.contains(&event)
            {
                consumer.letters.push_back(event);
            }
            Ok(nothing())
        });
        self.out.push(Output::Reply { call, result });
        self.stir_consumers(shard);
    }

    /// An operator drops a dead letter, unless it is being tried again.
    pub(super) fn drop_letter(&mut self, call: CallId, shard: ShardId, consumer: &ConsumerId, event: Position) {
        match self.letter(shard, consumer, event) {
            Ok(place) => self.settle_letter(shard, place, event, Ended::Dropped, Some(call)),
            Err(error) => self.out.push(Output::Reply { call, result: Err(error) }),
        }
    }

    fn letter(&self, shard: ShardId, consumer: &ConsumerId, event: Position) -> Result<ConsumerPlace> {
        let at = |error: Error| error.at("consumer", consumer).at("shard", shard).at("position", event);
        let found = self.consumers.find(consumer);
        let own = found.and_then(|place| Some((place, self.consumer(shard, place)?)));
        match own {
            Some((_, consumer)) if consumer.get(event).is_some() => {
                Err(at(Error::conflict("the event is being tried now; look again when it has been answered")))
            }
            Some((place, consumer)) if consumer.progress.dead.contains_key(&event) => Ok(place),
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

fn item(record: Record, declared: &Declared, letter: bool) -> Option<Item> {
    let Body::Event(event) = record.body else { return None };
    let handler = declared.subscription.handler(&event.type_name)?.clone();
    let (state, entity, at) = (Handover::Waiting, record.entity, record.at);
    Some(Item { state, entity, event, at, handler, attempts: 0, error: None, effect: 0, letter })
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
        caller: format!("consumer {consumer}").into(),
        metadata,
        chain: Vec::new(),
        hops: 0,
        wrote: false,
        idempotency_key: (!declared.action).then(|| cloud_event::id(origin).into()),
        if_match: None,
        deadline: None,
        operation: Operation::Run,
        inbox: None,
    }
}

/// The name for good of the command that an event is for a consumer: the same at every attempt.
fn command(consumer: &ConsumerId, Origin { shard, position }: Origin) -> CommandId {
    let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
    for name in [consumer.log(), consumer.group()] {
        hash.update(name.as_bytes());
        hash.update(&[0]);
    }
    hash.update(&shard.0.to_be_bytes());
    hash.update(&position.to_be_bytes());
    CommandId(hash.digest128())
}

fn shortened(error: &str) -> String {
    let end = (0..=ERROR_BYTES.min(error.len())).rev().find(|end| error.is_char_boundary(*end));
    error.get(..end.unwrap_or_default()).unwrap_or_default().to_string()
}
