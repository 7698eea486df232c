// SPDX-License-Identifier: Apache-2.0
//! The contract suite over folders.

use std::sync::Arc;

use adjoin_rocksdb::{RocksStore, Settings};
use adjoin_storage::Store;
use adjoin_storage::contract::Fixture;
use tempfile::TempDir;

struct Folder {
    place: TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { place: tempfile::tempdir().expect("a folder") }
    }
}

impl Fixture for Folder {
    fn open(&self) -> Arc<dyn Store> {
        let settings = Settings { shards: Some(64), ..Settings::new(9) };
        Arc::new(RocksStore::open(self.place.path(), settings).expect("opens"))
    }
}

adjoin_storage::contract!(Folder::new());
adjoin_storage::contract_durable!(Folder::new());
