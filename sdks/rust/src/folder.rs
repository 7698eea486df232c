// SPDX-License-Identifier: Apache-2.0
//! The store in a folder.

use std::path::Path;
use std::sync::Arc;

use adjoin_model::{Error, Result};
use adjoin_rocksdb::{RocksStore, Settings};
use adjoin_storage::Store;

/// Opens the store of a folder, making both if they are missing. Blocks.
pub(crate) fn open(folder: &Path) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(RocksStore::open(folder, Settings::new(random_id()?))?))
}

/// The random id of a store that is made now.
pub(crate) fn random_id() -> Result<u128> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Error::unavailable(format!("the system has no randomness: {error}")))?;
    Ok(u128::from_ne_bytes(id))
}
