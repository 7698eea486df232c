// SPDX-License-Identifier: Apache-2.0
//! Which entity, and which shard it lives in.

use alloc::format;
use alloc::sync::Arc;
use core::fmt;

use crate::error::{Error, Result};
use crate::head::ShardId;
use crate::limits;

/// One entity: its type (`shop.Cart`) and its key (`ada`).
///
/// Both parts are shared allocations, so an id is cheap to clone. A key is any non-empty UTF-8 of at
/// most [`Limits::key_bytes`](crate::Limits) bytes, NUL included: stores escape it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId {
    entity_type: Arc<str>,
    key: Arc<str>,
}

impl EntityId {
    /// Checks both parts and joins them.
    ///
    /// # Errors
    /// `Invalid` when the type is no name ([`check_name`]) or the key is empty or too long.
    pub fn new(entity_type: impl Into<Arc<str>>, key: impl Into<Arc<str>>) -> Result<Self> {
        let (entity_type, key) = (entity_type.into(), key.into());
        check_name("entity type", &entity_type)?;
        if key.is_empty() || key.len() > limits::MAX_KEY_BYTES {
            return Err(Error::invalid(format!(
                "an entity key has 1 to {} bytes, this one has {}",
                limits::MAX_KEY_BYTES,
                key.len()
            )));
        }
        Ok(Self { entity_type, key })
    }

    /// The entity type, for example `shop.Cart`.
    #[must_use]
    pub fn entity_type(&self) -> &str {
        &self.entity_type
    }

    /// The entity type as the shared allocation, to hand on without copying.
    #[must_use]
    pub fn shared_type(&self) -> Arc<str> {
        self.entity_type.clone()
    }

    /// The entity key, for example `ada`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.entity_type, self.key)
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Says whether `name` can name an entity type, a command, an event: 1 to 256 bytes of ASCII letters, digits, `.`,
/// `_`, `-` and `$`, starting with a letter or `_`.
///
/// # Errors
/// `Invalid`, naming `what` and the offending name.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = name.len() <= limits::MAX_NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-$".contains(&b));
    if fits {
        return Ok(());
    }
    let shown: alloc::string::String = name.chars().take(64).collect();
    Err(Error::invalid(format!(
        "{shown:?} cannot name a {what}: use 1 to {} letters, digits, '.', '_', '-', '$', starting with a letter",
        limits::MAX_NAME_BYTES
    )))
}

/// The shard of an entity among `shards`: XXH3-64 of type, NUL, key, modulo the number of shards.
///
/// The number of shards is fixed when a store is made, so an entity never changes its shard.
#[must_use]
pub fn shard_of(entity: &EntityId, shards: u32) -> ShardId {
    // One pass over a buffer on the stack: names and keys are bounded, and the streaming form costs several times more.
    let mut buffer = [0; limits::MAX_NAME_BYTES + 1 + limits::MAX_KEY_BYTES];
    let (name, key) = (entity.entity_type.as_bytes(), entity.key.as_bytes());
    let length = name.len() + 1 + key.len();
    buffer[..name.len()].copy_from_slice(name);
    buffer[name.len() + 1..length].copy_from_slice(key);
    let hash = xxhash_rust::xxh3::xxh3_64(&buffer[..length]);
    ShardId((hash % u64::from(shards.max(1))) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use std::string::String;

    #[test]
    fn a_key_may_hold_any_utf8_but_not_be_empty() {
        assert!(EntityId::new("shop.Cart", "a\0/ü").is_ok());
        assert_eq!(EntityId::new("shop.Cart", "").unwrap_err().kind, Kind::Invalid);
        let long: String = core::iter::repeat_n('k', limits::MAX_KEY_BYTES + 1).collect();
        assert_eq!(EntityId::new("shop.Cart", long).unwrap_err().kind, Kind::Invalid);
    }

    #[test]
    fn names_are_checked() {
        for good in ["shop.Cart", "addItem", "_x", "A-1"] {
            assert!(check_name("command", good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "a b", "a/b", "ä", "a\0"] {
            assert!(check_name("command", bad).is_err(), "{bad:?}");
        }
    }

    /// The placement is part of the stored format: these values must never change.
    #[test]
    fn the_shard_of_an_entity_never_changes() {
        let shard = |t: &str, k: &str, n| shard_of(&EntityId::new(t, k).unwrap(), n).0;
        assert_eq!(shard("shop.Cart", "ada", 1), 0);
        assert_eq!(shard("shop.Cart", "ada", 1024), shard("shop.Cart", "ada", 65_536) % 1024);
        assert_ne!(shard("shop.Cart", "ada", 65_536), shard("shop.Car", "tada", 65_536));
        assert_eq!(shard("shop.Cart", "ada", 65_536), 56_166);
    }
}
