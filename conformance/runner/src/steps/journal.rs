// SPDX-License-Identifier: Apache-2.0
//! The journal, read from the closed folder: another path than the host's own answers.

use std::path::Path;

use adjoin_model::{EntityId, LoadRequest, Payload};
use adjoin_rocksdb::{RocksStore, Settings};
use adjoin_storage::{Entities, Store};

use super::{Asking, Done};
use crate::case::{How, Part};

const PAGE_BYTES: usize = 1 << 20;

impl Asking<'_> {
    pub(super) async fn journal(&mut self, entity: &str, expected: &[String]) -> Done {
        let entity = self.names.fill(entity);
        let mut site = self.site.write().await;
        site.end(Part::Host, How::Told).await?;
        let found: Vec<String> = read(&site.folder(), &entity).await?.iter().map(shown).collect();
        site.begin(Part::Host).await?;
        let expected: Vec<String> = expected.iter().map(|event| self.names.fill(event)).collect();
        if found != expected {
            return Err(format!("the journal holds {found:#?}, expected {expected:#?}"));
        }
        Ok(())
    }

    /// The folder of a running host belongs to it alone.
    pub(super) async fn open_twice(&mut self) -> Done {
        let folder = self.site.read().await.folder();
        match open(&folder).await {
            Ok(_) => Err("a second process could open the folder".to_owned()),
            Err(said) if said.contains("Unavailable") => Ok(()),
            Err(said) => Err(format!("it was refused, but as: {said}")),
        }
    }
}

async fn open(folder: &Path) -> Result<RocksStore, String> {
    let (folder, settings) = (folder.to_owned(), Settings { create: false, ..Settings::new(0) });
    let opened = tokio::task::spawn_blocking(move || RocksStore::open(&folder, settings)).await;
    opened.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

/// As cases write it: `Name {json}`.
fn shown(event: &Payload) -> String {
    format!("{} {}", event.type_name, String::from_utf8_lossy(&event.data))
}

/// Every event of an entity, `type/key`.
pub(super) async fn read(folder: &Path, entity: &str) -> Result<Vec<Payload>, String> {
    let store = open(folder).await?;
    let events = events(&store, entity).await;
    store.close().await.map_err(|error| error.to_string())?;
    events
}

async fn events(store: &RocksStore, entity: &str) -> Result<Vec<Payload>, String> {
    let (entity_type, key) = entity.split_once('/').ok_or_else(|| format!("{entity:?} is no entity"))?;
    let entity = EntityId::new(entity_type, key).map_err(|error| error.to_string())?;
    // Below the first sequence there is no snapshot, so every event comes.
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let request = LoadRequest { after, snapshot_below: Some(1), max_bytes: PAGE_BYTES };
        let page = store.load(&entity, request).await.map_err(|error| error.to_string())?;
        for (sequence, event) in page.events {
            found.push(event);
            after = Some(sequence);
        }
        if !page.more {
            return Ok(found);
        }
    }
}
