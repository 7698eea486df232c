// SPDX-License-Identifier: Apache-2.0
//! Who wrote, and which of its writes.

/// A replica: whoever writes to its own copy of a state. It must be used by one writer at a time and never with a copy
/// of the state older than its latest, else two different writes would bear one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(pub u64);

/// The name of one write: the `counter`-th of `replica`, from 1. (Almeida, Shoker, Baquero: *Delta state replicated
/// data types*, 2018, §7.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// Whose write.
    pub replica: ReplicaId,
    /// Which of its writes, from 1.
    pub counter: u64,
}

impl Dot {
    /// The `counter`-th write of `replica`.
    #[must_use]
    pub const fn new(replica: ReplicaId, counter: u64) -> Self {
        Self { replica, counter }
    }

    /// Whether `self` is the write of the same replica that comes right after `other`.
    pub(crate) fn follows(self, other: Self) -> bool {
        self.replica == other.replica && other.counter.checked_add(1) == Some(self.counter)
    }
}
