// SPDX-License-Identifier: Apache-2.0
//! One entity: what is read of it at activation.

use std::collections::BTreeMap;
use std::mem;

use adjoin_model::{
    Body, Dedup, EntityPage, LoadRequest, Payload, Position, Record, Sequence, ShardId, Snapshot, Wall,
};

/// Where a record stands in the journal.
pub(super) type Place = (ShardId, Position);

#[derive(Default)]
pub(super) struct Entity {
    pub(super) last: Sequence,
    /// The sequence of the last delete, 0 when there was none.
    deleted_at: Sequence,
    events: BTreeMap<Sequence, Payload>,
    value: Option<(Place, Sequence, Payload)>,
    /// At most two, the newest last.
    snapshots: Vec<Snapshot>,
    dedup: Vec<(Place, Dedup)>,
    /// Of all its records, for purge.
    pub(super) places: Vec<Place>,
}

impl Entity {
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted_at != 0 && self.deleted_at == self.last
    }

    /// When the last of its idempotency records expires; 0 without any.
    pub(super) fn remembered(&self) -> Wall {
        self.dedup.iter().map(|(_, dedup)| dedup.expires).max().unwrap_or_default()
    }

    /// Takes a record whose sequence was checked; answers the place of a value that it replaced.
    pub(super) fn apply(&mut self, record: &Record, place: Place) -> Option<Place> {
        self.places.push(place);
        if record.is_sequenced() {
            self.last = record.sequence;
        }
        let replaced = match &record.body {
            Body::Event(payload) => {
                self.events.insert(record.sequence, payload.clone());
                None
            }
            Body::Value(payload) => self.value.replace((place, record.sequence, payload.clone())),
            // Effects say nothing of the entity, and never come here.
            Body::Superseded | Body::Outbox(_) | Body::Inbox(_) | Body::Done { .. } | Body::Consumed(_) => None,
            Body::Delete => {
                self.deleted_at = record.sequence;
                self.value.take()
            }
            Body::Dedup(dedup) => {
                self.dedup.push((place, dedup.clone()));
                None
            }
        };
        replaced.map(|(place, ..)| place)
    }

    pub(super) fn keep_snapshot(&mut self, snapshot: &Snapshot) {
        let newest = self.snapshots.last().map_or(0, |newest| newest.sequence);
        if snapshot.sequence <= newest.max(self.deleted_at) || snapshot.sequence > self.last {
            return;
        }
        self.snapshots.push(snapshot.clone());
        if self.snapshots.len() > 2 {
            self.snapshots.remove(0);
        }
    }

    pub(super) fn page(&self, request: LoadRequest) -> EntityPage {
        let mut page = EntityPage { last: self.last, deleted: self.is_deleted(), ..EntityPage::default() };
        if request.after.is_none() {
            page.snapshot = self.snapshot(request.snapshot_below).cloned();
            page.value = self.value.as_ref().map(|(_, sequence, payload)| (*sequence, payload.clone()));
            page.dedup = self.dedup.iter().map(|(_, dedup)| dedup.clone()).collect();
        }
        let read = page.snapshot.as_ref().map_or(0, |snapshot| snapshot.sequence);
        let after = request.after.unwrap_or(read).max(self.deleted_at);
        let mut bytes = 0;
        for (sequence, payload) in self.events.range(after + 1..) {
            bytes += payload.size();
            if !page.events.is_empty() && bytes > request.max_bytes {
                page.more = true;
                break;
            }
            page.events.push((*sequence, payload.clone()));
        }
        page
    }

    fn snapshot(&self, below: Option<Sequence>) -> Option<&Snapshot> {
        let usable = |snapshot: &&Snapshot| {
            snapshot.sequence > self.deleted_at && below.is_none_or(|below| snapshot.sequence < below)
        };
        self.snapshots.iter().rev().find(usable)
    }

    /// Takes out what expired at or before `now`; answers where it stood.
    pub(super) fn sweep(&mut self, now: Wall) -> Vec<Place> {
        let (gone, kept) = mem::take(&mut self.dedup).into_iter().partition(|(_, dedup)| dedup.expires <= now);
        self.dedup = kept;
        let gone: Vec<(Place, Dedup)> = gone;
        gone.into_iter().map(|(place, _)| place).collect()
    }
}
