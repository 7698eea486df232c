// SPDX-License-Identifier: Apache-2.0
//! The write-ahead log, examined before RocksDB replays it.
//!
//! RocksDB ends a log silently where a record is incomplete, skips blocks of zeros anywhere, and does not say what it
//! left out. So every log is read first: an incomplete *end* is what a crash leaves behind of a write that nobody was
//! told of, and is cut and reported; anything else that cannot be read, and any gap in RocksDB's own numbering of
//! writes, is Corrupt with file and offset. What the log holds also says which shards' batch headers to check.

mod records;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use adjoin_model::{Error, Position, Result, ShardId};
use rocksdb::{WriteBatch, WriteBatchIteratorCf};

use crate::keys;
use records::{Ending, Records};

/// An incomplete end of a log that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The log's file name.
    pub file: String,
    /// Where the incomplete write began, in bytes; the file ends there now.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, bytes } = self;
        write!(
            f,
            "{file} ended in a write that was under way when the last host ended: {bytes} bytes from byte {offset} on are \
             cut; nobody was told that they were written"
        )
    }
}

/// What the logs hold.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    pub(crate) torn: Vec<Torn>,
    /// The lowest batch of each shard that a log holds.
    pub(crate) batches: BTreeMap<ShardId, Position>,
}

/// Reads every log in the folder, and cuts incomplete ends. Nobody else may have the folder open.
pub(crate) fn examine(folder: &Path) -> Result<Examined> {
    let mut examined = Examined::default();
    let mut next = None;
    for log in logs(folder).map_err(|error| unreadable(folder, &error))? {
        let content = fs::read(&log).map_err(|error| unreadable(&log, &error))?;
        let ending = read(&log, &content, &mut next, &mut examined.batches)?;
        if let Some(offset) = ending {
            let bytes = (content.len() - offset) as u64;
            let offset = offset as u64;
            cut(&log, offset).map_err(|error| unreadable(&log, &error))?;
            let file = name(&log);
            let torn = Torn { file, offset, bytes };
            // Here, so that every home says it: whoever opens a folder gets the report too, but need not print it.
            tracing::warn!(file = torn.file, offset, bytes, "{torn}");
            examined.torn.push(torn);
        }
    }
    Ok(examined)
}

/// The logs, oldest first.
fn logs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let (Some(number), true) = (number, path.extension().is_some_and(|ending| ending == "log")) {
            logs.push((number, path));
        }
    }
    logs.sort_unstable();
    Ok(logs.into_iter().map(|(_, path)| path).collect())
}

/// Bytes of all logs; `None` when there is no log, which RocksDB never leaves.
pub(crate) fn bytes(folder: &Path) -> io::Result<Option<u64>> {
    let logs = logs(folder)?;
    let bytes = logs.iter().map(|log| fs::metadata(log).map(|log| log.len())).sum::<io::Result<u64>>()?;
    Ok((!logs.is_empty()).then_some(bytes))
}

/// Reads one log; answers where its incomplete end begins, if it has one.
fn read(
    log: &Path,
    content: &[u8],
    next: &mut Option<u64>,
    batches: &mut BTreeMap<ShardId, Position>,
) -> Result<Option<usize>> {
    let corrupt =
        |what: &str, offset: usize| Error::corrupt(what.to_owned()).at("file", name(log)).at("offset", offset);
    let mut records = Records::new(content);
    while let Some((offset, record)) = records.next() {
        let first = number_of(&record, 0, 8).ok_or_else(|| corrupt("a write in the log has no header", offset))?;
        let count = number_of(&record, 8, 4).ok_or_else(|| corrupt("a write in the log has no header", offset))?;
        if next.is_some_and(|next| first > next) {
            return Err(corrupt("writes are missing from the log before this place", offset));
        }
        *next = Some(next.unwrap_or(0).max(first + count));
        WriteBatch::from_data(&record).iterate_cf(&mut Batches { batches });
    }
    match records.ending() {
        Ending::Whole => Ok(None),
        Ending::Torn(offset) => Ok(Some(offset)),
        Ending::Damaged(offset) => Err(corrupt("the log is damaged: a checksum or a length is wrong", offset)),
    }
}

/// A number of so many bytes, little end first.
fn number_of(record: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = record.get(at..at + length)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Collects the shard batches of a write.
struct Batches<'a> {
    batches: &'a mut BTreeMap<ShardId, Position>,
}

impl WriteBatchIteratorCf for Batches<'_> {
    fn put_cf(&mut self, family: u32, key: &[u8], _value: &[u8]) {
        // The journal is family 0 in every folder.
        if let (0, Ok((shard, first))) = (family, keys::parse_batch(key)) {
            self.batches.entry(shard).and_modify(|lowest| *lowest = first.min(*lowest)).or_insert(first);
        }
    }

    fn delete_cf(&mut self, _family: u32, _key: &[u8]) {}

    fn merge_cf(&mut self, _family: u32, _key: &[u8], _value: &[u8]) {}
}

fn cut(log: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(log)?;
    file.set_len(length)?;
    file.sync_all()
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::unavailable(error.to_string()).at("file", path.display())
}
