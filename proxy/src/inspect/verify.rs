// SPDX-License-Identifier: Apache-2.0
//! What reading everything has shown.

use adjoin_rocksdb::Verified;
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
    /// The first damage, with its place; what follows it was not read.
    pub(crate) damage: Option<String>,
}

impl VerifyReport {
    pub(crate) fn new(verified: Verified, damage: Option<String>) -> Self {
        let Verified { shards, batches, records, payloads, entities } = verified;
        Self { shards, batches, records, payloads, entities, damage }
    }
}

impl Row for VerifyReport {
    const COLUMNS: &'static [&'static str] = &["shards", "batches", "records", "contents", "entities", "damage"];

    fn cells(&self) -> Vec<String> {
        let count = |number: u64| number.to_string();
        vec![
            self.shards.to_string(),
            count(self.batches),
            count(self.records),
            count(self.payloads),
            count(self.entities),
            self.damage.clone().unwrap_or_else(|| "none".into()),
        ]
    }
}
