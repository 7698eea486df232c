// SPDX-License-Identifier: Apache-2.0
//! Reading one entity.

use std::sync::Arc;

use adjoin_model::{EntityId, EntityPage, Error, LoadRequest, Payload, Result, Sequence, Snapshot};
use bytes::{Bytes, BytesMut};

use super::{of_entity, row};
use crate::db::{Family, View};
use crate::rows::{EntityRow, decode_event, decode_snapshot, decode_value};
use crate::{dedup, keys};

/// Reads a page of an entity.
pub(crate) fn load(view: &View<'_>, id: &EntityId, request: LoadRequest) -> Result<EntityPage> {
    let Some((key, row)) = row(view, id)? else { return Ok(EntityPage::default()) };
    let entity = Entity { view, id, key: &key, row };
    let mut page = row.page();
    if request.after.is_none() {
        page.snapshot = entity.snapshot(request.snapshot_below)?;
        page.value = entity.value()?;
        page.dedup = entity.dedup()?;
    }
    let read = page.snapshot.as_ref().map_or(0, |snapshot| snapshot.sequence);
    let after = request.after.unwrap_or(read).max(row.deleted_at);
    (page.events, page.more) = entity.events(after, request.max_bytes)?;
    Ok(page)
}

/// Reads what an entity has beside its events, and its last event; answers whether there is such an entity.
///
/// Verification comes here after the journal, by which it has met every event.
pub(crate) fn check(view: &View<'_>, id: &EntityId) -> Result<bool> {
    let Some((key, row)) = row(view, id)? else { return Ok(false) };
    let entity = Entity { view, id, key: &key, row };
    let mut below = None;
    while let Some(snapshot) = entity.snapshot(below)? {
        below = Some(snapshot.sequence);
    }
    entity.value()?;
    entity.dedup()?;
    if row.events && !row.value {
        entity.events(row.last.saturating_sub(1), usize::MAX)?;
    }
    Ok(true)
}

struct Entity<'a> {
    view: &'a View<'a>,
    id: &'a EntityId,
    key: &'a [u8],
    row: EntityRow,
}

impl Entity<'_> {
    fn corrupt(&self, what: &str, sequence: Sequence) -> Error {
        Error::corrupt(what).at("entity", self.id).at("sequence", sequence)
    }

    fn snapshot(&self, below: Option<Sequence>) -> Result<Option<Snapshot>> {
        let usable = |sequence: &Sequence| *sequence > 0 && below.is_none_or(|below| *sequence < below);
        let Some(sequence) = self.row.snapshots.into_iter().find(usable) else { return Ok(None) };
        let key = keys::numbered(self.key, sequence);
        let located = |error: Error| error.at("entity", self.id).at("snapshot", sequence);
        let found = self.view.get(Family::Snapshots, &key).map_err(located)?;
        let found = found.ok_or_else(|| located(Error::corrupt("the snapshot is missing")))?;
        let state = decode_snapshot(&key, &found).map_err(|damage| located(damage.into()))?;
        Ok(Some(Snapshot { sequence, state }))
    }

    fn value(&self) -> Result<Option<(Sequence, Payload)>> {
        if !self.row.value {
            return Ok(None);
        }
        let found = self.view.get(Family::Values, self.key).map_err(|error| error.at("entity", self.id))?;
        let found = found.ok_or_else(|| self.corrupt("the value is missing", self.row.last))?;
        let (sequence, _, payload) = decode_value(self.key, &found).map_err(|damage| of_entity(damage, self.id))?;
        Ok(Some((sequence, payload)))
    }

    fn dedup(&self) -> Result<Vec<adjoin_model::Dedup>> {
        let mut all = Vec::new();
        if !self.row.dedup {
            return Ok(all);
        }
        let mut scan = self.view.scan(Family::Dedup, self.key, keys::entity_end(self.key));
        while let Some((key, value)) = scan.next().map_err(|error| error.at("entity", self.id))? {
            all.push(dedup::decode(key, value).map_err(|damage| of_entity(damage, self.id))?);
        }
        Ok(all)
    }

    /// Events after a sequence, and whether more follow. Their data lies in one block of memory per page: a page is
    /// passed on and dropped as a whole, and an allocation per event would cost more than reading it.
    fn events(&self, after: Sequence, max_bytes: usize) -> Result<(Vec<(Sequence, Payload)>, bool)> {
        let mut page = Page::default();
        if !self.row.events {
            return Ok((Vec::new(), false));
        }
        let mut scan = self.view.scan(Family::Events, &keys::from_next(self.key, after), keys::entity_end(self.key));
        // An entity has events or values, and without values every sequence is an event's.
        let mut expected = (!self.row.value).then_some(after + 1);
        while let Some((key, value)) = scan.next().map_err(|error| error.at("entity", self.id).at("after", after))? {
            let sequence = keys::number(key).map_err(|damage| of_entity(damage, self.id))?;
            if let Some(missing) = expected.filter(|expected| *expected != sequence) {
                return Err(self.corrupt("an event is missing", missing));
            }
            let read = decode_event(key, value).map_err(|damage| Error::from(damage).at("sequence", sequence));
            let (_, name, data) = read.map_err(|error| error.at("entity", self.id))?;
            if page.is_full(name.len() + data.len(), max_bytes) {
                return Ok((page.events(), true));
            }
            page.push(sequence, name, data);
            expected = expected.map(|_| sequence + 1);
        }
        match expected {
            Some(missing) if missing <= self.row.last => Err(self.corrupt("an event is missing", missing)),
            _ => Ok((page.events(), false)),
        }
    }
}

/// A page of events being read.
#[derive(Default)]
struct Page {
    events: Vec<(Sequence, Arc<str>, usize)>,
    data: BytesMut,
    bytes: usize,
}

impl Page {
    fn is_full(&self, more: usize, max_bytes: usize) -> bool {
        !self.events.is_empty() && self.bytes + more > max_bytes
    }

    fn push(&mut self, sequence: Sequence, name: &str, data: &[u8]) {
        // Events of one entity have few types, most often the one before.
        let before = self.events.iter().rev().take(4).find(|(_, before, _)| &**before == name);
        let name = before.map_or_else(|| name.into(), |(_, before, _)| before.clone());
        self.bytes += name.len() + data.len();
        self.data.extend_from_slice(data);
        self.events.push((sequence, name, data.len()));
    }

    fn events(self) -> Vec<(Sequence, Payload)> {
        let mut data: Bytes = self.data.freeze();
        let event = |(sequence, type_name, length)| (sequence, Payload { type_name, data: data.split_to(length) });
        self.events.into_iter().map(event).collect()
    }
}
