// SPDX-License-Identifier: Apache-2.0
//! The settings of a shard loop.

use adjoin_model::{Limits, Owner};

/// How a loop behaves. Times in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which loop of its host this is; below [`Settings::loops`].
    pub index: u8,
    /// Loops in the host, 1 to 255. A shard belongs to loop `shard % loops`.
    pub loops: u8,
    /// Shards of the store.
    pub shards: u32,
    /// This incarnation of the node.
    pub owner: Owner,
    /// Seed of hash maps: randomness of the driver, so that nobody can choose colliding keys.
    pub seed: u64,
    /// The bounds.
    pub limits: Limits,
    /// Commands of one entity that the function may hold unanswered.
    pub window: u32,
    /// How long a call waits for a function to be there (never connected, or restarting).
    pub function_wait_ms: u64,
    /// Idle time after which an entity is passivated, where its type gives none.
    pub passivate_after_ms: u64,
    /// How long an idempotency record answers duplicates.
    pub dedup_window_ms: u64,
    /// Wait before a failed raise is tried again.
    pub raise_again_ms: u64,
    /// Bytes of one page of replay.
    pub page_bytes: usize,
    /// Wait before a durable effect or an event that failed is tried again; doubled each time.
    pub effect_retry_ms: u64,
    /// The longest such wait.
    pub effect_retry_max_ms: u64,
    /// Failures after which a durable effect is stuck, and an event a dead letter.
    pub effect_attempts: u32,
    /// Process deaths after which the command that was running fails as Internal.
    pub deaths: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            index: 0,
            loops: 1,
            shards: 1024,
            owner: Owner(0),
            seed: 0,
            limits: Limits::default(),
            window: 32,
            function_wait_ms: 10_000,
            passivate_after_ms: 60_000,
            dedup_window_ms: 3_600_000,
            raise_again_ms: 100,
            page_bytes: 512 << 10,
            effect_retry_ms: 100,
            effect_retry_max_ms: 60_000,
            effect_attempts: 10,
            deaths: 3,
        }
    }
}
