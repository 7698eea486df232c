// SPDX-License-Identifier: Apache-2.0
//! Purges an entity: its history, value, snapshots and remembered keys go, and with them its last sequence.

use adjoin_model::{EntityId, Error, LoadRequest, Result, Sequence};
use adjoin_storage::{Store, guard};

use super::{delete, time};

/// What stands before a purge.
pub(crate) struct Doomed {
    /// The entity's last sequence.
    pub(crate) sequence: Sequence,
    /// Whether it is deleted already.
    pub(crate) deleted: bool,
}

/// What a purge meets. `force` does not ask that the entity is deleted.
///
/// # Errors
/// `NotFound` when there is nothing to purge, `Conflict` when it lives; what the store says.
pub(crate) async fn doomed(store: &dyn Store, entity: &EntityId, force: bool) -> Result<Doomed> {
    let request = LoadRequest { after: None, snapshot_below: None, max_bytes: 1 };
    let page = store.load(entity, request).await?;
    if page.last == 0 {
        return Err(Error::not_found(format!("there is no {entity} to purge")));
    }
    if !page.deleted && !force {
        let said = format!("{entity} is not deleted: delete it first, or force the purge, which deletes it");
        return Err(Error::conflict(said));
    }
    Ok(Doomed { sequence: page.last, deleted: page.deleted })
}

/// Has the store purge a deleted entity. `force` does not ask whether its windows have passed.
///
/// # Errors
/// `Conflict` when it is too early; what the store says.
pub(crate) async fn forget(store: &dyn Store, entity: &EntityId, force: bool) -> Result<()> {
    store.purge(entity, (!force).then(delete::now)).await.map_err(|error| {
        let until = error.context.iter().find(|(what, _)| what == guard::REMEMBERED);
        let Some(until) = until.and_then(|(_, until)| until.parse().ok()) else { return error };
        let said = format!(
            "idempotency keys of {entity} are remembered until {}: purge it then, or force it, after which a command that \
             is sent again runs again",
            time(until)
        );
        Error::conflict(said)
    })
}

/// Purges an entity in a folder that no host holds; gives the sequence that it ended at.
///
/// # Errors
/// Those of [`doomed`] and [`forget`].
pub(crate) async fn purge(store: &dyn Store, entity: &EntityId, force: bool) -> Result<Sequence> {
    let doomed = doomed(store, entity, force).await?;
    let sequence = if doomed.deleted { doomed.sequence } else { delete::delete(store, entity).await? };
    forget(store, entity, force).await.map(|()| sequence)
}
