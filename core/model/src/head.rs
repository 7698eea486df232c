// SPDX-License-Identifier: Apache-2.0
//! A shard's head: who may write, and where the next record goes.

use core::fmt;

/// A shard of a service, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u32);

/// How often the ownership of a shard has changed; a write under an older epoch is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// The position of a record in its shard's journal, counted from 1, without gaps. 0 means nothing written.
pub type Position = u64;

/// A node incarnation: a fresh random id for every start of a node, so no two processes ever share one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(pub u128);

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The row that every write of a shard updates: the single point that makes one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Rises with every change of owner and with every unknown outcome.
    pub epoch: Epoch,
    /// The node incarnation that may write; `None` before the first claim.
    pub owner: Option<Owner>,
    /// The position of the last record written.
    pub position: Position,
}

impl Head {
    /// The head of a shard nobody has written to.
    pub const EMPTY: Self = Self { epoch: Epoch(0), owner: None, position: 0 };
}
