// SPDX-License-Identifier: Apache-2.0
//! A shard batch as the journal keeps it: its header, and for each record who, what and where its payload stands.
//!
//! Payloads stand once, with their entity, because replay reads them there in order and at speed; the journal points
//! to them by entity and sequence. The header – first position (in the key), count, checksum – outlives them.

use std::sync::Arc;

use adjoin_model::{
    Body, CommandId, Consumption, Ended, EntityId, Epoch, Position, Record, Sequence, ShardBatch, Wall,
};

use crate::codec::{Damage, Decoder, Encoder};
use crate::consumer::{self, ended};

/// What kind of record stands at a position; the numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Event = 1,
    Value = 2,
    Superseded = 3,
    Delete = 4,
    Dedup = 5,
    Outbox = 6,
    Inbox = 7,
    /// Which inbox record ended, and how, follows the entry.
    Done = 8,
    /// What became of an event for a consumer follows the entry.
    Consumed = 9,
}

/// Set with the content when command and time are those of the record before.
const SAME_COMMAND: u8 = 0x80;

/// How many entities back are looked at for the same one.
const NEAR: usize = 8;

impl Content {
    fn of(body: &Body) -> Self {
        match body {
            Body::Event(_) => Self::Event,
            Body::Value(_) => Self::Value,
            Body::Superseded => Self::Superseded,
            Body::Delete => Self::Delete,
            Body::Dedup(_) => Self::Dedup,
            Body::Outbox(_) => Self::Outbox,
            Body::Inbox(_) => Self::Inbox,
            Body::Done { .. } => Self::Done,
            Body::Consumed(_) => Self::Consumed,
        }
    }

    fn read(byte: u8) -> Result<Self, Damage> {
        use Content::{Consumed, Dedup, Delete, Done, Event, Inbox, Outbox, Superseded, Value};
        [Event, Value, Superseded, Delete, Dedup, Outbox, Inbox, Done, Consumed]
            .into_iter()
            .find(|content| *content as u8 == byte)
            .ok_or(Damage::Content)
    }
}

/// One record's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) entity: EntityId,
    pub(crate) content: Content,
    pub(crate) sequence: Sequence,
    pub(crate) command: CommandId,
    pub(crate) at: Wall,
    /// Of [`Content::Done`]: which inbox record ended, and how.
    pub(crate) done: Option<(Position, Ended)>,
    /// Of [`Content::Consumed`]: what became of which event, for whom.
    pub(crate) consumed: Option<Box<Consumption>>,
}

impl Entry {
    /// The record, with a body that was found for it.
    pub(crate) fn record(&self, body: Body) -> Record {
        let Self { entity, sequence, command, at, .. } = self.clone();
        Record { entity, sequence, command, at, body }
    }
}

/// A batch that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) epoch: Epoch,
    pub(crate) entries: Vec<Entry>,
}

/// Epoch and number of records: the header, without what follows.
pub(crate) fn decode_header(key: &[u8], value: &[u8]) -> Result<(Epoch, u64), Damage> {
    header(&mut Decoder::open(key, value)?)
}

fn header(fields: &mut Decoder<'_>) -> Result<(Epoch, u64), Damage> {
    Ok((Epoch(fields.number()?), fields.number()?))
}

pub(crate) fn encode(key: &[u8], batch: &ShardBatch) -> Vec<u8> {
    let mut value = Encoder::new(16 + batch.records.len() * 48);
    value.number(batch.epoch.0).number(batch.records.len() as u64);
    // Most often one record follows another of the same entity, which is then not written out again.
    let mut entities: Vec<&EntityId> = Vec::new();
    let mut before: Option<&Record> = None;
    for record in &batch.records {
        let same = before.is_some_and(|before| (before.command, before.at) == (record.command, record.at));
        value.byte(Content::of(&record.body) as u8 | if same { SAME_COMMAND } else { 0 });
        match entities.iter().rev().take(NEAR).position(|entity| **entity == record.entity) {
            Some(back) => value.number(back as u64 + 1),
            None => {
                entities.push(&record.entity);
                value.number(0).text(record.entity.entity_type()).text(record.entity.key())
            }
        };
        value.number(record.sequence);
        if !same {
            value.wide(record.command.0).number(record.at.0);
        }
        if let Body::Done { inbox, ended } = &record.body {
            value.number(*inbox).byte(*ended as u8);
        }
        if let Body::Consumed(consumption) = &record.body {
            consumer::note(&mut value, consumption);
        }
        before = Some(record);
    }
    value.seal(key)
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Stored, Damage> {
    let mut fields = Decoder::open(key, value)?;
    let (epoch, count) = header(&mut fields)?;
    let (mut entries, mut entities): (Vec<Entry>, Vec<EntityId>) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let first = fields.byte()?;
        let entity = match fields.length()? {
            0 => {
                entities.push(named(&mut fields, entities.last())?);
                entities.last()
            }
            back => entities.len().checked_sub(back).and_then(|index| entities.get(index)),
        };
        let entity = entity.ok_or(Damage::Content)?.clone();
        let (content, sequence) = (Content::read(first & !SAME_COMMAND)?, fields.number()?);
        let (command, at) = match entries.last() {
            Some(before) if first & SAME_COMMAND != 0 => (before.command, before.at),
            _ => (CommandId(fields.wide()?), Wall(fields.number()?)),
        };
        let done = if content == Content::Done { Some((fields.number()?, ended(fields.byte()?)?)) } else { None };
        let noted = content == Content::Consumed;
        let consumed = noted.then(|| consumer::read_note(&mut fields).map(Box::new)).transpose()?;
        entries.push(Entry { entity, content, sequence, command, at, done, consumed });
    }
    fields.end()?;
    Ok(Stored { epoch, entries })
}

/// An entity that is written out; its type is shared with the one before where it is the same.
fn named(fields: &mut Decoder<'_>, before: Option<&EntityId>) -> Result<EntityId, Damage> {
    let name = fields.text()?;
    let shared: Arc<str> = match before {
        Some(before) if before.entity_type() == name => before.shared_type(),
        _ => name.into(),
    };
    EntityId::new(shared, fields.text()?).map_err(|_| Damage::Content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::{Owner, Payload, ShardId};

    fn record(key: &str, sequence: Sequence, command: u128, body: Body) -> Record {
        let entity = EntityId::new("t", key).expect("an id");
        Record { entity, sequence, command: CommandId(command), at: Wall(9), body }
    }

    fn batch(records: Vec<Record>) -> ShardBatch {
        ShardBatch { shard: ShardId(1), epoch: Epoch(2), owner: Owner(1), first: 1, records }
    }

    fn note() -> Consumption {
        let consumer = adjoin_model::ConsumerId::new("t", "g").expect("a consumer");
        let what = adjoin_model::Consumed::Dead { attempts: 2, error: "no".into() };
        Consumption { consumer, event: 300, what }
    }

    #[test]
    fn a_batch_is_header_and_entries() {
        let event = || Body::Event(Payload::new("E", vec![1]));
        let value = encode(b"k", &batch(vec![record("a", 1, 7, event()), record("a", 2, 7, event())]));
        let content = &value[1..value.len() - 4];
        assert_eq!(content[..9], [2, 2, 1, 0, 1, b't', 1, b'a', 1]);
        assert_eq!(content[9..25], 7_u128.to_le_bytes());
        assert_eq!(content[25..], [9, 0x81, 1, 2]);
        assert_eq!(decode_header(b"k", &value), Ok((Epoch(2), 2)));
    }

    #[test]
    fn entries_come_back() {
        let records = vec![
            record("a", 1, 7, Body::Superseded),
            record("b", 4, 7, Body::Delete),
            record("a", 2, 8, Body::Value(Payload::new("V", vec![]))),
            record("b", 5, 9, Body::Event(Payload::new("E", vec![]))),
            record("b", 0, 9, Body::Done { inbox: 300, ended: Ended::Dropped }),
            record("b", 0, 9, Body::Consumed(Box::new(note()))),
        ];
        let value = encode(b"k", &batch(records.clone()));
        let stored = decode(b"k", &value).expect("whole");
        assert_eq!((stored.epoch, stored.entries.len()), (Epoch(2), 6));
        assert_eq!(stored.entries[4].done, Some((300, Ended::Dropped)));
        assert_eq!(stored.entries[5].consumed, Some(Box::new(note())));
        for (entry, record) in stored.entries.iter().zip(&records) {
            assert_eq!(entry.record(record.body.clone()), *record);
            assert_eq!(entry.content, Content::of(&record.body));
        }
    }

    #[test]
    fn a_wrong_reference_is_no_panic() {
        let mut value = Encoder::new(8);
        value.number(1).number(1).byte(1).number(5).number(1).wide(0).number(0);
        assert_eq!(decode(b"k", &value.seal(b"k")), Err(Damage::Content));
    }
}
