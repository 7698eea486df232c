// SPDX-License-Identifier: Apache-2.0
//! Purges an entity: its history, value, snapshots and remembered keys go, and with them its last sequence.

use adjoin_model::{EntityId, Error, LoadRequest, Result, Sequence};
use adjoin_storage::Store;

use super::{delete, time};

/// What stands before a purge.
pub(crate) struct Doomed {
    /// The entity's last sequence.
    pub(crate) sequence: Sequence,
    /// Whether it is deleted already.
    pub(crate) deleted: bool,
}

/// Whether an entity may be purged. `force` asks neither that it is deleted nor that its windows have passed.
///
/// # Errors
/// `NotFound` when there is nothing to purge, `Conflict` when it is too early; what the store says.
pub(crate) async fn doomed(store: &dyn Store, entity: &EntityId, force: bool) -> Result<Doomed> {
    let request = LoadRequest { after: None, snapshot_below: None, max_bytes: 1 };
    let page = store.load(entity, request).await?;
    if page.last == 0 {
        return Err(Error::not_found(format!("there is no {entity} to purge")));
    }
    let doomed = Doomed { sequence: page.last, deleted: page.deleted };
    if force {
        return Ok(doomed);
    }
    if !page.deleted {
        let said = format!("{entity} is not deleted: delete it first, or force the purge, which deletes it");
        return Err(Error::conflict(said));
    }
    let now = delete::now();
    let remembered = page.dedup.iter().map(|dedup| dedup.expires).filter(|expires| *expires > now).max();
    remembered.map_or(Ok(doomed), |until| {
        let said = format!(
            "idempotency keys of {entity} are remembered until {}: purge it then, or force it, after which a command that \
             is sent again runs again",
            time(until.0)
        );
        Err(Error::conflict(said))
    })
}

/// Purges an entity in a folder that no host holds; gives the sequence that it ended at.
///
/// # Errors
/// Those of [`doomed`]; what the store says.
pub(crate) async fn purge(store: &dyn Store, entity: &EntityId, force: bool) -> Result<Sequence> {
    let doomed = doomed(store, entity, force).await?;
    let sequence = if doomed.deleted { doomed.sequence } else { delete::delete(store, entity).await? };
    store.purge(entity).await.map(|()| sequence)
}
