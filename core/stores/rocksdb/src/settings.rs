// SPDX-License-Identifier: Apache-2.0
//! How a folder is opened.

/// Settings of a store. What is fixed at creation is only compared later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Number of shards, 16 to 65 536, of a store that is made now (1024 when `None`). An existing store keeps its own;
    /// asking for another number there is an error.
    pub shards: Option<u32>,
    /// Random id for a store that is made now; the caller's randomness.
    pub store_id: u128,
    /// Make the store if the folder holds none.
    pub create: bool,
    /// Bytes of blocks kept in memory for reading.
    pub cache_bytes: usize,
    /// Bytes of writes kept in memory before they are sorted into files; also bounds what a start after a crash replays.
    pub write_buffer_bytes: usize,
    /// Threads that read, at least 1.
    pub readers: usize,
    /// Calls waiting for a thread, beyond which calls are Exhausted; for reads and writes each.
    pub queue: usize,
}

impl Settings {
    /// Defaults that suit one service on a small machine; `store_id` is fresh randomness.
    #[must_use]
    pub fn new(store_id: u128) -> Self {
        Self {
            shards: None,
            store_id,
            create: true,
            cache_bytes: 64 << 20,
            write_buffer_bytes: 64 << 20,
            readers: 2,
            queue: 4096,
        }
    }
}
