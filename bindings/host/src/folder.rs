// SPDX-License-Identifier: Apache-2.0
//! The store of an in-process host.

use std::path::Path;
use std::sync::Arc;

use adjoin_model::Result;
use adjoin_storage::{MemoryStore, Store};

const SHARDS: u32 = 1024;

/// Opens the folder, making it if it is missing, or a store in memory.
pub(crate) fn open(path: Option<&str>, shards: Option<u32>) -> Result<Arc<dyn Store>> {
    let id = adjoin_engine::random()?;
    match path {
        None => Ok(Arc::new(MemoryStore::new(shards.unwrap_or(SHARDS), id)?)),
        Some(path) => {
            let settings = adjoin_rocksdb::Settings { shards, ..adjoin_rocksdb::Settings::new(id) };
            Ok(Arc::new(adjoin_rocksdb::RocksStore::open(Path::new(path), settings)?))
        }
    }
}
