// SPDX-License-Identifier: Apache-2.0
//! Between driver and store: requests that are slow, lost, doubled, late or refused, and what the driver makes of it.

use adjoin_entity::{ConsumerPlace, EventPage, Input, LoadId, ShardInput};
use adjoin_model::{
    EntityId, EntityPage, Error, Head, LoadRequest, Owner, Position, Result, ShardBatch, ShardId, Snapshot,
};

use crate::agenda::{Arrival, Event, HostId, MS, Time};
use crate::fault::Fault;
use crate::mutant::Mutant;
use crate::store::Refusal;
use crate::world::World;

/// Names a request of a driver to the store.
pub(crate) type RequestId = u64;

/// What a driver asks of the store.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Write(ShardBatch),
    Raise { shard: ShardId, expected: Head, owner: Owner },
    Head(ShardId),
    Load { entity: EntityId, request: LoadRequest },
    Keep { entity: EntityId, snapshot: Snapshot },
    Trim { shard: ShardId, delivered: Vec<Position> },
    Events { shard: ShardId, from: Position, max_bytes: usize },
}

/// What the store says.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Durable,
    Refused(Error),
    Fenced(Head),
    Raised(Head),
    Page(Result<EntityPage>),
    Events(Result<EventPage>),
}

/// Why a driver asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Write(ShardId),
    /// With the position that a driver believes in that reads before it raises.
    Raise(ShardId, Option<u64>),
    Claim(ShardId),
    Load(LoadId),
    Events {
        shard: ShardId,
        consumer: ConsumerPlace,
        from: Position,
    },
    Keep,
}

/// A request that is not answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) host: HostId,
    pub(crate) index: u8,
    pub(crate) purpose: Purpose,
}

/// What a request came to at the store.
enum Landed {
    /// Applied: once so much of the log is synced, the answer may leave.
    Applied(usize, Option<Said>),
    /// Nothing was applied; this is the answer.
    Told(Said),
}

impl World {
    /// Sends a request on its way.
    pub(crate) fn submit(&mut self, host: HostId, index: u8, purpose: Purpose, asked: Asked) {
        self.requests_made += 1;
        let request = self.requests_made;
        if purpose != Purpose::Keep {
            self.requests.insert(request, Pending { host, index, purpose });
            let patience = self.context.plan.store_patience;
            self.context.after(patience, Event::TimesOut { request });
        }
        if self.hosts[host].cut_until > self.context.now {
            return;
        }
        let travels = self.store_delay();
        let lands = |asked: Asked, how| Event::Lands { request, host, asked: Box::new(asked), how };
        match asked {
            Asked::Write(batch) => self.send_write(request, host, travels, batch),
            Asked::Raise { .. } => {
                if self.context.befalls(Fault::RaiseFailed) {
                    let error = Error::unavailable("the store does not answer");
                    return self.context.after(travels, answers(request, Said::Refused(error)));
                }
                let lost = self.context.befalls(Fault::RaiseAckLost);
                let how = if lost { Arrival::Mute } else { Arrival::Plain };
                self.context.after(travels, lands(asked, how));
            }
            Asked::Load { .. } => {
                let failed = self.context.befalls(Fault::LoadFailed).then(|| Error::unavailable("a read failed"));
                let error = failed.or_else(|| {
                    self.context.befalls(Fault::CorruptPage).then(|| Error::corrupt("a page's checksum differs"))
                });
                match error {
                    Some(error) => self.context.after(travels, answers(request, Said::Page(Err(error)))),
                    None => self.context.after(travels, lands(asked, Arrival::Plain)),
                }
            }
            Asked::Events { .. } if self.context.befalls(Fault::LoadFailed) => {
                let error = Error::unavailable("a read failed");
                self.context.after(travels, answers(request, Said::Events(Err(error))));
            }
            Asked::Keep { .. } if self.context.befalls(Fault::SnapshotLost) => {}
            Asked::Keep { .. } | Asked::Trim { .. } | Asked::Head(_) | Asked::Events { .. } => {
                self.context.after(travels, lands(asked, Arrival::Plain))
            }
        }
    }

    fn send_write(&mut self, request: RequestId, host: HostId, travels: Time, batch: ShardBatch) {
        if self.context.mutant == Some(Mutant::EpochReadFirst) {
            let head = self.store.head(batch.shard);
            if (head.epoch, head.owner) != (batch.epoch, Some(batch.owner)) {
                return self.context.after(travels, answers(request, Said::Fenced(head)));
            }
        }
        if self.context.befalls(Fault::WriteRefused) {
            let error = Error::unavailable("the store refuses to write");
            return self.context.after(travels, answers(request, Said::Refused(error)));
        }
        if self.context.befalls(Fault::WriteLost) {
            return;
        }
        let asked = Box::new(Asked::Write(batch));
        if self.context.befalls(Fault::LateWrite) {
            // Half of them land while the driver is about to find out, the others much later.
            let spread = self.context.random.pick(&[2, 2000]);
            let late = self.context.plan.store_patience + self.context.random.between(0, spread) * MS;
            return self.context.after(late, Event::Lands { request, host, asked, how: Arrival::Mute });
        }
        let mut how = if self.context.befalls(Fault::AckLost) { Arrival::Mute } else { Arrival::Plain };
        if self.context.befalls(Fault::WriteTwice) {
            let again = travels + self.context.random.between(0, 1000) * MS;
            self.context.after(again, Event::Lands { request, host, asked: asked.clone(), how: Arrival::Mute });
            how = if how == Arrival::Plain { Arrival::Doubled } else { how };
        }
        self.context.after(travels, Event::Lands { request, host, asked, how });
    }

    fn store_delay(&mut self) -> Time {
        let quick = self.context.random.between(20, 300);
        if self.store.slow { quick + self.context.random.around(self.context.plan.store_patience / 2) } else { quick }
    }

    /// A request reaches the store.
    pub(crate) fn lands(&mut self, request: RequestId, host: HostId, asked: Asked, how: Arrival) {
        if self.context.plan.local && !self.hosts[host].is_alive() {
            return;
        }
        let landed = if self.store.down { Landed::Told(unavailable(&asked)) } else { self.apply(asked) };
        match landed {
            Landed::Applied(upto, said) => self.applied(request, upto, said, how == Arrival::Mute),
            Landed::Told(said) if how == Arrival::Plain => {
                let travels = self.store_delay();
                self.context.after(travels, answers(request, said));
            }
            Landed::Told(_) => {}
        }
    }

    /// Does what is asked.
    fn apply(&mut self, asked: Asked) -> Landed {
        let full = || Landed::Told(Said::Refused(Error::exhausted("no space left").retry_after(1000)));
        match asked {
            Asked::Write(_) | Asked::Raise { .. } if self.store.full => full(),
            Asked::Write(batch) => match self.store.write(&batch) {
                Ok(upto) => Landed::Applied(upto, Some(Said::Durable)),
                Err(refusal) => Landed::Told(self.refused(&batch, refusal)),
            },
            Asked::Raise { shard, expected, owner } => match self.store.raise(shard, expected, owner) {
                Ok((head, upto)) => Landed::Applied(upto, Some(Said::Raised(head))),
                Err(Refusal::Fenced(head) | Refusal::Position(head)) => Landed::Told(Said::Fenced(head)),
                Err(Refusal::Sequence) => Landed::Told(Said::Refused(Error::internal("a raise has no sequence"))),
            },
            Asked::Head(shard) => Landed::Told(Said::Raised(self.store.head(shard))),
            Asked::Load { entity, request } => Landed::Told(Said::Page(Ok(self.store.load(&entity, request)))),
            Asked::Events { shard, from, max_bytes } => {
                Landed::Told(Said::Events(Ok(self.store.events(shard, from, max_bytes))))
            }
            Asked::Keep { entity, snapshot } => Landed::Applied(self.store.keep_snapshot(entity, snapshot), None),
            Asked::Trim { shard, delivered } => Landed::Applied(self.store.trim(shard, delivered), None),
        }
    }

    fn refused(&mut self, batch: &ShardBatch, refusal: Refusal) -> Said {
        match refusal {
            Refusal::Fenced(head) => {
                self.context.count(Fault::StaleWrite);
                Said::Fenced(head)
            }
            // Of a write that came twice the first is answered, so this answer is heard only if the count is lost.
            Refusal::Position(head) => {
                Said::Refused(Error::corrupt(format!("position {} after {}", batch.first, head.position)))
            }
            Refusal::Sequence => Said::Refused(Error::corrupt("a sequence does not follow")),
        }
    }

    fn applied(&mut self, request: RequestId, upto: usize, said: Option<Said>, mute: bool) {
        let syncs = self.store_delay() + self.context.random.around(self.context.plan.sync);
        self.maybe_crash_before(syncs);
        let early = matches!(
            (&said, self.context.mutant),
            (Some(Said::Durable), Some(Mutant::AcknowledgeBeforeSync))
                | (Some(Said::Raised(_)), Some(Mutant::RaiseNotDurable))
        );
        let mut answer = said.filter(|_| !mute).map(|said| (request, Box::new(said)));
        if early && let Some((request, said)) = answer.take() {
            self.context.after(20, Event::Answers { request, said });
        }
        self.context.after(syncs, Event::Synced { boot: self.store.boot, upto, answer });
    }

    /// Crashes just while something is not synced are rare, and are what a store is judged by.
    fn maybe_crash_before(&mut self, syncs: Time) {
        let local = self.context.plan.local;
        let fault = if local { Fault::PowerLoss } else { Fault::StoreRestart };
        if self.context.plan.pause(fault).is_some() && self.context.random.chance(20) {
            let strikes = self.context.random.below(syncs);
            self.context.after(strikes, Event::Strikes { fault, again: false });
        }
    }

    pub(crate) fn synced(&mut self, boot: u32, upto: usize, answer: Option<(RequestId, Box<Said>)>) {
        if boot != self.store.boot {
            return;
        }
        self.store.sync(upto);
        if let Some((request, said)) = answer {
            let travels = self.context.random.between(20, 200);
            self.context.after(travels, Event::Answers { request, said });
        }
    }

    /// The store's answer reaches the driver, unless that has given up.
    pub(crate) fn answers(&mut self, request: RequestId, said: Said) {
        let Some(Pending { host, index, purpose }) = self.requests.get(&request).copied() else { return };
        if !self.hosts[host].is_alive() || self.hosts[host].deaf_until > self.context.now {
            return;
        }
        self.requests.remove(&request);
        match purpose {
            Purpose::Write(shard) => self.written(host, index, shard, said),
            Purpose::Raise(shard, position) => self.raised(host, index, shard, position, said),
            Purpose::Claim(shard) => self.claimed(host, shard, said),
            Purpose::Load(load) => {
                let page = match said {
                    Said::Page(page) => page,
                    Said::Refused(error) => Err(error),
                    other => Err(Error::internal(format!("a read was answered {other:?}"))),
                };
                self.push(host, index, Input::Loaded { load, page });
            }
            Purpose::Events { shard, consumer, from } => {
                let page = match said {
                    Said::Events(page) => page,
                    Said::Refused(error) => Err(error),
                    other => Err(Error::internal(format!("a read was answered {other:?}"))),
                };
                self.push(host, index, Input::EventsRead { shard, consumer, from, page });
            }
            Purpose::Keep => {}
        }
    }

    fn written(&mut self, host: HostId, index: u8, shard: ShardId, said: Said) {
        let input = match said {
            Said::Durable => ShardInput::Durable,
            Said::Fenced(_) => ShardInput::Fenced,
            Said::Refused(error) => {
                let lost_count = error.kind == adjoin_model::Kind::Corrupt;
                self.context.demand(!lost_count, || format!("shard {shard}: a writer has lost count: {error}"));
                ShardInput::Refused(error)
            }
            Said::Raised(_) | Said::Page(_) | Said::Events(_) => ShardInput::Unknown,
        };
        self.push(host, index, Input::Shard { shard, input });
    }

    fn raised(&mut self, host: HostId, index: u8, shard: ShardId, position: Option<u64>, said: Said) {
        let owner = self.hosts[host].owner;
        let input = match said {
            Said::Raised(head) => ShardInput::Raised(Head { position: position.unwrap_or(head.position), ..head }),
            // An earlier raise of this host was applied and its answer lost: it goes on from there.
            Said::Fenced(head) if head.owner == Some(owner) => {
                let asked = Asked::Raise { shard, expected: head, owner };
                return self.submit(host, index, Purpose::Raise(shard, position), asked);
            }
            Said::Fenced(_) => ShardInput::Fenced,
            Said::Durable | Said::Refused(_) | Said::Page(_) | Said::Events(_) => ShardInput::RaiseFailed,
        };
        self.push(host, index, Input::Shard { shard, input });
    }

    /// The driver has waited long enough: it does not know.
    pub(crate) fn times_out(&mut self, request: RequestId) {
        let Some(Pending { host, index, purpose }) = self.requests.remove(&request) else { return };
        if !self.hosts[host].is_alive() {
            return;
        }
        let error = || Error::unavailable("the store did not answer in time");
        match purpose {
            Purpose::Write(shard) => {
                let input = match self.context.mutant {
                    Some(Mutant::UnknownAsRefused) => ShardInput::Refused(error()),
                    Some(Mutant::UnknownAsDurable) => ShardInput::Durable,
                    _ => ShardInput::Unknown,
                };
                self.push(host, index, Input::Shard { shard, input });
            }
            Purpose::Raise(shard, _) => {
                self.push(host, index, Input::Shard { shard, input: ShardInput::RaiseFailed });
            }
            Purpose::Claim(shard) => self.context.after(100 * MS, Event::ClaimAgain { host, shard: shard.0 }),
            Purpose::Load(load) => self.push(host, index, Input::Loaded { load, page: Err(error()) }),
            Purpose::Events { shard, consumer, from } => {
                self.push(host, index, Input::EventsRead { shard, consumer, from, page: Err(error()) });
            }
            Purpose::Keep => {}
        }
    }
}

fn answers(request: RequestId, said: Said) -> Event {
    Event::Answers { request, said: Box::new(said) }
}

/// Nobody listens: nothing was done, and the driver knows it.
fn unavailable(asked: &Asked) -> Said {
    let error = Error::unavailable("the store is down");
    match asked {
        Asked::Load { .. } => Said::Page(Err(error)),
        Asked::Events { .. } => Said::Events(Err(error)),
        Asked::Write(_) | Asked::Raise { .. } | Asked::Head(_) | Asked::Keep { .. } | Asked::Trim { .. } => {
            Said::Refused(error)
        }
    }
}
