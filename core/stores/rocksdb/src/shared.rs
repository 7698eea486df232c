// SPDX-License-Identifier: Apache-2.0
//! What the writer, the readers and the store's face share: RocksDB, the heads, and whether they can be believed.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use adjoin_model::{Error, Head, Result, ShardId};
use adjoin_storage::{Capability, Meta, guard};
use rocksdb::WriteBatch;

use crate::db::Db;
use crate::folder::Folder;
use crate::open::{self, OpenReport};
use crate::process::Opener;
use crate::settings::Settings;

enum State {
    /// RocksDB closes before the folder is let go: fields are dropped in order.
    Open {
        db: Db,
        folder: Folder,
    },
    /// RocksDB could not be opened again after a failed write; reads go on if it can be opened for them alone.
    Broken {
        db: Option<Db>,
        folder: Folder,
        error: Error,
    },
    Closed,
}

pub(crate) struct Shared {
    pub(crate) meta: Meta,
    pub(crate) capability: Capability,
    opener: Opener,
    settings: Settings,
    state: RwLock<State>,
    heads: RwLock<Vec<Head>>,
    /// A write's outcome is unknown, and so is what the heads are.
    doubt: AtomicBool,
    /// A write was refused because the disk is full.
    full: AtomicBool,
    #[cfg(test)]
    pub(crate) fault: std::sync::Mutex<Option<crate::tests::Fault>>,
}

impl Shared {
    pub(crate) fn open(folder: Folder, settings: Settings) -> Result<(Self, OpenReport)> {
        let opened = open::open(&folder, &settings)?;
        let max_batch_bytes = Capability::BATCH_BYTES;
        let shared = Self {
            meta: opened.meta,
            capability: Capability { name: "rocksdb", durable: true, max_batch_bytes, shared: false },
            opener: Opener::this(),
            settings: Settings { create: false, shards: None, ..settings },
            state: RwLock::new(State::Open { db: opened.db, folder }),
            heads: RwLock::new(opened.heads),
            doubt: AtomicBool::new(false),
            full: AtomicBool::new(false),
            #[cfg(test)]
            fault: std::sync::Mutex::default(),
        };
        Ok((shared, opened.report))
    }

    pub(crate) fn opener(&self) -> Opener {
        self.opener
    }

    /// Runs `work` on RocksDB, which stays open as long.
    pub(crate) fn with_db<T>(&self, work: impl FnOnce(&Db) -> Result<T>) -> Result<T> {
        self.opener.check()?;
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open { db, .. } | State::Broken { db: Some(db), .. } => work(db),
            State::Broken { error, .. } => Err(error.clone()),
            State::Closed => Err(guard::closed()),
        }
    }

    /// Whether RocksDB can be written to; after an unknown outcome it is opened again, which settles it: what the log
    /// has is replayed and stored anew, what it has not never comes.
    pub(crate) fn usable(&self) -> Result<()> {
        // RocksDB does not always go on by itself when a full disk has room again.
        let may_go_on = || self.full.load(Ordering::Acquire) && self.has_room();
        if self.doubt.load(Ordering::Acquire) || may_go_on() {
            return self.reopen();
        }
        self.with_db(|_| Ok(()))
    }

    fn has_room(&self) -> bool {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open { folder, .. } | State::Broken { folder, .. } => folder.has_room(),
            State::Closed => false,
        }
    }

    fn reopen(&self) -> Result<()> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let (before, folder) = match mem::replace(&mut *state, State::Closed) {
            State::Open { db, folder } => (Some(db), folder),
            State::Broken { db, folder, .. } => (db, folder),
            State::Closed => return Err(guard::closed()),
        };
        // RocksDB holds a lock of its own until it is closed.
        drop(before);
        match open::open(&folder, &self.settings) {
            Ok(opened) => {
                *self.heads.write().unwrap_or_else(PoisonError::into_inner) = opened.heads;
                *state = State::Open { db: opened.db, folder };
                self.doubt.store(false, Ordering::Release);
                self.full.store(false, Ordering::Release);
                tracing::info!(batches = opened.report.batches_checked, "the store is open again");
                Ok(())
            }
            Err(error) => {
                self.doubt();
                let db = Db::open_read_only(folder.path(), &self.settings).ok();
                tracing::error!(%error, reads = db.is_some(), "the store could not be opened again");
                *state = State::Broken { db, folder, error: error.clone() };
                Err(error)
            }
        }
    }

    pub(crate) fn doubt(&self) {
        self.doubt.store(true, Ordering::Release);
    }

    /// The disk is full: the next write looks whether there is room again.
    pub(crate) fn full(&self) {
        self.full.store(true, Ordering::Release);
    }

    /// The heads, for the writer.
    pub(crate) fn heads_now(&self) -> RwLockReadGuard<'_, Vec<Head>> {
        self.heads.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on heads that can be believed.
    pub(crate) fn with_heads<T>(&self, work: impl FnOnce(&[Head]) -> T) -> Result<T> {
        self.with_db(|_| {
            if self.doubt.load(Ordering::Acquire) {
                let said = "a write's outcome is unknown; a raise of the shard's epoch settles it";
                return Err(Error::unavailable(said));
            }
            Ok(work(&self.heads_now()))
        })
    }

    pub(crate) fn set_heads(&self, changed: &HashMap<ShardId, Head>) {
        let mut heads = self.heads.write().unwrap_or_else(PoisonError::into_inner);
        for (shard, head) in changed {
            if let Some(place) = heads.get_mut(shard.0 as usize) {
                *place = *head;
            }
        }
    }

    /// Applies a batch to RocksDB.
    pub(crate) fn apply(&self, db: &Db, batch: WriteBatch, synced: bool) -> core::result::Result<(), rocksdb::Error> {
        #[cfg(test)]
        if let Some(fault) = self.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return fault.apply(db, batch);
        }
        db.apply(batch, synced)
    }

    /// Closes RocksDB, with nothing left to replay.
    pub(crate) fn close(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let State::Open { db, .. } = &*state
            && let Err(error) = db.flush()
        {
            // The log has everything, so the next open only takes longer.
            tracing::warn!(%error, "the store was closed without being flushed");
        }
        *state = State::Closed;
    }
}
