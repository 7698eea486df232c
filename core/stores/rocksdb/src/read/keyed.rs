// SPDX-License-Identifier: Apache-2.0
//! Entities by key, and their types.

use std::sync::Arc;

use adjoin_model::{Error, Result};
use adjoin_storage::{EntityRow as Listed, KeyPage};

use crate::codec::Damage;
use crate::db::{Family, View};
use crate::keys;
use crate::rows::EntityRow;

/// Entities of a type in the order of their keys.
pub(crate) fn keys(view: &View<'_>, entity_type: &str, after: Option<&str>, limit: usize) -> Result<KeyPage> {
    let shared: Arc<str> = entity_type.into();
    let mut page = KeyPage::default();
    let mut scan = view.scan(Family::Entities, &keys::following(entity_type, after), keys::type_end(entity_type));
    while let Some((key, value)) = scan.next()? {
        if page.rows.len() >= limit {
            page.more = true;
            break;
        }
        page.rows.push(listed(key, value, &shared).map_err(|damage| unreadable(damage, key))?);
    }
    Ok(page)
}

fn listed(key: &[u8], value: &[u8], shared: &Arc<str>) -> core::result::Result<Listed, Damage> {
    let entity = keys::parse_entity(key, Some(shared))?;
    let row = EntityRow::decode(key, value)?;
    Ok(Listed { entity, last: row.last, deleted: row.is_deleted() })
}

/// Damage at a key that may itself be the damage.
fn unreadable(damage: Damage, key: &[u8]) -> Error {
    Error::from(damage).at("key", key.escape_ascii())
}

/// The types that have entities: one search for each, however many entities there are.
pub(crate) fn types(view: &View<'_>) -> Result<Vec<String>> {
    let mut types = Vec::new();
    let mut from = Vec::new();
    loop {
        // No type begins with a byte above `z`.
        let mut scan = view.scan(Family::Entities, &from, vec![0x7f]);
        let Some((key, _)) = scan.next()? else { return Ok(types) };
        let entity = keys::parse_entity(key, None).map_err(|damage| unreadable(damage, key))?;
        from = keys::type_end(entity.entity_type());
        types.push(entity.entity_type().to_owned());
    }
}
