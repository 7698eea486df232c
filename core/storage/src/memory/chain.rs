// SPDX-License-Identifier: Apache-2.0
//! One shard's records, by position.

use adjoin_model::{Body, Epoch, Head, Position, Record};

use crate::store::{StoredRecord, TailPage};

pub(super) struct Chain {
    pub(super) head: Head,
    /// The record of position 1 stands first.
    records: Vec<StoredRecord>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { head: Head::EMPTY, records: Vec::new() }
    }
}

impl Chain {
    pub(super) fn push(&mut self, position: Position, epoch: Epoch, record: &Record) {
        self.records.push(StoredRecord { position, epoch, record: Some(record.clone()) });
    }

    /// The value at this place was replaced: its record stays, its payload goes.
    pub(super) fn supersede(&mut self, position: Position) {
        if let Some(record) = self.at(position).and_then(|stored| stored.record.as_mut()) {
            record.body = Body::Superseded;
        }
    }

    /// The record at this place is forgotten: only the place stays.
    pub(super) fn blank(&mut self, position: Position) {
        if let Some(stored) = self.at(position) {
            stored.record = None;
        }
    }

    fn at(&mut self, position: Position) -> Option<&mut StoredRecord> {
        self.records.get_mut(index(position))
    }

    pub(super) fn page(&self, from: Position, max_bytes: usize) -> TailPage {
        let rest = self.records.get(index(from)..).unwrap_or_default();
        let mut bytes = 0;
        let fits = |stored: &&StoredRecord| {
            let first = bytes == 0;
            bytes += stored.record.as_ref().map_or(1, Record::size);
            first || bytes <= max_bytes
        };
        let records: Vec<_> = rest.iter().take_while(fits).cloned().collect();
        let more = records.len() < rest.len();
        TailPage { records, more }
    }
}

fn index(position: Position) -> usize {
    usize::try_from(position.max(1) - 1).unwrap_or(usize::MAX)
}
