// SPDX-License-Identifier: Apache-2.0
//! The folder: one process has it open, which a lock that the system keeps makes sure of.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use adjoin_model::{Error, Result};

use crate::wal;

/// Beside RocksDB's own lock, because the write-ahead log is examined before RocksDB opens.
const LOCK: &str = "adjoin.lock";

/// Stands in the folder once the store is made. RocksDB makes a new store where it finds none, which must not happen
/// where there was one.
const MADE: &str = "adjoin.store";

/// Room beyond the log's content, in bytes: for manifests and the beginning of the next log.
const SPARE: u64 = 1 << 20;

/// Holds the folder until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder, making it if that is wanted.
    pub(crate) fn take(path: &Path, create: bool) -> Result<Self> {
        let said = |error: std::io::Error| Error::unavailable(error.to_string()).at("folder", path.display());
        if create {
            std::fs::create_dir_all(path).map_err(said)?;
        } else if !path.join(MADE).exists() {
            return Err(Error::not_found("no store is in this folder").at("folder", path.display()));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(said)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(path, &mut file)),
            Err(TryLockError::Error(error)) => return Err(said(error)),
        }
        // Only for the message that a second opener reads; on a full disk the lock is as good without it.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a store was made here.
    pub(crate) fn is_made(&self) -> bool {
        self.path.join(MADE).exists()
    }

    /// Says for good that a store was made here.
    pub(crate) fn mark_made(&self) -> Result<()> {
        let marked = || {
            let mut file = File::create(self.path.join(MADE))?;
            file.write_all(b"A store of adjoin. Without this file the folder counts as empty.\n")?;
            file.sync_all()?;
            File::open(&self.path)?.sync_all()
        };
        marked().map_err(|error| Error::unavailable(error.to_string()).at("folder", self.path.display()))
    }

    /// Whether there is room to open the store anew, which stores what the log holds a second time.
    pub(crate) fn has_room(&self) -> bool {
        let Ok(disk) = rustix::fs::statvfs(&self.path) else { return false };
        let logs = wal::bytes(&self.path).ok().flatten().unwrap_or(u64::MAX);
        disk.f_bavail.saturating_mul(disk.f_frsize) > logs.saturating_add(SPARE)
    }
}

fn taken(path: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    let _ = file.read_to_string(&mut holder);
    let said = "another process, or another store in this one, has the folder open; a folder has one at a time";
    Error::unavailable(said).at("folder", path.display()).at("process", holder.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::Kind;

    #[test]
    fn a_second_taker_is_refused_until_the_first_lets_go() {
        let place = tempfile::tempdir().expect("a folder");
        let first = Folder::take(place.path(), true).expect("taken");
        let refused = Folder::take(place.path(), true).expect_err("refused");
        assert_eq!(refused.kind, Kind::Unavailable);
        let process = ("process".into(), std::process::id().to_string());
        assert!(refused.context.contains(&process), "{refused}");
        drop(first);
        Folder::take(place.path(), true).expect("taken again");
    }

    #[test]
    fn a_folder_without_store_is_not_made_unless_asked() {
        let place = tempfile::tempdir().expect("a folder");
        let refused = Folder::take(&place.path().join("none"), false).expect_err("refused");
        assert_eq!(refused.kind, Kind::NotFound);
        assert!(!place.path().join("none").exists());
    }
}
