// SPDX-License-Identifier: Apache-2.0
//! The store in a folder.

use std::path::Path;
use std::sync::Arc;

use adjoin_model::Result;
use adjoin_rocksdb::{RocksStore, Settings};
use adjoin_storage::Store;

/// Opens the store of a folder, making both if they are missing. Blocks.
pub(crate) fn open(folder: &Path) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(RocksStore::open(folder, Settings::new(adjoin_engine::random()?))?))
}
