// SPDX-License-Identifier: Apache-2.0
//! Reading an entity: what is asked of a store, and the page that comes back.

use alloc::vec::Vec;

use crate::payload::Payload;
use crate::record::{Dedup, Sequence, Snapshot};

/// What to read of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadRequest {
    /// Records after this sequence; `None` for the first page, which also brings snapshot, value and dedup records.
    pub after: Option<Sequence>,
    /// Ignore snapshots with a sequence at or above this one (an unreadable one falls back to the older); `None` takes
    /// the newest.
    pub snapshot_below: Option<Sequence>,
    /// Stop after about this many bytes of events; at least one event is returned if there is one.
    pub max_bytes: usize,
}

/// A page of an entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntityPage {
    /// The entity's last sequence, 0 when it was never written or was purged.
    pub last: Sequence,
    /// Whether its last sequenced record is a delete.
    pub deleted: bool,
    /// First page only: the newest usable snapshot that lies after the last delete.
    pub snapshot: Option<Snapshot>,
    /// First page only: the current value of a value entity, with its sequence.
    pub value: Option<(Sequence, Payload)>,
    /// Events after the snapshot (first page) or after `after`, and after the last delete, in order, without gaps.
    pub events: Vec<(Sequence, Payload)>,
    /// First page only: dedup records, oldest first.
    pub dedup: Vec<Dedup>,
    /// Whether more events follow.
    pub more: bool,
}
