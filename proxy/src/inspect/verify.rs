// SPDX-License-Identifier: Apache-2.0
//! What reading everything has shown.

use adjoin_rocksdb::{Findings, Verified};
use serde::{Deserialize, Serialize};

use crate::print::Row;

/// What a verification found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct VerifyReport {
    /// Shards whose journal was read to its head.
    pub(crate) shards: u32,
    /// Shard batches that were checked.
    pub(crate) batches: u64,
    /// Records whose place was checked.
    pub(crate) records: u64,
    /// Records among them whose content was read; that of the others was purged, replaced or has expired.
    pub(crate) payloads: u64,
    /// Entities that were read whole.
    pub(crate) entities: u64,
    /// Damaged places in the order they were met, as many as a report names.
    pub(crate) damages: Vec<String>,
    /// Damaged places beyond those.
    pub(crate) more_damages: u64,
}

/// Damaged places that a report names.
pub(crate) const NAMED: usize = 1000;

impl VerifyReport {
    pub(crate) fn new(found: Findings) -> Self {
        let Verified { shards, batches, records, payloads, entities } = found.verified;
        let damages = found.damages.iter().map(ToString::to_string).collect();
        Self { shards, batches, records, payloads, entities, damages, more_damages: found.more }
    }

    /// Damaged places, named or not.
    pub(crate) fn damaged(&self) -> u64 {
        self.damages.len() as u64 + self.more_damages
    }
}

impl Row for VerifyReport {
    const COLUMNS: &'static [&'static str] = &["shards", "batches", "records", "contents", "entities", "damaged"];

    fn cells(&self) -> Vec<String> {
        let count = |number: u64| number.to_string();
        vec![
            self.shards.to_string(),
            count(self.batches),
            count(self.records),
            count(self.payloads),
            count(self.entities),
            count(self.damaged()),
        ]
    }
}
