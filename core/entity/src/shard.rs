// SPDX-License-Identifier: Apache-2.0
//! One shard's head: what is batched, and what the outcome of a batch means (`architecture.md` §4, rule 3).
//!
//! With a group `a` in flight and a group `b` that waits; a test makes this table from what the machine does:
//!
//! | state | input | next | settled |
//! |---|---|---|---|
//! | Open | written, durable | Open | a durable |
//! | Open | written, refused | Open | a lost Unavailable None |
//! | Open | written, fenced | Closed | a lost Fenced None, b lost Fenced None |
//! | Open | written, unknown | Raising | |
//! | Raising | raised, position after the batch | Open | a durable |
//! | Raising | raised, position before the batch | Open | a lost Unavailable None |
//! | Raising | raised, any other position | Closed | a lost Corrupt Unknown, b lost Corrupt None |
//! | Raising | raise fenced | Closed | a lost Fenced Unknown, b lost Fenced None |
//! | Raising | raise failed | Raising | |
//! | Closed | any | Closed | |
//!
//! Open writes; while Raising nothing is released and a failed raise is tried again; Closed refuses new groups.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::vec::Vec;

use adjoin_model::{Body, EntityId, Error, Head, Outcome, Owner, Position, Record, ShardBatch, ShardId};

/// What a shard may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It writes.
    Open,
    /// A write's outcome is unknown: nothing is released until the epoch is raised.
    Raising,
    /// Another owner writes it, or its data disagree.
    Closed,
}

/// What the driver reports.
#[derive(Clone, Debug, PartialEq)]
pub enum ShardInput {
    /// The batch in flight is durable.
    Durable,
    /// The batch in flight was not applied and never will be.
    Refused(Error),
    /// Somebody else owns the shard.
    Fenced,
    /// Not known whether the batch in flight was applied.
    Unknown,
    /// The epoch was raised; the head as read afterwards.
    Raised(Head),
    /// The raise itself could not be done; it may be tried again.
    RaiseFailed,
}

/// What became of groups that waited, in the order they were admitted. `G` names a group to its owner.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled<G> {
    /// On disk: answers that wait for this group may leave.
    Durable(G),
    /// Not applied, or not known: the error's outcome says which.
    Lost(G, Error),
}

/// Whether a group was taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// It waits for the next batch.
    Waiting,
    /// It was not taken and changes nothing.
    Refused(Error),
}

struct Group<G> {
    name: G,
    records: Vec<Record>,
    bytes: usize,
}

/// A batch that has become durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its first position.
    pub first: Position,
    /// Its last one.
    pub last: Position,
    /// Whose the record at the last position is.
    pub entity: EntityId,
    /// It holds no event: nobody need read it for one.
    pub quiet: bool,
}

struct InFlight<G> {
    written: Written,
    groups: Vec<G>,
    /// Its records of outbox, inbox and consumers.
    effects: Vec<(Position, Record)>,
}

/// The machine of one shard. At most one batch is in flight; everything admitted meanwhile folds into the next one.
pub struct Shard<G> {
    id: ShardId,
    owner: Owner,
    head: Head,
    state: State,
    waiting: VecDeque<Group<G>>,
    in_flight: Option<InFlight<G>>,
    /// Records of outbox, inbox and consumers that are durable and were not taken yet.
    effects: Vec<(Position, Record)>,
    /// The last batch, if it was not taken yet.
    written: Option<Written>,
    /// Outbox records that wait for the next batch, and their bytes.
    outgoing: (usize, usize),
    max_batch_bytes: usize,
}

impl<G> Shard<G> {
    /// A shard that `owner` has claimed: `head` is what the raise returned.
    #[must_use]
    pub fn new(id: ShardId, owner: Owner, head: Head, max_batch_bytes: usize) -> Self {
        Self {
            id,
            owner,
            head,
            state: State::Open,
            waiting: VecDeque::new(),
            in_flight: None,
            effects: Vec::new(),
            written: None,
            outgoing: (0, 0),
            max_batch_bytes,
        }
    }

    /// Which shard.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// What it may do now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The head as far as it is known to be durable.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Whether nothing waits and nothing is in flight, so an entity may be handed over (rule 11).
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_none()
    }

    /// Takes one command's records, which are applied together or not at all. Size is checked here, before batching,
    /// so that no group poisons a batch.
    pub fn admit(&mut self, name: G, records: Vec<Record>) -> Admission {
        if self.state == State::Closed {
            return Admission::Refused(Error::fenced("this node no longer owns the shard").at("shard", self.id));
        }
        let bytes: usize = records.iter().map(Record::size).sum();
        if bytes > self.max_batch_bytes {
            let said = format!("a command's records take {bytes} bytes, a batch holds {}", self.max_batch_bytes);
            return Admission::Refused(Error::exhausted(said).at("shard", self.id));
        }
        let (number, size) = outgoing(&records);
        self.outgoing = (self.outgoing.0 + number, self.outgoing.1 + size);
        self.waiting.push_back(Group { name, records, bytes });
        Admission::Waiting
    }

    /// Records of outbox, inbox and consumers that have become durable, each with its position, in order.
    pub fn take_effects(&mut self) -> Vec<(Position, Record)> {
        core::mem::take(&mut self.effects)
    }

    /// The batch that has become durable last.
    pub fn take_written(&mut self) -> Option<Written> {
        self.written.take()
    }

    /// Outbox records that are not durable yet: how many, and their bytes.
    #[must_use]
    pub fn outgoing(&self) -> (usize, usize) {
        let flight = self.in_flight.iter().flat_map(|flight| &flight.effects);
        let (number, bytes) = outgoing(flight.map(|(_, record)| record));
        (self.outgoing.0 + number, self.outgoing.1 + bytes)
    }

    /// Takes groups back that only wait: what they rest on was lost. They are not settled by any later input.
    pub fn withdraw(&mut self, which: impl Fn(&G) -> bool) {
        self.waiting.retain(|group| !which(&group.name));
        self.outgoing = outgoing(self.waiting.iter().flat_map(|group| &group.records));
    }

    /// The next batch to write, if the shard may write now and something waits: as many groups as fit, in order.
    pub fn next_batch(&mut self) -> Option<ShardBatch> {
        if self.state != State::Open || self.in_flight.is_some() {
            return None;
        }
        let (mut groups, mut records, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(group) = self.waiting.pop_front_if(|group| bytes + group.bytes <= self.max_batch_bytes) {
            bytes += group.bytes;
            let (number, size) = outgoing(&group.records);
            self.outgoing = (self.outgoing.0 - number, self.outgoing.1 - size);
            records.extend(group.records);
            groups.push(group.name);
        }
        let entity = records.last()?.entity.clone();
        supersede(&mut records);
        let first = self.head.position + 1;
        let batch = ShardBatch { shard: self.id, epoch: self.head.epoch, owner: self.owner, first, records };
        let placed = (first..).zip(&batch.records).filter(|(_, record)| record.is_effect());
        let effects = placed.map(|(position, record)| (position, record.clone())).collect();
        let quiet = !batch.records.iter().any(|record| matches!(record.body, Body::Event(_)));
        let written = Written { first, last: batch.last(), entity, quiet };
        self.in_flight = Some(InFlight { written, groups, effects });
        Some(batch)
    }

    /// Takes an input and says what became of the groups that it settles.
    pub fn step(&mut self, input: ShardInput) -> Vec<Settled<G>> {
        match (self.state, input) {
            (State::Open, ShardInput::Durable) => self.durable(),
            (State::Open, ShardInput::Refused(error)) => self.lost(&error),
            (State::Open, ShardInput::Unknown) => {
                self.state = State::Raising;
                Vec::new()
            }
            (State::Open, ShardInput::Fenced) => {
                let error = Error::fenced("another owner has taken the shard").at("shard", self.id);
                self.close(&error, Outcome::None)
            }
            (State::Raising, ShardInput::Fenced) => {
                let error = Error::fenced("another owner has taken the shard").at("shard", self.id);
                self.close(&error, Outcome::Unknown)
            }
            (State::Raising, ShardInput::Raised(head)) => self.raised(head),
            // A raise that failed is tried again; an answer that comes late, or to a closed shard, settles nothing.
            (State::Raising, _)
            | (State::Closed, _)
            | (State::Open, ShardInput::Raised(_) | ShardInput::RaiseFailed) => Vec::new(),
        }
    }

    fn raised(&mut self, head: Head) -> Vec<Settled<G>> {
        let Some(flight) = &self.in_flight else {
            self.head = head;
            self.state = State::Open;
            return Vec::new();
        };
        let (before, after) = (flight.written.first - 1, flight.written.last);
        if head.position != before && head.position != after {
            let said = format!("the head is at {}, expected {before} or {after}", head.position);
            return self.close(&Error::corrupt(said).at("shard", self.id), Outcome::Unknown);
        }
        self.state = State::Open;
        self.head.epoch = head.epoch;
        self.head.owner = head.owner;
        if head.position == after {
            self.durable()
        } else {
            self.lost(&Error::unavailable("the store did not take the write").at("shard", self.id))
        }
    }

    fn durable(&mut self) -> Vec<Settled<G>> {
        let Some(flight) = self.in_flight.take() else { return Vec::new() };
        self.head.position = flight.written.last;
        self.effects.extend(flight.effects);
        self.written = Some(flight.written);
        flight.groups.into_iter().map(Settled::Durable).collect()
    }

    fn lost(&mut self, error: &Error) -> Vec<Settled<G>> {
        let flight = self.in_flight.take();
        flight.into_iter().flat_map(|flight| flight.groups).map(|name| Settled::Lost(name, error.clone())).collect()
    }

    /// Ends the shard here: the batch in flight with `outcome`, what only waited with none.
    fn close(&mut self, error: &Error, outcome: Outcome) -> Vec<Settled<G>> {
        self.state = State::Closed;
        let mut settled = self.lost(&error.clone().with_outcome(outcome));
        self.outgoing = (0, 0);
        let waiting = self.waiting.drain(..).map(|group| Settled::Lost(group.name, error.clone()));
        settled.extend(waiting);
        settled
    }
}

/// How many outbox records there are among these, and their bytes.
fn outgoing<'a>(records: impl IntoIterator<Item = &'a Record>) -> (usize, usize) {
    let sizes = records.into_iter().filter_map(|record| match &record.body {
        Body::Outbox(call) => Some(call.size()),
        _ => None,
    });
    sizes.fold((0, 0), |(number, bytes), size| (number + 1, bytes + size))
}

/// Of several updates of one value in a batch only the last keeps its payload; every record keeps its place (rule 13).
fn supersede(records: &mut [Record]) {
    let mut newer: BTreeSet<EntityId> = BTreeSet::new();
    for record in records.iter_mut().rev().filter(|record| matches!(record.body, Body::Value(_))) {
        if !newer.insert(record.entity.clone()) {
            record.body = Body::Superseded;
        }
    }
}
