// SPDX-License-Identifier: Apache-2.0
//! Opening a folder: the log is examined, RocksDB replays it, and what it brought back is checked against the heads.

use std::collections::BTreeMap;

use adjoin_model::{Error, Head, Position, Result, ShardId};
use adjoin_storage::Meta;
use rocksdb::WriteBatch;

use crate::codec::FORMAT;
use crate::db::{Db, Family, failed};
use crate::folder::Folder;
use crate::keys;
use crate::read::{Batches, reaches_head};
use crate::rows::{decode_head, decode_meta, encode_meta};
use crate::settings::Settings;
use crate::wal::{self, Torn};

const META_KEY: &[u8] = b"store";
const DEFAULT_SHARDS: u32 = 1024;

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Whether the store was made now.
    pub created: bool,
    /// Writes at the end of a log that were under way when the last process ended; nobody was told of them.
    pub torn: Vec<Torn>,
    /// Batch headers checked: those that the log held, up to the heads.
    pub batches_checked: u64,
}

/// An opened store.
pub(crate) struct Opened {
    pub(crate) db: Db,
    pub(crate) meta: Meta,
    pub(crate) heads: Vec<Head>,
    pub(crate) report: OpenReport,
}

pub(crate) fn open(folder: &Folder, settings: &Settings) -> Result<Opened> {
    let made = folder.is_made();
    if made {
        complete(folder)?;
    }
    let examined = wal::examine(folder.path())?;
    let db = Db::open(folder.path(), settings).map_err(|error| error.at("folder", folder.path().display()))?;
    let stored = stored_meta(&db)?;
    let created = stored.is_none();
    let meta = match stored {
        Some(meta) => agreed(meta, settings)?,
        None if made => return Err(Error::corrupt("the row that says how many shards the store has is missing")),
        None => create(&db, settings)?,
    };
    if !made {
        folder.mark_made()?;
    }
    let heads = heads(&db, meta)?;
    let batches_checked = check_batches(&db, &heads, &examined.batches)?;
    Ok(Opened { db, meta, heads, report: OpenReport { created, torn: examined.torn, batches_checked } })
}

/// What RocksDB would make anew instead of missing it.
fn complete(folder: &Folder) -> Result<()> {
    let missing = |what: &str| Err(Error::corrupt(format!("{what} is missing")).at("folder", folder.path().display()));
    if !folder.path().join("CURRENT").exists() {
        return missing("the file CURRENT");
    }
    match wal::bytes(folder.path()) {
        Ok(None) => missing("the write-ahead log"),
        _ => Ok(()),
    }
}

fn stored_meta(db: &Db) -> Result<Option<Meta>> {
    let found = db.get(Family::Meta, META_KEY)?;
    let decoded = found.map(|found| decode_meta(META_KEY, &found)).transpose();
    decoded.map_err(|damage| Error::from(damage).at("row", "store"))
}

/// The stored row, if this version and these settings can live with it.
fn agreed(meta: Meta, settings: &Settings) -> Result<Meta> {
    if meta.format != u32::from(FORMAT) {
        let said = format!(
            "the folder has format {}, this version reads {FORMAT}; use the version that wrote it",
            meta.format
        );
        return Err(Error::invalid(said));
    }
    match settings.shards {
        Some(wanted) if wanted != meta.shards => Err(Error::invalid(format!(
            "the store was made with {} shards, which never change; {wanted} are asked for",
            meta.shards
        ))),
        _ => meta.checked(),
    }
}

/// Makes the store, in a RocksDB that has nothing else in it.
fn create(db: &Db, settings: &Settings) -> Result<Meta> {
    let view = db.view();
    for family in [Family::Journal, Family::Heads] {
        if view.scan(family, &[], vec![0xff; 16]).next()?.is_some() {
            return Err(Error::corrupt("there is data, but not the row that says how many shards the store has"));
        }
    }
    let shards = settings.shards.unwrap_or(DEFAULT_SHARDS);
    let meta = Meta { format: u32::from(FORMAT), shards, store_id: settings.store_id }.checked()?;
    let mut batch = WriteBatch::default();
    batch.put_cf(db.family(Family::Meta), META_KEY, encode_meta(META_KEY, meta));
    db.apply(batch, true).map_err(failed)?;
    Ok(meta)
}

fn heads(db: &Db, meta: Meta) -> Result<Vec<Head>> {
    let mut heads = vec![Head::EMPTY; meta.shards as usize];
    let view = db.view();
    let mut scan = view.scan(Family::Heads, &[], vec![0xff; 5]);
    while let Some((key, value)) = scan.next()? {
        let read = keys::parse_head(key).and_then(|shard| Ok((shard, decode_head(key, value)?.0)));
        let (shard, head) = read.map_err(|damage| Error::from(damage).at("head", key.escape_ascii()))?;
        let place = heads.get_mut(shard.0 as usize);
        *place.ok_or_else(|| Error::corrupt("there is no such shard").at("shard", shard))? = head;
    }
    Ok(heads)
}

/// Checks that the batches that the log held lead to the heads without a gap; answers how many there are.
fn check_batches(db: &Db, heads: &[Head], logged: &BTreeMap<ShardId, Position>) -> Result<u64> {
    let view = db.view();
    let mut checked = 0;
    for (shard, lowest) in logged {
        let head = heads.get(shard.0 as usize).copied().unwrap_or(Head::EMPTY);
        // The batch before was flushed; the first one of the log has to follow it.
        let mut batches = Batches::around(&view, *shard, lowest.saturating_sub(1).max(1));
        let mut reached = 0;
        while let Some((first, count)) = batches.next_header()? {
            reached = first + count - 1;
            checked += 1;
        }
        reaches_head(*shard, reached, head)?;
    }
    Ok(checked)
}
