// SPDX-License-Identifier: Apache-2.0
//! RocksDB as this store uses it: which families there are, with which options, and its errors as ours.

use std::path::Path;

use adjoin_model::{Error, Result};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBPinnableSlice,
    DBRawIterator, DBRecoveryMode, ErrorKind, FlushOptions, LogLevel, Options, ReadOptions, Snapshot, WriteBatch,
    WriteOptions,
};

use crate::settings::Settings;

/// A column family: what its keys and values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Shard batches by shard and first position. RocksDB's default family, whose number is 0 in every folder: the
    /// write-ahead log names families by number.
    Journal,
    /// Heads by shard.
    Heads,
    /// What each entity has, by entity.
    Entities,
    /// Events by entity and sequence.
    Events,
    /// Present values by entity.
    Values,
    /// Snapshots by entity and sequence.
    Snapshots,
    /// Dedup records by entity and position.
    Dedup,
    /// Keys of dedup records by expiry; there are no values.
    Expiry,
    /// The store's own row.
    Meta,
    /// Outbox records that are not known to be delivered, by shard and position.
    Outbox,
    /// Inbox records that have not ended, by shard and position.
    Inbox,
    /// Watermarks, by target shard and source shard.
    Watermarks,
    /// Positions and dead letters of consumers, by shard and consumer.
    Consumers,
}

impl Family {
    pub(crate) const ALL: [Self; 13] = [
        Self::Journal,
        Self::Heads,
        Self::Entities,
        Self::Events,
        Self::Values,
        Self::Snapshots,
        Self::Dedup,
        Self::Expiry,
        Self::Meta,
        Self::Outbox,
        Self::Inbox,
        Self::Watermarks,
        Self::Consumers,
    ];

    /// The name in the folder.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Journal => "default",
            Self::Heads => "heads",
            Self::Entities => "entities",
            Self::Events => "events",
            Self::Values => "values",
            Self::Snapshots => "snapshots",
            Self::Dedup => "dedup",
            Self::Expiry => "expiry",
            Self::Meta => "meta",
            Self::Outbox => "outbox",
            Self::Inbox => "inbox",
            Self::Watermarks => "watermarks",
            Self::Consumers => "consumers",
        }
    }
}

/// An open RocksDB.
pub(crate) struct Db {
    raw: DB,
}

impl Db {
    pub(crate) fn open(folder: &Path, settings: &Settings) -> Result<Self> {
        let cache = Cache::new_lru_cache(settings.cache_bytes);
        let family = |family: Family| ColumnFamilyDescriptor::new(family.name(), family_options(settings, &cache));
        let raw = DB::open_cf_descriptors(&options(settings), folder, Family::ALL.map(family)).map_err(failed)?;
        Ok(Self { raw })
    }

    /// Opens what is there without changing it: the log is replayed in memory only.
    pub(crate) fn open_read_only(folder: &Path, settings: &Settings) -> Result<Self> {
        let cache = Cache::new_lru_cache(settings.cache_bytes);
        let family = |family: Family| ColumnFamilyDescriptor::new(family.name(), family_options(settings, &cache));
        let families = Family::ALL.map(family);
        let raw = DB::open_cf_descriptors_read_only(&options(settings), folder, families, false).map_err(failed)?;
        Ok(Self { raw })
    }

    pub(crate) fn family(&self, family: Family) -> &ColumnFamily {
        let Some(handle) = self.raw.cf_handle(family.name()) else { unreachable!("opened with every family") };
        handle
    }

    pub(crate) fn get(&self, family: Family, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>> {
        self.raw.get_pinned_cf(self.family(family), key).map_err(failed)
    }

    /// The store as it is now; what is written later is not seen.
    pub(crate) fn view(&self) -> View<'_> {
        View { db: self, at: self.raw.snapshot() }
    }

    /// Applies a batch; `synced` waits until it is on the disk.
    pub(crate) fn apply(&self, batch: WriteBatch, synced: bool) -> core::result::Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.set_sync(synced && !cfg!(feature = "mutant-unsynced"));
        self.raw.write_opt(batch, &options)
    }

    /// An error as RocksDB makes them, for a write that is made to fail.
    #[cfg(test)]
    pub(crate) fn fail(&self) -> core::result::Result<(), rocksdb::Error> {
        self.raw.set_options(&[("no_such_option", "1")])
    }

    /// Writes what is in memory into sorted files, so that the next open has nothing to replay.
    pub(crate) fn flush(&self) -> Result<()> {
        let families = Family::ALL.map(|family| self.family(family));
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.raw.flush_cfs_opt(&families, &options).map_err(failed)
    }
}

/// A consistent look at the store.
pub(crate) struct View<'a> {
    db: &'a Db,
    at: Snapshot<'a>,
}

impl View<'_> {
    pub(crate) fn get(&self, family: Family, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>> {
        self.at.get_pinned_cf(self.db.family(family), key).map_err(failed)
    }

    /// Everything from `from` up to, but not including, `to`, in order.
    pub(crate) fn scan(&self, family: Family, from: &[u8], to: Vec<u8>) -> Scan<'_> {
        let mut scan = self.before(family, to);
        scan.raw.seek(from);
        scan
    }

    /// From the last key at or before `at` – if there is one of at least `least` – up to, but not including, `to`.
    pub(crate) fn scan_around(&self, family: Family, least: &[u8], at: &[u8], to: Vec<u8>) -> Scan<'_> {
        let mut scan = self.before(family, to);
        scan.raw.seek_for_prev(at);
        if scan.raw.key().is_none_or(|key| key < least) {
            scan.raw.seek(at);
        }
        scan
    }

    fn before(&self, family: Family, to: Vec<u8>) -> Scan<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(to);
        Scan { raw: self.at.raw_iterator_cf_opt(self.db.family(family), options), started: false }
    }
}

/// Keys and values in order.
pub(crate) struct Scan<'a> {
    raw: DBRawIterator<'a>,
    started: bool,
}

impl Scan<'_> {
    /// The next one.
    pub(crate) fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        if self.started && self.raw.valid() {
            self.raw.next();
        }
        self.started = true;
        if !self.raw.valid() {
            self.raw.status().map_err(failed)?;
        }
        Ok(self.raw.item())
    }
}

fn options(settings: &Settings) -> Options {
    let mut options = Options::default();
    options.create_if_missing(settings.create);
    // Folders of earlier versions have fewer families; opening to read only makes none.
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // The log: what is acknowledged is in it, so only an end that was being written may be missing.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_recycle_log_file_num(0);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(settings.write_buffer_bytes as u64);
    options.set_db_write_buffer_size(settings.write_buffer_bytes);
    // Opening costs time by file otherwise.
    options.set_skip_stats_update_on_db_open(true);
    options.set_max_open_files(1024);
    options.set_avoid_unnecessary_blocking_io(true);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_keep_log_file_num(4);
    options.set_log_level(LogLevel::Warn);
    options
}

fn family_options(settings: &Settings, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(16 << 10);
    table.set_bloom_filter(10.0, false);
    table.set_format_version(6);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(settings.write_buffer_bytes / 2);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

/// RocksDB's error as ours: what it calls corrupt is Corrupt, everything else is a store that cannot now.
pub(crate) fn failed(error: rocksdb::Error) -> Error {
    let message = error.to_string();
    match error.kind() {
        ErrorKind::Corruption => Error::corrupt(message),
        _ => Error::unavailable(message),
    }
}
