// SPDX-License-Identifier: Apache-2.0
//! Entities of a store.

use adjoin_model::{EntityId, EntityPage, LoadRequest, Result, shard_of};
use adjoin_storage::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plain;
use crate::print::{Row, shown};

const PAGE_BYTES: usize = 1 << 20;

/// One entity in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EntityLine {
    /// Its type.
    pub(crate) entity_type: String,
    /// Its key.
    pub(crate) key: String,
    /// Its last sequence.
    pub(crate) sequence: u64,
    /// Whether it is deleted now.
    pub(crate) deleted: bool,
}

impl Row for EntityLine {
    const COLUMNS: &'static [&'static str] = &["ENTITY", "SEQUENCE", ""];

    fn cells(&self) -> Vec<String> {
        let entity = shown(&format!("{}/{}", self.entity_type, self.key), 200);
        vec![entity, self.sequence.to_string(), if self.deleted { "deleted".into() } else { String::new() }]
    }
}

/// One entity as it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EntityView {
    /// Its type.
    pub(crate) entity_type: String,
    /// Its key.
    pub(crate) key: String,
    /// Its shard.
    pub(crate) shard: u32,
    /// Its last sequence; 0 when nothing was ever written.
    pub(crate) sequence: u64,
    /// Whether it is deleted now.
    pub(crate) deleted: bool,
    /// Events that a load reads: those after the snapshot.
    pub(crate) events: u64,
    /// Idempotency keys that are remembered.
    pub(crate) idempotency_keys: u64,
    /// What the state shown was taken from, in words.
    pub(crate) state_from: String,
    /// Its state.
    pub(crate) state: Value,
}

impl Row for EntityView {
    const COLUMNS: &'static [&'static str] =
        &["entity", "shard", "sequence", "deleted", "events to load", "idempotency keys", "state from", "state"];

    fn cells(&self) -> Vec<String> {
        let state = serde_json::to_string_pretty(&self.state).unwrap_or_default();
        vec![
            shown(&format!("{}/{}", self.entity_type, self.key), 2000),
            self.shard.to_string(),
            self.sequence.to_string(),
            if self.deleted { "yes".into() } else { String::new() },
            self.events.to_string(),
            self.idempotency_keys.to_string(),
            self.state_from.clone(),
            if self.state.is_null() { String::new() } else { state },
        ]
    }
}

/// A page of the entities of a type, in byte order of their keys; the flag says whether more follow.
pub(crate) async fn entities(
    store: &dyn Store,
    entity_type: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<(Vec<EntityLine>, bool)> {
    let page = store.keys(entity_type, after, limit).await?;
    let line = |row: adjoin_storage::EntityRow| EntityLine {
        entity_type: row.entity.entity_type().into(),
        key: row.entity.key().into(),
        sequence: row.last,
        deleted: row.deleted,
    };
    Ok((page.rows.into_iter().map(line).collect(), page.more))
}

/// What the store alone knows of an entity: its value, or its last snapshot.
pub(crate) async fn view(store: &dyn Store, entity: &EntityId) -> Result<EntityView> {
    let first = store.load(entity, request(None)).await?;
    let (state, state_from) = state_of(&first);
    let mut view = EntityView {
        entity_type: entity.entity_type().into(),
        key: entity.key().into(),
        shard: shard_of(entity, store.meta().shards).0,
        sequence: first.last,
        deleted: first.deleted,
        events: 0,
        idempotency_keys: first.dedup.len() as u64,
        state_from,
        state,
    };
    let mut page = first;
    loop {
        view.events += page.events.len() as u64;
        let Some((last, _)) = page.events.last().filter(|_| page.more) else { return Ok(view) };
        page = store.load(entity, request(Some(*last))).await?;
    }
}

fn request(after: Option<u64>) -> LoadRequest {
    LoadRequest { after, snapshot_below: None, max_bytes: PAGE_BYTES }
}

fn state_of(page: &EntityPage) -> (Value, String) {
    if let Some((sequence, value)) = &page.value {
        return (plain(value), format!("the value written at sequence {sequence}"));
    }
    if let Some(snapshot) = &page.snapshot {
        let from =
            format!("the snapshot at sequence {}; only a running function can fold what follows", snapshot.sequence);
        return (plain(&snapshot.state), from);
    }
    let from = match (page.last, page.deleted) {
        (0, _) => "nothing was ever written",
        (_, true) => "the entity is deleted",
        (_, false) => "events alone, which only a running function can fold: see `adjoin entity history`",
    };
    (Value::Null, from.into())
}
