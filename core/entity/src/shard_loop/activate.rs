// SPDX-License-Identifier: Apache-2.0
//! From parked to active and back: loading, replaying, and the end of an activation (rules 10 to 12).

use adjoin_model::{EntityPage, Error, LoadRequest, Outcome, Payload, Result, Sequence};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;

use super::ShardLoop;
use super::dedup::Dedups;
use super::entity::{Entity, Growth, Loading, NONE, Slot};
use super::job::{Ask, Job};
use super::sessions::Starved;
use crate::frame::{ActivationId, HostFrame};
use crate::io::{LoadId, Output, SessionId};
use crate::mutant::Mutant;
use crate::phase::{On, Phase};

/// Replays of one activation that the function may hold unanswered.
const REPLAYS: u32 = 2;

impl ShardLoop {
    /// Moves an entity by the table. A move that the table does not know is a bug: it is refused and leaves it as it is.
    pub(super) fn go(&mut self, slot: Slot, on: On) -> bool {
        let Some(entity) = self.entities.get_mut(slot) else { return false };
        let Some(next) = entity.phase.next(on) else {
            debug_assert!(false, "{:?} does not know {on:?}", entity.phase);
            return false;
        };
        let under_way = |phase| matches!(phase, Phase::Loading | Phase::Replaying);
        match (under_way(entity.phase), under_way(next)) {
            (false, true) => self.activating += 1,
            (true, false) => self.activating = self.activating.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
        entity.phase = next;
        true
    }

    /// A parked entity that somebody wants queues for its activation; one that nobody wants leaves.
    pub(super) fn want(&mut self, slot: Slot) {
        let Some(entity) = self.entities.get(slot) else { return };
        if entity.phase != Phase::Parked {
            return;
        }
        if !entity.is_wanted() {
            self.entities.remove(slot);
        } else if self.sessions.choose(entity.id.entity_type()).is_some() && self.go(slot, On::Wanted) {
            self.waiting.push_back(slot);
        }
    }

    /// Lets a parked entity go if nobody waits for it any more.
    pub(super) fn unwanted(&mut self, slot: Slot) {
        let parked =
            self.entities.get(slot).is_some_and(|e| e.phase == Phase::Parked && !e.is_wanted() && e.is_quiet());
        if parked {
            self.entities.remove(slot);
        }
    }

    /// Starts as many activations as may be under way at once.
    pub(super) fn begin_activations(&mut self) {
        while self.activating < self.settings.limits.activations || self.is(Mutant::ActivationsUnbounded) {
            let Some(slot) = self.waiting.pop_front() else { return };
            let Some(entity) = self.entities.get(slot).filter(|e| e.phase == Phase::Waiting) else { continue };
            match self.sessions.choose(entity.id.entity_type()) {
                None => {
                    self.go(slot, On::SessionLost);
                    if let Some(entity) = self.entities.get_mut(slot) {
                        entity.restarts = false;
                    }
                    self.bound_function_wait(slot);
                    self.unwanted(slot);
                }
                Some(session) => {
                    self.go(slot, On::PlaceFree);
                    if let Some(entity) = self.entities.get_mut(slot) {
                        entity.session = session;
                        entity.loading = Some(Box::default());
                    }
                    self.ask_store(slot, None);
                }
            }
        }
    }

    fn ask_store(&mut self, slot: Slot, after: Option<Sequence>) {
        let load = self.name_at(slot);
        let max_bytes = self.settings.page_bytes;
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let Some(loading) = entity.loading.as_mut() else { return };
        loading.load = load;
        let request = LoadRequest { after, snapshot_below: loading.snapshot_below, max_bytes };
        self.out.push(Output::Load { load, entity: entity.id.clone(), request });
    }

    /// A number that is never given again, with the slot in its middle and the loop in its lowest byte.
    fn name_at(&mut self, slot: Slot) -> u64 {
        self.counter += 1;
        self.counter << 32 | u64::from(slot & 0x00ff_ffff) << 8 | u64::from(self.settings.index)
    }

    pub(super) fn loaded(&mut self, load: LoadId, page: Result<EntityPage>) {
        let slot = slot_of(load);
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let Some(loading) = entity.loading.as_mut().filter(|loading| loading.load == load) else { return };
        loading.load = 0;
        match page.and_then(|page| check_page(entity, page)) {
            Err(error) => self.load_failed(slot, &error),
            Ok(page) => self.replay(slot, page),
        }
    }

    /// Hands a page to the function: the first one begins the activation.
    fn replay(&mut self, slot: Slot, page: EntityPage) {
        let first = self.entities.get(slot).is_some_and(|entity| entity.activation == 0);
        let page = if first { self.activate(slot, page) } else { page };
        if !self.go(slot, On::Page) {
            return;
        }
        let Some(entity) = self.entities.get_mut(slot) else { return };
        entity.growth.events = entity.growth.events.saturating_add(page.events.len() as u32);
        entity.growth.bytes += page.events.iter().map(|(_, event)| event.size() as u64).sum::<u64>();
        let (session, activation) = (entity.session, entity.activation);
        let Some(loading) = entity.loading.as_mut() else { return };
        loading.unanswered += 1;
        loading.more = page.more;
        loading.sent = page.events.last().map_or(loading.sent, |(sequence, _)| *sequence);
        self.send(session, HostFrame::Replay { activation, events: page.events, last: !page.more });
        self.read_ahead(slot);
    }

    fn activate(&mut self, slot: Slot, page: EntityPage) -> EntityPage {
        let activation = self.name_at(slot);
        let (now, bound) = (self.dedup_clock(), self.dedup_bound());
        let forgets = self.is(Mutant::DedupForgotten);
        let Some(entity) = self.entities.get_mut(slot) else { return page };
        let (shard, session, entity_id) = (entity.shard, entity.session, entity.id.clone());
        entity.activation = activation;
        entity.restarts = false;
        entity.sequence = page.last;
        entity.durable = page.last;
        entity.dedups = None;
        for record in page.dedup.into_iter().filter(|_| !forgets) {
            entity.dedups.get_or_insert_default().keep(record, now, bound);
        }
        let snapshot = page.snapshot.as_ref().map(|snapshot| snapshot.sequence);
        let (sequence, state) = start_of(page.snapshot.map(|s| (s.sequence, s.state)), page.value);
        entity.growth = Growth { snapshot_bytes: state.as_ref().map_or(0, |s| s.size() as u64), ..Growth::default() };
        if let Some(loading) = entity.loading.as_mut() {
            loading.last = page.last;
            loading.deleted = page.deleted;
            loading.sent = sequence;
            loading.snapshot = snapshot;
        }
        let epoch = self.owned(shard).map(|owned| owned.shard.head().epoch).unwrap_or_default();
        if let Some(session) = self.sessions.get_mut(session) {
            session.activated();
        }
        self.send(session, HostFrame::Activate { activation, entity: entity_id, epoch, sequence, state });
        EntityPage { events: page.events, more: page.more, ..EntityPage::default() }
    }

    /// Asks for the next page while the function folds this one.
    fn read_ahead(&mut self, slot: Slot) {
        let Some(loading) = self.entities.get(slot).and_then(|entity| entity.loading.as_ref()) else { return };
        if loading.more && loading.load == 0 && loading.unanswered < REPLAYS {
            let after = loading.sent;
            self.ask_store(slot, Some(after));
        }
    }

    pub(super) fn replayed(&mut self, session: SessionId, activation: ActivationId, sequence: Sequence) {
        let takes_short = self.is(Mutant::ShortReplayTaken);
        let Some(slot) = self.activation(session, activation) else { return };
        let Some(entity) = self.entities.get_mut(slot).filter(|entity| entity.phase == Phase::Replaying) else {
            return;
        };
        let Some(loading) = entity.loading.as_mut() else { return };
        loading.unanswered = loading.unanswered.saturating_sub(1);
        if loading.more || loading.unanswered > 0 {
            return self.read_ahead(slot);
        }
        if sequence != loading.sent && !takes_short {
            let said = format!("the function folded up to {sequence}, it was sent up to {}", loading.sent);
            let error = Error::protocol(said).with_outcome(Outcome::None).at("entity", &entity.id);
            return self.activation_over(slot, On::ActivationFailed, &error);
        }
        entity.loading = None;
        self.go(slot, On::Replayed);
        self.make_ready(slot);
        self.ask_watches(slot);
    }

    pub(super) fn activation_failed(&mut self, session: SessionId, id: ActivationId, error: Error, unreadable: bool) {
        let Some(slot) = self.activation(session, id) else { return };
        let Some(entity) = self.entities.get_mut(slot) else { return };
        if entity.phase != Phase::Replaying {
            return self.end_activation(slot, On::Discarded, false);
        }
        let snapshot = entity.loading.as_ref().and_then(|loading| loading.snapshot);
        let Some(below) = snapshot.filter(|_| unreadable) else {
            let error = error.at("entity", &entity.id).with_outcome(Outcome::None);
            return self.activation_over(slot, On::ActivationFailed, &error);
        };
        entity.activation = 0;
        entity.loading = Some(Box::new(Loading { snapshot_below: Some(below), ..Loading::default() }));
        if let Some(session) = self.sessions.get_mut(session) {
            session.deactivated();
        }
        self.go(slot, On::SnapshotUnreadable);
        self.ask_store(slot, None);
    }

    fn load_failed(&mut self, slot: Slot, error: &Error) {
        let Some(entity) = self.entities.get(slot) else { return };
        let error = error.clone().with_outcome(Outcome::None).at("entity", &entity.id);
        self.activation_over(slot, On::LoadFailed, &error);
    }

    /// An activation could not be completed: those who wait are told, so that nobody waits for what does not come.
    fn activation_over(&mut self, slot: Slot, on: On, error: &Error) {
        let jobs = self.entities.get_mut(slot).map(|entity| core::mem::take(&mut entity.mailbox)).unwrap_or_default();
        for job in jobs {
            self.fail(job, error.clone());
        }
        self.fail_watches(slot, error);
        self.end_activation(slot, on, true);
    }

    /// Ends what the function has of an entity. What it had not answered waits at the front of the mailbox again.
    pub(super) fn end_activation(&mut self, slot: Slot, on: On, tell: bool) {
        let Some(entity) = self.entities.get(slot) else { return };
        let (session, activation) = (entity.session, entity.activation);
        self.requeue(slot, VecDeque::new());
        let Some(entity) = self.entities.get_mut(slot) else { return };
        entity.activation = 0;
        entity.session = 0;
        entity.loading = None;
        entity.restarts &= on == On::Discarded;
        if core::mem::take(&mut entity.starved)
            && let Some(session) = self.sessions.get_mut(session)
        {
            // It may come back in another session, which would never feed it.
            session.starved.retain(|one| !matches!(one, Starved::Entity(other) if *other == slot));
        }
        if activation != 0 {
            if let Some(session) = self.sessions.get_mut(session) {
                session.deactivated();
            }
            if tell {
                self.send(session, HostFrame::Deactivate { activation });
            }
            self.feed_starved(session);
        }
        self.go(slot, on);
        match self.entities.get(slot).map(|entity| entity.phase) {
            Some(Phase::Settling) => self.settle(slot),
            Some(Phase::Parked) => self.park(slot),
            _ => {}
        }
    }

    /// Puts `first` and everything that the function has not answered back to the front of the mailbox, in order; the
    /// credit that it had is free again.
    pub(super) fn requeue(&mut self, slot: Slot, first: VecDeque<Box<Job>>) {
        let counts = !self.is(Mutant::AttemptKept);
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let unanswered: Vec<Box<Job>> = entity.running.drain(..).chain(entity.queries.drain(..)).collect();
        if let Some(session) = self.sessions.get_mut(entity.session) {
            unanswered.iter().for_each(|job| session.give_credit(job.bytes()));
        }
        let mut again: Vec<Box<Job>> = first.into_iter().chain(unanswered).collect();
        again.retain(|job| !job.abandoned || !job.followers.is_empty());
        let watches = &entity.watches;
        again.retain(|job| job.ask != Ask::Watch || watches.iter().any(|watch| watch.call.id == job.id()));
        for mut job in again.into_iter().rev() {
            job.again(counts);
            entity.mailbox.push_front(job);
        }
        entity.growth.asked = false;
    }

    /// Leaves Settling once no append is open.
    pub(super) fn settle(&mut self, slot: Slot) {
        let blind = self.is(Mutant::ReloadInFlight);
        let Some(entity) = self.entities.get_mut(slot) else { return };
        if entity.phase != Phase::Settling || (entity.groups != entity.settled && !blind) {
            return;
        }
        entity.sequence = entity.durable;
        entity.dedups = None;
        self.go(slot, On::Settled);
        self.park(slot);
    }

    fn park(&mut self, slot: Slot) {
        self.want(slot);
        if self.entities.get(slot).is_some_and(|entity| entity.phase == Phase::Parked) {
            self.bound_function_wait(slot);
        }
    }

    /// The slot of an activation, if it is still that one, in that session.
    pub(super) fn activation(&self, session: SessionId, activation: ActivationId) -> Option<Slot> {
        let slot = slot_of(activation);
        let entity = self.entities.get(slot)?;
        (activation != 0 && entity.activation == activation && entity.session == session).then_some(slot)
    }
}

fn slot_of(name: u64) -> Slot {
    let slot = (name >> 8) as u32 & 0x00ff_ffff;
    if slot == 0x00ff_ffff { NONE } else { slot }
}

/// The state that an activation starts from.
fn start_of(snapshot: Option<(Sequence, Payload)>, value: Option<(Sequence, Payload)>) -> (Sequence, Option<Payload>) {
    snapshot.or(value).map_or((0, None), |(sequence, state)| (sequence, Some(state)))
}

/// Says whether a page continues what came before and, if it is the last, ends where the entity does: a journal with a
/// hole must never become a state.
fn check_page(entity: &Entity, page: EntityPage) -> Result<EntityPage> {
    let first = entity.activation == 0;
    let start = match (&entity.loading, first) {
        (Some(loading), false) => loading.sent,
        _ => start_of(page.snapshot.clone().map(|s| (s.sequence, s.state)), page.value.clone()).0,
    };
    let last = match (&entity.loading, first) {
        (Some(loading), false) => loading.last,
        _ => page.last,
    };
    let mut before = start;
    for (sequence, _) in &page.events {
        // Without a state before them, the first events are those after the last delete: any start is sound.
        if before != 0 && *sequence != before + 1 {
            return Err(hole(entity, before + 1, *sequence));
        }
        before = *sequence;
    }
    let deleted = if first { page.deleted } else { entity.loading.as_ref().is_some_and(|loading| loading.deleted) };
    if !page.more && !deleted && before != last {
        return Err(hole(entity, before + 1, last));
    }
    Ok(page)
}

fn hole(entity: &Entity, expected: Sequence, found: Sequence) -> Error {
    let said = format!("the journal goes on at sequence {found} where {expected} should follow");
    Error::corrupt(said).at("entity", &entity.id)
}

/// Dedup records of an activation.
pub(super) fn dedups(entity: &mut Entity) -> &mut Dedups {
    entity.dedups.get_or_insert_default()
}
