// SPDX-License-Identifier: Apache-2.0
//! The stores of a host: a folder, or memory.

use std::path::Path;
use std::sync::Arc;

use adjoin_model::{Error, Kind};
use adjoin_rocksdb::RocksStore;
use adjoin_storage::MemoryStore;

use crate::failure::{Exit, Failure, Outcome};
use crate::inspect::{NAMED, VerifyReport};
use crate::node::Note;
use crate::settings::Settings;

/// Shards of a store in memory, where nothing is said.
const SHARDS: u32 = 1024;

/// The store of a host.
#[derive(Clone)]
pub(crate) enum Store {
    Memory(Arc<MemoryStore>),
    Folder(Arc<RocksStore>),
}

impl Store {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// Unavailable, naming its host, when the folder is in use; Corrupt, Usage or Failed as the store says.
    pub(crate) async fn open(settings: &Settings) -> Outcome<Self> {
        let Some(path) = settings.data.as_deref().filter(|_| !settings.memory) else {
            let store = MemoryStore::new(settings.shards.unwrap_or(SHARDS), adjoin_engine::random()?)?;
            return Ok(Self::Memory(Arc::new(store)));
        };
        let rocks = adjoin_rocksdb::Settings {
            shards: settings.shards,
            ..adjoin_rocksdb::Settings::new(adjoin_engine::random()?)
        };
        Ok(Self::Folder(open(path, rocks).await?))
    }

    /// As the engine takes it.
    pub(crate) fn shared(&self) -> Arc<dyn adjoin_storage::Store> {
        match self {
            Self::Memory(store) => store.clone(),
            Self::Folder(store) => store.clone(),
        }
    }

    /// Reads everything and checks it.
    pub(crate) async fn verify(&self) -> adjoin_model::Result<VerifyReport> {
        match self {
            Self::Memory(_) => Err(Error::invalid("the journal is in memory: there is nothing stored to verify")),
            Self::Folder(store) => verify(store).await,
        }
    }
}

/// Opens a folder that holds a journal, for reading it without a host.
///
/// # Errors
/// NotFound without a journal; Unavailable, naming the admin address to use, when a host has it.
pub(crate) async fn open_existing(path: &Path) -> Outcome<Arc<RocksStore>> {
    open(path, adjoin_rocksdb::Settings { create: false, ..adjoin_rocksdb::Settings::new(0) }).await
}

/// Reads everything and checks it, also behind damage: that is a finding, not a failure.
///
/// # Errors
/// What keeps it from reading.
pub(crate) async fn verify(store: &RocksStore) -> adjoin_model::Result<VerifyReport> {
    Ok(VerifyReport::new(store.survey(NAMED, |_| {}).await?))
}

async fn open(path: &Path, settings: adjoin_rocksdb::Settings) -> Outcome<Arc<RocksStore>> {
    let folder = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || RocksStore::open(folder, settings)).await;
    let opened = opened.map_err(|error| Failure::new(Exit::Failed, format!("opening the journal failed: {error}")))?;
    opened.map(Arc::new).map_err(|error| cannot_open(path, error))
}

fn cannot_open(path: &Path, error: Error) -> Failure {
    let kind = error.kind;
    let failure = Failure::from(error);
    match (kind, Note::read(path)) {
        (Kind::Unavailable, Some(holder)) => failure.help(format!(
            "the host with the folder is process {}: ask it by --admin {} instead, or end it first",
            holder.pid, holder.admin
        )),
        (Kind::NotFound, _) => {
            failure.help("give the folder that a host was given with --data; `adjoin dev` uses .adjoin")
        }
        _ => failure,
    }
}
