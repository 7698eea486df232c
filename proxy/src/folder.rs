// SPDX-License-Identifier: Apache-2.0
//! The stores of a host: a folder, or memory.

use std::path::Path;
use std::sync::Arc;

use adjoin_storage::MemoryStore;

use crate::failure::{Exit, Failure, Outcome};
use crate::inspect::VerifyReport;
use crate::settings::Settings;

pub(crate) type RocksStore = MemoryStore;

#[derive(Clone)]
pub(crate) enum Store {
    Memory(Arc<MemoryStore>),
    Folder(Arc<RocksStore>),
}

impl Store {
    pub(crate) async fn open(settings: &Settings) -> Outcome<Self> {
        if !settings.memory {
            return Err(Failure::unavailable("this build has no store for folders yet").help("say --memory"));
        }
        Ok(Self::Memory(Arc::new(MemoryStore::new(settings.shards.unwrap_or(1024), 1)?)))
    }
    pub(crate) fn shared(&self) -> Arc<dyn adjoin_storage::Store> {
        match self { Self::Memory(s) => s.clone(), Self::Folder(s) => s.clone() }
    }
    pub(crate) fn describe(&self) -> &'static str { "memory" }
    pub(crate) async fn verify(&self) -> adjoin_model::Result<VerifyReport> { Ok(VerifyReport::default()) }
    pub(crate) async fn close(&self) -> adjoin_model::Result<()> { self.shared().close().await }
}
pub(crate) async fn open_existing(path: &Path) -> Outcome<Arc<RocksStore>> { Err(Failure::new(Exit::NotFound, path.display().to_string())) }
pub(crate) async fn verify(_store: &Arc<RocksStore>) -> adjoin_model::Result<VerifyReport> { Ok(VerifyReport::default()) }
