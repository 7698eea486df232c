// SPDX-License-Identifier: Apache-2.0
//! The rows that are small or hold a payload: heads, entities, events, values, snapshots, the store itself.

use std::sync::Arc;

use adjoin_model::{EntityPage, Epoch, Head, Owner, Payload, Position, Sequence};
use adjoin_storage::Meta;
use bytes::Bytes;

use crate::codec::{Damage, Decoder, Encoder};

/// Encodes the store's own row.
pub(crate) fn encode_meta(key: &[u8], meta: Meta) -> Vec<u8> {
    let mut value = Encoder::new(32);
    value.number(u64::from(meta.format)).number(u64::from(meta.shards)).wide(meta.store_id);
    value.seal(key)
}

/// Reads the store's own row.
pub(crate) fn decode_meta(key: &[u8], value: &[u8]) -> Result<Meta, Damage> {
    let mut fields = Decoder::open(key, value)?;
    let mut narrow = || u32::try_from(fields.number()?).map_err(|_| Damage::Content);
    let (format, shards) = (narrow()?, narrow()?);
    Ok(Meta { format, shards, store_id: fields.wide()? })
}

/// Encodes a head. `trimmed` is the position up to which batches may be gone; nothing trims yet, so it is 0.
pub(crate) fn encode_head(key: &[u8], head: Head, trimmed: Position) -> Vec<u8> {
    let mut value = Encoder::new(48);
    value.number(head.epoch.0).number(head.position).number(trimmed);
    match head.owner {
        Some(owner) => value.byte(1).wide(owner.0),
        None => value.byte(0),
    };
    value.seal(key)
}

/// Reads a head and how far its shard is trimmed.
pub(crate) fn decode_head(key: &[u8], value: &[u8]) -> Result<(Head, Position), Damage> {
    let mut fields = Decoder::open(key, value)?;
    let (epoch, position, trimmed) = (Epoch(fields.number()?), fields.number()?, fields.number()?);
    let owner = match fields.byte()? {
        0 => None,
        1 => Some(Owner(fields.wide()?)),
        _ => return Err(Damage::Content),
    };
    fields.end()?;
    Ok((Head { epoch, owner, position }, trimmed))
}

/// What an entity has, so that reading it looks only where something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EntityRow {
    /// The last sequence.
    pub(crate) last: Sequence,
    /// The sequence of the last delete, 0 without one.
    pub(crate) deleted_at: Sequence,
    /// The position of its first record. Records of its name that stand before are of an entity that was purged.
    pub(crate) born: Position,
    /// Whether it has events after the last delete.
    pub(crate) events: bool,
    /// Whether it has or had a value, after the last delete.
    pub(crate) value: bool,
    /// Whether it has or had dedup records.
    pub(crate) dedup: bool,
    /// The sequences of its snapshots, newest first, 0 for none.
    pub(crate) snapshots: [Sequence; 2],
}

impl EntityRow {
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted_at != 0 && self.deleted_at == self.last
    }

    /// The first page of an entity without anything read yet.
    pub(crate) fn page(&self) -> EntityPage {
        EntityPage { last: self.last, deleted: self.is_deleted(), ..EntityPage::default() }
    }

    pub(crate) fn encode(&self, key: &[u8]) -> Vec<u8> {
        let flags = u8::from(self.events) | u8::from(self.value) << 1 | u8::from(self.dedup) << 2;
        let mut value = Encoder::new(32);
        value.byte(flags).number(self.last).number(self.deleted_at).number(self.born);
        value.number(self.snapshots[0]).number(self.snapshots[1]);
        value.seal(key)
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let mut fields = Decoder::open(key, value)?;
        let flags = fields.byte()?;
        let row = Self {
            last: fields.number()?,
            deleted_at: fields.number()?,
            born: fields.number()?,
            events: flags & 1 != 0,
            value: flags & 2 != 0,
            dedup: flags & 4 != 0,
            snapshots: [fields.number()?, fields.number()?],
        };
        fields.end()?;
        Ok(row)
    }
}

/// Encodes an event: its key has the sequence, its position leads back to the journal.
pub(crate) fn encode_event(key: &[u8], position: Position, payload: &Payload) -> Vec<u8> {
    let mut value = Encoder::new(payload.size() + 12);
    value.number(position).text(&payload.type_name).raw(&payload.data);
    value.seal(key)
}

/// Reads an event: position, type name, data.
pub(crate) fn decode_event<'a>(key: &[u8], value: &'a [u8]) -> Result<(Position, &'a str, &'a [u8]), Damage> {
    let mut fields = Decoder::open(key, value)?;
    Ok((fields.number()?, fields.text()?, fields.remainder()))
}

/// Encodes the present value of an entity.
pub(crate) fn encode_value(key: &[u8], sequence: Sequence, position: Position, payload: &Payload) -> Vec<u8> {
    let mut value = Encoder::new(payload.size() + 22);
    value.number(sequence).number(position).text(&payload.type_name).raw(&payload.data);
    value.seal(key)
}

/// Reads the present value: sequence, position, payload.
pub(crate) fn decode_value(key: &[u8], value: &[u8]) -> Result<(Sequence, Position, Payload), Damage> {
    let mut fields = Decoder::open(key, value)?;
    let (sequence, position) = (fields.number()?, fields.number()?);
    Ok((sequence, position, payload(fields)?))
}

/// Encodes a snapshot's state.
pub(crate) fn encode_snapshot(key: &[u8], state: &Payload) -> Vec<u8> {
    let mut value = Encoder::new(state.size() + 2);
    value.text(&state.type_name).raw(&state.data);
    value.seal(key)
}

/// Reads a snapshot's state.
pub(crate) fn decode_snapshot(key: &[u8], value: &[u8]) -> Result<Payload, Damage> {
    payload(Decoder::open(key, value)?)
}

fn payload(mut fields: Decoder<'_>) -> Result<Payload, Damage> {
    let type_name: Arc<str> = fields.text()?.into();
    Ok(Payload { type_name, data: Bytes::copy_from_slice(fields.remainder()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value without version and checksum, which `codec` shows.
    fn content(value: &[u8]) -> &[u8] {
        &value[1..value.len() - 4]
    }

    #[test]
    fn a_head_is_epoch_position_trimmed_owner() {
        let head = Head { epoch: Epoch(2), owner: Some(Owner(7)), position: 300 };
        let value = encode_head(b"k", head, 1);
        assert_eq!(content(&value)[..6], [2, 0xac, 2, 1, 1, 7]);
        assert_eq!(decode_head(b"k", &value), Ok((head, 1)));
        let value = encode_head(b"k", Head::EMPTY, 0);
        assert_eq!(content(&value), [0, 0, 0, 0]);
        assert_eq!(decode_head(b"k", &value), Ok((Head::EMPTY, 0)));
    }

    #[test]
    fn an_entity_row_is_flags_and_numbers() {
        let row =
            EntityRow { last: 9, deleted_at: 3, born: 300, events: true, value: false, dedup: true, snapshots: [8, 6] };
        let value = row.encode(b"k");
        assert_eq!(content(&value), [5, 9, 3, 0xac, 2, 8, 6]);
        assert_eq!(EntityRow::decode(b"k", &value), Ok(row));
    }

    #[test]
    fn an_event_is_position_name_data() {
        let value = encode_event(b"k", 5, &Payload::new("Added", vec![1, 2]));
        assert_eq!(content(&value), [5, 5, b'A', b'd', b'd', b'e', b'd', 1, 2]);
        assert_eq!(decode_event(b"k", &value), Ok((5, "Added", &[1, 2][..])));
    }

    #[test]
    fn a_value_is_sequence_position_name_data() {
        let payload = Payload::new("P", vec![7]);
        let value = encode_value(b"k", 3, 5, &payload);
        assert_eq!(content(&value), [3, 5, 1, b'P', 7]);
        assert_eq!(decode_value(b"k", &value), Ok((3, 5, payload.clone())));
        let value = encode_snapshot(b"k", &payload);
        assert_eq!(content(&value), [1, b'P', 7]);
        assert_eq!(decode_snapshot(b"k", &value), Ok(payload));
    }

    #[test]
    fn the_store_is_format_shards_id() {
        let meta = Meta { format: 1, shards: 1024, store_id: 3 };
        let value = encode_meta(b"k", meta);
        assert_eq!(content(&value)[..4], [1, 0x80, 8, 3]);
        assert_eq!(decode_meta(b"k", &value), Ok(meta));
    }
}
