// SPDX-License-Identifier: Apache-2.0
//! Eventing, judged on the way: which event may be given when, and what may be noted of it.
//!
//! Two facts about an event never change: that a handler has heard it, and that it is on disk that it was a dead letter.
//! Everything rests on them.

use std::collections::{BTreeMap, BTreeSet};

use adjoin_entity::Call;
use adjoin_model::{Body, Consumed, Consumption, Ended, EntityId, Position, ShardBatch, ShardId};

use super::World;
use crate::agenda::HostId;
use crate::function::event_of;
use crate::plan::{GROUP, TYPES};

/// What is known of the events that were given.
#[derive(Default)]
pub(crate) struct Given {
    /// Up to where every event of an entity is behind its consumer.
    fronts: BTreeMap<EntityId, Position>,
    /// Up to where every event of a shard is.
    noted: BTreeMap<ShardId, Position>,
    /// Dead letters that an incarnation was told to try again, each with the place in the log that said last that it is
    /// one: once another says so, or that it has ended, that is over.
    pub(super) retried: BTreeMap<(HostId, ShardId, Position), Option<usize>>,
    /// Dead letters that were to be dropped.
    pub(super) dropped: BTreeSet<(ShardId, Position)>,
    /// Entities of which a durable effect was stuck: it did not hold up those behind it.
    pub(crate) stuck: BTreeSet<EntityId>,
    /// Stuck effects that an operator had tried again.
    pub(crate) unstuck: u64,
}

impl World {
    /// An event is given: every earlier one of its entity is behind its consumer, its own end was not noted, and a dead
    /// letter is one that an operator wanted to be tried again.
    pub(super) fn check_given(&mut self, host: HostId, call: &Call) {
        let Some((shard, event)) = event_of(&call.metadata).map(|(shard, event)| (ShardId(shard), event)) else {
            return self.context.violate(|| format!("an event says no id: {:?}", call.metadata));
        };
        let Some(entity) = self.store.record(shard, event).map(|record| record.entity.clone()) else {
            return self.context.violate(|| format!("the event {shard}:{event} is given, but nobody wrote it"));
        };
        let front = self.given.fronts.get(&entity).copied().unwrap_or_default();
        let open = self.first_open(shard, (front + 1, event - 1), Some(&entity));
        let before = open.unwrap_or(event) - 1;
        self.given.fronts.insert(entity.clone(), before.max(front));
        self.context.demand(open.is_none(), || {
            format!("{entity}: the event {shard}:{event} is given while the one at {} has not ended", before + 1)
        });
        // A deposed host does not know what the next one has noted.
        if self.hosts[host].deposed {
            return;
        }
        let found = self.store.consumers(shard).find(|(name, _)| name.group() == GROUP);
        let (passed, dead) = found.map_or((0, false), |(_, one)| (one.passed, one.dead.contains_key(&event)));
        let wanted = self.given.retried.get(&(host, shard, event)) == Some(&self.store.dead_at(shard, event));
        self.context.demand(!dead || wanted, || format!("the dead letter {shard}:{event} is given, but nobody asked"));
        let settled = !dead && self.store.was_settled(shard, event);
        self.context.demand(!settled, || format!("{shard}:{event} is given, but it has ended as a dead letter"));
        self.context.demand(dead || passed < event, || format!("{shard}:{event} is given, but {passed} is noted"));
    }

    /// What is noted of consumers rests on what was heard, and on what operators asked for.
    pub(super) fn check_notes(&mut self, batch: &ShardBatch) {
        for record in &batch.records {
            if let Body::Consumed(note) = &record.body {
                self.check_note(batch.shard, note);
            }
        }
    }

    fn check_note(&mut self, shard: ShardId, note: &Consumption) {
        let event = note.event;
        match note.what {
            Consumed::Passed => {
                let noted = self.given.noted.get(&shard).copied().unwrap_or_default();
                let open = self.first_open(shard, (noted + 1, event), None);
                self.given.noted.insert(shard, open.map_or(event, |open| open - 1).max(noted));
                self.context.demand(open.is_none(), || format!("{shard}: {event} is noted, but {open:?} is open"));
            }
            Consumed::Dead { attempts, .. } => {
                let least = self.context.plan.gives_up_after().unwrap_or(u32::MAX);
                self.context.demand(attempts >= least, || format!("{shard}:{event} is dead after {attempts} attempts"));
            }
            Consumed::Settled(Ended::Ran) | Consumed::Ahead(Ended::Ran) => {
                let heard = self.functions.heard.contains_key(&(shard.0, event));
                self.context.demand(heard, || format!("the dead letter {shard}:{event} is noted to have run"));
            }
            Consumed::Settled(ended) | Consumed::Ahead(ended) => {
                let asked = ended == Ended::Dropped && self.given.dropped.contains(&(shard, event));
                self.context.demand(asked, || format!("the dead letter {shard}:{event} is {ended:?}: nobody asked"));
            }
        }
    }

    /// The first event between two positions, of this entity or of any, that was neither heard nor a dead letter.
    fn first_open(
        &self,
        shard: ShardId,
        (from, to): (Position, Position),
        entity: Option<&EntityId>,
    ) -> Option<Position> {
        (from..=to).find(|position| {
            let Some(record) = self.store.record(shard, *position) else { return false };
            let its = entity.is_none_or(|entity| record.entity == *entity);
            let event = matches!(record.body, Body::Event(_)) && record.entity.entity_type() == TYPES[0].0;
            let ended = || self.functions.heard.contains_key(&(shard.0, *position));
            its && event && !ended() && !self.store.was_dead(shard, *position)
        })
    }
}
