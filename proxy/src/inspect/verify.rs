// SPDX-License-Identifier: Apache-2.0
//! What reading everything has shown.

use serde::{Deserialize, Serialize};

use crate::print::Row;

/// What a verification found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct VerifyReport {
    /// Shards that hold something.
    pub(crate) shards: u64,
    /// Records read.
    pub(crate) records: u64,
    /// Every damaged place, in words.
    pub(crate) damage: Vec<String>,
}

impl Row for VerifyReport {
    const COLUMNS: &'static [&'static str] = &["shards", "records", "damage"];

    fn cells(&self) -> Vec<String> {
        let damage = if self.damage.is_empty() { "none".into() } else { self.damage.join("\n        ") };
        vec![self.shards.to_string(), self.records.to_string(), damage]
    }
}
