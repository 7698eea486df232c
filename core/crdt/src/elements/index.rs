// SPDX-License-Identifier: Apache-2.0
//! From an element to its dots.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;
use core::hash::Hasher;

use crate::dot::Dot;

/// Dots by the hash of their element: a table over the hash's first bits, whose cells are ordered by the whole of it.
///
/// A cell holds a handful, so it costs as much as a hash table; but elements that were chosen to share a cell only make
/// its tree deeper, so it needs no secret seed, which a pure crate could not make. Hashes are 64 bits wide: finding
/// enough elements of one and the same to matter takes more than 2^60 tries.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// As many as a power of two.
    cells: Vec<BTreeMap<u64, Few>>,
    dots: usize,
}

/// Dots that share a cell of the table, on average, when it grows.
const CROWD: usize = 8;

impl Index {
    pub(super) fn new() -> Self {
        Self { cells: Vec::from([BTreeMap::new()]), dots: 0 }
    }

    /// Dots whose elements have this hash: those of one element, but for chance.
    pub(super) fn get(&self, hash: u64) -> &[Dot] {
        self.cells[self.cell(hash)].get(&hash).map(Few::as_slice).unwrap_or_default()
    }

    pub(super) fn insert(&mut self, hash: u64, dot: Dot) {
        let cell = self.cell(hash);
        match self.cells[cell].entry(hash) {
            Entry::Vacant(entry) => drop(entry.insert(Few::One(dot))),
            Entry::Occupied(mut entry) => entry.get_mut().push(dot),
        }
        self.dots += 1;
        if self.dots > self.cells.len() * CROWD {
            self.grow();
        }
    }

    pub(super) fn remove(&mut self, hash: u64, dot: Dot) {
        let cell = self.cell(hash);
        if let Entry::Occupied(mut entry) = self.cells[cell].entry(hash) {
            self.dots -= 1;
            if entry.get_mut().remove(dot) {
                entry.remove();
            }
        }
    }

    /// The first bits of a hash; of one cell there are none.
    fn cell(&self, hash: u64) -> usize {
        let bits = self.cells.len().trailing_zeros();
        hash.checked_shr(u64::BITS - bits).unwrap_or(0) as usize
    }

    /// Splits every cell by one bit more.
    fn grow(&mut self) {
        let bits = self.cells.len().trailing_zeros() + 1;
        let cells = core::mem::take(&mut self.cells);
        self.cells.reserve_exact(cells.len() * 2);
        for (at, mut low) in cells.into_iter().enumerate() {
            let middle = (2 * at as u64 + 1) << (u64::BITS - bits);
            let high = low.split_off(&middle);
            self.cells.extend([low, high]);
        }
    }
}

/// Nearly always one.
#[derive(Clone, Debug)]
enum Few {
    One(Dot),
    Many(Vec<Dot>),
}

impl Few {
    fn as_slice(&self) -> &[Dot] {
        match self {
            Self::One(dot) => core::slice::from_ref(dot),
            Self::Many(dots) => dots,
        }
    }

    fn push(&mut self, dot: Dot) {
        match self {
            Self::One(first) => *self = Self::Many(Vec::from([*first, dot])),
            Self::Many(dots) => dots.push(dot),
        }
    }

    /// Takes a dot out; says whether none is left.
    fn remove(&mut self, dot: Dot) -> bool {
        match self {
            Self::One(only) => *only == dot,
            Self::Many(dots) => {
                dots.retain(|other| *other != dot);
                dots.is_empty()
            }
        }
    }
}

/// `SipHash` with a fixed key.
#[expect(deprecated, reason = "core has no other way to it; the one in std needs std")]
pub(super) fn hash(element: &[u8]) -> u64 {
    let mut hasher = core::hash::SipHasher::new();
    hasher.write(element);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dot::ReplicaId;

    /// Fills and empties an index whose hashes keep so many of their first bits: the fewer, the more dots share one.
    fn fill_and_empty(kept: u32) {
        let mut index = Index::new();
        let dot = |at: usize| Dot::new(ReplicaId(1), at as u64 + 1);
        let hashes: Vec<u64> =
            (0..2000_u64).map(|at| hash(&at.to_be_bytes()) & (u64::MAX << (u64::BITS - kept))).collect();
        for (at, hash) in hashes.iter().enumerate() {
            index.insert(*hash, dot(at));
        }
        assert!(index.cells.len() >= 128);
        for (at, hash) in hashes.iter().enumerate() {
            assert!(index.get(*hash).contains(&dot(at)));
            index.remove(*hash, dot(at));
            assert!(!index.get(*hash).contains(&dot(at)));
        }
        assert!(index.cells.iter().all(BTreeMap::is_empty) && index.dots == 0);
    }

    #[test]
    fn finds_what_it_holds_however_it_grew() {
        [64, 24].into_iter().for_each(fill_and_empty);
    }

    #[test]
    fn dots_that_share_a_hash_are_told_apart() {
        [1, 4, 7].into_iter().for_each(fill_and_empty);
    }
}
