// SPDX-License-Identifier: Apache-2.0
//! The store of an in-process host.

use std::path::Path;
use std::sync::Arc;

use adjoin_model::{Error, Result};
use adjoin_storage::{MemoryStore, Store};

const SHARDS: u32 = 1024;

/// Opens the folder, making it if it is missing, or a store in memory.
pub(crate) fn open(path: Option<&str>, shards: Option<u32>) -> Result<Arc<dyn Store>> {
    let id = random_id()?;
    match path {
        None => Ok(Arc::new(MemoryStore::new(shards.unwrap_or(SHARDS), id)?)),
        Some(path) => {
            let settings = adjoin_rocksdb::Settings { shards, ..adjoin_rocksdb::Settings::new(id) };
            Ok(Arc::new(adjoin_rocksdb::RocksStore::open(Path::new(path), settings)?))
        }
    }
}

fn random_id() -> Result<u128> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Error::unavailable(format!("the system has no randomness: {error}")))?;
    Ok(u128::from_ne_bytes(id))
}
