// SPDX-License-Identifier: Apache-2.0
//! What only a fault inside the store shows.

use rocksdb::WriteBatch;

use crate::db::Db;

/// What goes wrong at the next write.
pub(crate) enum Fault {
    /// The write is applied, and said to have failed.
    Applied,
    /// The write is not applied.
    Lost,
}

impl Fault {
    pub(crate) fn apply(self, db: &Db, batch: WriteBatch) -> Result<(), rocksdb::Error> {
        if matches!(self, Self::Applied) {
            db.apply(batch, true)?;
        }
        db.fail()
    }
}
