// SPDX-License-Identifier: Apache-2.0
//! The store of an in-process host.

use std::path::Path;
use std::sync::Arc;

use adjoin_model::Result;
use adjoin_rocksdb::RocksStore;
use adjoin_storage::{MemoryStore, Store};

const SHARDS: u32 = 1024;

/// An opened store, and what a person should hear of its opening. The log of this library goes nowhere in a foreign
/// process, so it is handed out instead.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) notes: Vec<String>,
}

/// Opens the folder, making it if it is missing, or a store in memory.
pub(crate) fn open(path: Option<&str>, shards: Option<u32>) -> Result<Opened> {
    let id = adjoin_engine::random()?;
    let Some(path) = path else {
        let store = Arc::new(MemoryStore::new(shards.unwrap_or(SHARDS), id)?);
        return Ok(Opened { store, notes: Vec::new() });
    };
    let store =
        RocksStore::open(Path::new(path), adjoin_rocksdb::Settings { shards, ..adjoin_rocksdb::Settings::new(id) })?;
    let notes = store.report().torn.iter().map(|torn| format!("{path}: {torn}")).collect();
    Ok(Opened { store: Arc::new(store), notes })
}
