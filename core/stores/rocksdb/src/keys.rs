// SPDX-License-Identifier: Apache-2.0
//! Keys: ordered as what they name is ordered, whatever bytes an entity key holds.
//!
//! An entity is `type 00 key 00 01`, with every NUL of the key written as `00 FF`: the end mark is less than any
//! continuation, so keys sort by their bytes and none is a prefix of another. Types hold no NUL. Numbers follow with
//! the big end first.

use std::sync::Arc;

use adjoin_model::{EntityId, Position, Sequence, ShardId, Wall};

use crate::codec::Damage;

const END: [u8; 2] = [0, 1];
const NUL: [u8; 2] = [0, 0xff];

/// The key of an entity's row and value, and the start of everything else of it.
pub(crate) fn entity(id: &EntityId) -> Vec<u8> {
    with_room(id.entity_type(), id.key(), 8)
}

fn with_room(entity_type: &str, key: &str, room: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entity_type.len() + key.len() + 3 + room);
    bytes.extend_from_slice(entity_type.as_bytes());
    bytes.push(0);
    for byte in key.bytes() {
        if byte == 0 { bytes.extend_from_slice(&NUL) } else { bytes.push(byte) }
    }
    bytes.extend_from_slice(&END);
    bytes
}

/// The entity that a key of [`entity`] names; `shared` is its type, if that is known.
pub(crate) fn parse_entity(bytes: &[u8], shared: Option<&Arc<str>>) -> Result<EntityId, Damage> {
    let split = bytes.iter().position(|byte| *byte == 0).ok_or(Damage::Content)?;
    let (entity_type, escaped) = (&bytes[..split], &bytes[split + 1..]);
    let escaped = escaped.strip_suffix(&END).ok_or(Damage::Content)?;
    let mut key = Vec::with_capacity(escaped.len());
    let mut rest = escaped.iter();
    while let Some(byte) = rest.next() {
        if *byte == 0 && rest.next() != Some(&NUL[1]) {
            return Err(Damage::Content);
        }
        key.push(*byte);
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| Damage::Content);
    let entity_type = match shared {
        Some(shared) if shared.as_bytes() == entity_type => shared.clone(),
        _ => text(entity_type.to_vec())?.into(),
    };
    EntityId::new(entity_type, text(key)?).map_err(|_| Damage::Content)
}

/// An entity's key, followed by a sequence or position.
pub(crate) fn numbered(entity: &[u8], number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entity.len() + 8);
    bytes.extend_from_slice(entity);
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes
}

/// The number at the end of such a key.
pub(crate) fn number(key: &[u8]) -> Result<u64, Damage> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes)).ok_or(Damage::Content)
}

/// Above every numbered key of the entity.
pub(crate) fn entity_end(entity: &[u8]) -> Vec<u8> {
    let mut bytes = entity.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last += 1;
    }
    bytes
}

/// The first key that an entity of this type whose key is greater than `after` can have.
pub(crate) fn following(entity_type: &str, after: Option<&str>) -> Vec<u8> {
    match after {
        Some(after) => entity_end(&with_room(entity_type, after, 0)),
        None => [entity_type.as_bytes(), &[0]].concat(),
    }
}

/// Above every entity of this type.
pub(crate) fn type_end(entity_type: &str) -> Vec<u8> {
    [entity_type.as_bytes(), &[1]].concat()
}

/// A shard's head.
pub(crate) fn head(shard: ShardId) -> [u8; 4] {
    shard.0.to_be_bytes()
}

/// The shard of such a key.
pub(crate) fn parse_head(key: &[u8]) -> Result<ShardId, Damage> {
    key.try_into().map(|bytes| ShardId(u32::from_be_bytes(bytes))).map_err(|_| Damage::Content)
}

/// A shard batch, by its first position.
pub(crate) fn batch(shard: ShardId, first: Position) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&shard.0.to_be_bytes());
    key[4..].copy_from_slice(&first.to_be_bytes());
    key
}

/// Shard and first position of such a key.
pub(crate) fn parse_batch(key: &[u8]) -> Result<(ShardId, Position), Damage> {
    let (shard, first) = key.split_at_checked(4).ok_or(Damage::Content)?;
    let first = first.try_into().map_err(|_| Damage::Content)?;
    Ok((parse_head(shard)?, u64::from_be_bytes(first)))
}

/// A watermark, by target shard and source shard.
pub(crate) fn watermark(target: ShardId, source: ShardId) -> [u8; 8] {
    let mut key = [0; 8];
    key[..4].copy_from_slice(&target.0.to_be_bytes());
    key[4..].copy_from_slice(&source.0.to_be_bytes());
    key
}

/// Target and source of such a key.
pub(crate) fn parse_watermark(key: &[u8]) -> Result<(ShardId, ShardId), Damage> {
    let (target, source) = key.split_at_checked(4).ok_or(Damage::Content)?;
    Ok((parse_head(target)?, parse_head(source)?))
}

/// A dedup record by its expiry: the time, then the record's own key.
pub(crate) fn expiry(expires: Wall, dedup: &[u8]) -> Vec<u8> {
    [&expires.0.to_be_bytes(), dedup].concat()
}

/// The dedup record of such a key.
pub(crate) fn expired(key: &[u8]) -> &[u8] {
    key.get(8..).unwrap_or_default()
}

/// Above everything that expires at or before this time.
pub(crate) fn expiry_end(now: Wall) -> Vec<u8> {
    now.0.saturating_add(1).to_be_bytes().to_vec()
}

/// The first sequence or position after `after`, as the key of an entity's range.
pub(crate) fn from_next(entity: &[u8], after: Sequence) -> Vec<u8> {
    numbered(entity, after.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(key: &str) -> EntityId {
        EntityId::new("t", key).expect("an id")
    }

    #[test]
    fn an_entity_is_type_key_and_end() {
        assert_eq!(entity(&id("ada")), b"t\0ada\0\x01");
        assert_eq!(entity(&id("a\0b")), b"t\0a\0\xffb\0\x01");
        assert_eq!(numbered(b"t\0a\0\x01", 258), b"t\0a\0\x01\0\0\0\0\0\0\x01\x02");
    }

    #[test]
    fn entities_sort_by_their_keys_and_come_back() {
        let mut keys = ["a", "a\0", "a\0\0", "a\0b", "a\u{1}", "aa", "b", "\u{10ffff}", "\0", "\0\u{1}", "/"];
        keys.sort_unstable();
        let encoded: Vec<_> = keys.iter().map(|key| entity(&id(key))).collect();
        assert!(encoded.is_sorted());
        for (key, bytes) in keys.iter().zip(&encoded) {
            assert_eq!(parse_entity(bytes, None), Ok(id(key)));
            let others = encoded.iter().filter(|other| *other != bytes);
            assert!(others.clone().all(|other| !other.starts_with(bytes)), "{key:?} is a prefix");
            assert!(numbered(bytes, u64::MAX) < entity_end(bytes));
            assert!(others.filter(|other| *other > bytes).all(|other| *other >= entity_end(bytes)));
        }
    }

    #[test]
    fn what_follows_a_key_leaves_out_the_key_only() {
        assert!(following("t", Some("a")) > entity(&id("a")));
        assert!(following("t", Some("a")) <= entity(&id("a\0")));
        assert!(following("t", None) < entity(&id("\0")));
        assert!(type_end("t") > entity(&id("\u{10ffff}")));
        assert!(type_end("t") < entity(&EntityId::new("t-a", "a").expect("an id")));
    }

    #[test]
    fn batches_sort_by_shard_and_position() {
        assert!(batch(ShardId(1), u64::MAX) < batch(ShardId(2), 1));
        assert!(batch(ShardId(2), 255) < batch(ShardId(2), 256));
        assert_eq!(parse_batch(&batch(ShardId(7), 9)), Ok((ShardId(7), 9)));
        assert_eq!(parse_batch(b"short"), Err(Damage::Content));
    }
}
