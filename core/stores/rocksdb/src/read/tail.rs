// SPDX-License-Identifier: Apache-2.0
//! Reading a shard by position: its batches, and the payloads that they point to.

use std::collections::HashMap;

use adjoin_model::{Body, EntityId, Error, Head, Position, Record, Result, ShardId};
use adjoin_storage::{StoredRecord, TailPage};

use super::row;
use crate::batch::{self, Content, Entry, Stored};
use crate::codec::Damage;
use crate::db::{Family, Scan, View};
use crate::rows::{EntityRow, decode_event, decode_head, decode_value};
use crate::{dedup, effect, keys};

/// Reads records of a shard from a position on.
pub(crate) fn tail(view: &View<'_>, shard: ShardId, from: Position, max_bytes: usize) -> Result<TailPage> {
    let (from, head) = (from.max(1), head(view, shard)?);
    if from > head.position {
        return Ok(TailPage { records: Vec::new(), more: false });
    }
    let mut batches = Batches::around(view, shard, from);
    let mut payloads = Payloads::new(view);
    let (mut page, mut bytes) = (TailPage { records: Vec::new(), more: false }, 0);
    while let Some((first, stored)) = batches.next()? {
        for (position, entry) in (first..).zip(stored.entries).skip_while(|(position, _)| *position < from) {
            let record = payloads.record(shard, position, &entry)?;
            bytes += record.as_ref().map_or(1, Record::size);
            if !page.records.is_empty() && bytes > max_bytes {
                page.more = true;
                return Ok(page);
            }
            page.records.push(StoredRecord { position, epoch: stored.epoch, record });
        }
    }
    reaches_head(shard, page.records.last().map_or(0, |last| last.position), head)?;
    Ok(page)
}

/// A shard's head as this view sees it.
pub(crate) fn head(view: &View<'_>, shard: ShardId) -> Result<Head> {
    let key = keys::head(shard);
    let found = view.get(Family::Heads, &key)?.map(|found| decode_head(&key, &found)).transpose();
    let head = found.map_err(|damage| Error::from(damage).at("shard", shard))?;
    Ok(head.map_or(Head::EMPTY, |(head, _)| head))
}

/// The last batch of a shard ends at its head.
pub(crate) fn reaches_head(shard: ShardId, reached: Position, head: Head) -> Result<()> {
    if reached == head.position {
        return Ok(());
    }
    let said = format!("the journal ends at position {reached}, the head says {}", head.position);
    Err(Error::corrupt(said).at("shard", shard).at("position", reached + 1))
}

/// The batches of a shard in order, each beginning where the one before ended.
pub(crate) struct Batches<'a> {
    scan: Scan<'a>,
    shard: ShardId,
    /// Where the next batch has to begin, once one was read.
    next: Option<Position>,
    from: Position,
}

impl<'a> Batches<'a> {
    /// From the batch on that holds this position.
    pub(crate) fn around(view: &'a View<'a>, shard: ShardId, from: Position) -> Self {
        let (least, at) = (keys::batch(shard, 0), keys::batch(shard, from));
        let end = keys::batch(ShardId(shard.0.saturating_add(1)), 0).to_vec();
        Self { scan: view.scan_around(Family::Journal, &least, &at, end), shard, next: None, from }
    }

    /// The next batch and its first position.
    pub(crate) fn next(&mut self) -> Result<Option<(Position, Stored)>> {
        self.advance(|key, value| batch::decode(key, value).map(|stored| (stored.entries.len() as u64, stored)))
    }

    /// The next batch's first position and number of records, without its content.
    pub(crate) fn next_header(&mut self) -> Result<Option<(Position, u64)>> {
        self.advance(|key, value| batch::decode_header(key, value).map(|(_, count)| (count, count)))
    }

    fn advance<T>(
        &mut self,
        decode: impl FnOnce(&[u8], &[u8]) -> core::result::Result<(u64, T), Damage>,
    ) -> Result<Option<(Position, T)>> {
        let shard = self.shard;
        let at = |error: Error, position: Position| error.at("shard", shard).at("position", position);
        let expected = self.next.unwrap_or(self.from);
        let Some((key, value)) = self.scan.next().map_err(|error| at(error, expected))? else { return Ok(None) };
        let (_, first) = keys::parse_batch(key).map_err(|damage| at(damage.into(), expected))?;
        let (count, content) = decode(key, value).map_err(|damage| at(damage.into(), first))?;
        // The first batch read may begin before the position asked for, but must reach it.
        let joins = match self.next {
            Some(next) => first == next,
            None => first <= self.from && first + count >= self.from,
        };
        if !joins {
            return Err(at(Error::corrupt("the journal has a gap: a batch is missing"), expected));
        }
        self.next = Some(first + count);
        Ok(Some((first, content)))
    }
}

/// Finds what entries point to.
pub(crate) struct Payloads<'a> {
    view: &'a View<'a>,
    /// Rows of the entities met: many records, few entities.
    rows: HashMap<EntityId, Option<EntityRow>>,
}

impl<'a> Payloads<'a> {
    pub(crate) fn new(view: &'a View<'a>) -> Self {
        Self { view, rows: HashMap::new() }
    }

    /// The record of an entry; `None` where it is gone: its entity purged, or its dedup record expired.
    pub(crate) fn record(&mut self, shard: ShardId, position: Position, entry: &Entry) -> Result<Option<Record>> {
        let effect = matches!(entry.content, Content::Outbox | Content::Inbox | Content::Done | Content::Consumed);
        let row = self.row(&entry.entity)?.filter(|row| row.born <= position);
        // Effects outlive the entity that they name, or come before it.
        let row = row.or_else(|| effect.then(EntityRow::default));
        let Some(row) = row else { return Ok(None) };
        let located = |error: Error| {
            error.at("shard", shard).at("position", position).at("entity", &entry.entity).at("sequence", entry.sequence)
        };
        let body = self.body(shard, position, entry, &row).map_err(located)?;
        Ok(body.map(|body| entry.record(body)))
    }

    fn row(&mut self, entity: &EntityId) -> Result<Option<EntityRow>> {
        if let Some(known) = self.rows.get(entity) {
            return Ok(*known);
        }
        let found = row(self.view, entity)?.map(|(_, row)| row);
        self.rows.insert(entity.clone(), found);
        Ok(found)
    }

    fn body(&self, shard: ShardId, position: Position, entry: &Entry, row: &EntityRow) -> Result<Option<Body>> {
        match entry.content {
            Content::Event => self.event(position, entry).map(Some),
            Content::Value => self.value(position, entry, row).map(Some),
            Content::Superseded => Ok(Some(Body::Superseded)),
            Content::Delete => Ok(Some(Body::Delete)),
            Content::Dedup => self.dedup(position, entry),
            Content::Outbox => self.effect(Family::Outbox, shard, position),
            Content::Inbox => self.effect(Family::Inbox, shard, position),
            Content::Done => Ok(entry.done.map(|(inbox, ended)| Body::Done { inbox, ended })),
            Content::Consumed => Ok(entry.consumed.clone().map(Body::Consumed)),
        }
    }

    fn event(&self, position: Position, entry: &Entry) -> Result<Body> {
        let key = keys::numbered(&keys::entity(&entry.entity), entry.sequence);
        let found = self.view.get(Family::Events, &key)?.ok_or_else(|| Error::corrupt("the event is missing"))?;
        let (stands_at, name, data) = decode_event(&key, &found)?;
        if stands_at != position {
            return Err(Error::corrupt("the event belongs to another position").at("found", stands_at));
        }
        Ok(Body::Event(adjoin_model::Payload::new(name, data.to_vec())))
    }

    /// The value, if it is still the present one.
    fn value(&self, position: Position, entry: &Entry, row: &EntityRow) -> Result<Body> {
        if entry.sequence <= row.deleted_at {
            return Ok(Body::Superseded);
        }
        let key = keys::entity(&entry.entity);
        let found = self.view.get(Family::Values, &key)?.ok_or_else(|| Error::corrupt("the value is missing"))?;
        let (sequence, stands_at, payload) = decode_value(&key, &found)?;
        match stands_at == position {
            true => Ok(Body::Value(payload)),
            false if sequence > entry.sequence => Ok(Body::Superseded),
            false => Err(Error::corrupt("an older value stands in place of this one").at("found", sequence)),
        }
    }

    /// The record, if it has not been delivered or has not ended.
    fn effect(&self, family: Family, shard: ShardId, position: Position) -> Result<Option<Body>> {
        let key = keys::batch(shard, position);
        let Some(found) = self.view.get(family, &key)? else { return Ok(None) };
        Ok(Some(effect::decode(&key, &found)?.body))
    }

    fn dedup(&self, position: Position, entry: &Entry) -> Result<Option<Body>> {
        let key = keys::numbered(&keys::entity(&entry.entity), position);
        let Some(found) = self.view.get(Family::Dedup, &key)? else { return Ok(None) };
        Ok(Some(Body::Dedup(dedup::decode(&key, &found)?)))
    }
}
