// SPDX-License-Identifier: Apache-2.0
//! Reading: one entity, the tail of a shard, the entities of a type.

mod effects;
mod entity;
mod keyed;
mod tail;

pub(crate) use effects::{shards, unfinished};
pub(crate) use entity::{check, load};
pub(crate) use keyed::{keys, types};
pub(crate) use tail::{Batches, Payloads, head, reaches_head, tail};

use adjoin_model::{EntityId, Error, Result};

use crate::codec::Damage;
use crate::db::{Family, View};
use crate::keys::entity;
use crate::rows::EntityRow;

/// The row of an entity and its key; `None` when nothing is known of it.
pub(crate) fn row(view: &View<'_>, id: &EntityId) -> Result<Option<(Vec<u8>, EntityRow)>> {
    let key = entity(id);
    let found = view.get(Family::Entities, &key).map_err(|error| error.at("entity", id))?;
    let Some(found) = found else { return Ok(None) };
    let row = EntityRow::decode(&key, &found).map_err(|damage| of_entity(damage, id))?;
    drop(found);
    Ok(Some((key, row)))
}

/// Damage found at an entity.
pub(crate) fn of_entity(damage: Damage, id: &EntityId) -> Error {
    Error::from(damage).at("entity", id)
}
