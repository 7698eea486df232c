// SPDX-License-Identifier: Apache-2.0
//! The elements of a set, each under the dots of its live additions.

mod bytes;

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;
use core::hash::Hasher;

use crate::Bytes;
use crate::context::Context;
use crate::dot::{Dot, ReplicaId};
use crate::error::Error;
use crate::read::Reader;
use crate::store::{Change, DotStore, Log};
use crate::write::Writer;

/// A dot function again, but for many: found by dot when deltas are merged, and by element when the user asks.
///
/// The second way in is by the element's hash, 64 bits wide and hard to collide, in an ordered tree: it compares
/// numbers, needs no seed, and is no slower for elements that were chosen to hurt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elements {
    by_dot: BTreeMap<Dot, Bytes>,
    by_hash: BTreeMap<u64, Few>,
    /// Different elements; an element may have been added under several dots at once.
    distinct: usize,
}

/// Dots whose elements share a hash: nearly always one.
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

/// `SipHash` with a fixed key: finding enough elements of one hash to matter costs more than 2^60 tries.
#[expect(deprecated, reason = "core has no other way to it; the one in std needs std")]
fn hash(element: &[u8]) -> u64 {
    let mut hasher = core::hash::SipHasher::new();
    hasher.write(element);
    hasher.finish()
}

impl PartialEq for Elements {
    fn eq(&self, other: &Self) -> bool {
        self.by_dot == other.by_dot
    }
}

impl Eq for Elements {}

impl Elements {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_dot.is_empty()
    }

    /// Different elements.
    pub(crate) fn len(&self) -> usize {
        self.distinct
    }

    /// Live dots.
    pub(crate) fn dots(&self) -> &BTreeMap<Dot, Bytes> {
        &self.by_dot
    }

    /// Whether every element has one dot.
    pub(crate) fn is_plain(&self) -> bool {
        self.distinct == self.by_dot.len()
    }

    pub(crate) fn contains(&self, element: &[u8]) -> bool {
        self.dots_of(element).next().is_some()
    }

    /// The dots that an element was added under.
    pub(crate) fn dots_of<'a>(&'a self, element: &'a [u8]) -> impl Iterator<Item = Dot> + 'a {
        let alike = self.by_hash.get(&hash(element)).map(Few::as_slice).unwrap_or_default();
        alike.iter().copied().filter(move |dot| self.is_at(*dot, element))
    }

    /// Each element once, in the order of its lowest dot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        let plain = self.is_plain();
        self.by_dot
            .iter()
            .filter(move |(dot, element)| plain || self.lowest(element) == Some(**dot))
            .map(|(_, element)| element)
    }

    /// Adds an element under a dot, beside those it has. Says whether the element is new.
    pub(crate) fn insert(&mut self, dot: Dot, element: Bytes) -> bool {
        let fresh = match self.by_hash.entry(hash(&element)) {
            Entry::Vacant(entry) => {
                entry.insert(Few::One(dot));
                true
            }
            Entry::Occupied(mut entry) => {
                let by_dot = &self.by_dot;
                let fresh =
                    !entry.get().as_slice().iter().any(|dot| by_dot.get(dot).is_some_and(|other| *other == element));
                entry.get_mut().push(dot);
                fresh
            }
        };
        self.distinct += usize::from(fresh);
        self.by_dot.insert(dot, element);
        fresh
    }

    pub(crate) fn remove(&mut self, dot: Dot) -> Option<Bytes> {
        let element = self.by_dot.remove(&dot)?;
        if let Entry::Occupied(mut entry) = self.by_hash.entry(hash(&element)) {
            let by_dot = &self.by_dot;
            let last = entry.get_mut().remove(dot);
            let left = entry.get().as_slice().iter().any(|dot| by_dot.get(dot).is_some_and(|other| *other == element));
            self.distinct -= usize::from(!left);
            if last {
                entry.remove();
            }
        }
        Some(element)
    }

    fn is_at(&self, dot: Dot, element: &[u8]) -> bool {
        self.by_dot.get(&dot).is_some_and(|other| **other == *element)
    }

    fn lowest(&self, element: &[u8]) -> Option<Dot> {
        self.dots_of(element).min()
    }

    pub(crate) fn dots_by(&self, replica: ReplicaId) -> impl Iterator<Item = (Dot, &Bytes)> {
        let range = Dot::new(replica, 0)..=Dot::new(replica, u64::MAX);
        self.by_dot.range(range).map(|(dot, element)| (*dot, element))
    }

    /// What a merge must change: only dots within the runs of `theirs` can differ, so a delta of one dot costs a few
    /// look-ups however large the set is.
    fn differences(&self, own: &Context, other: &Self, theirs: &Context) -> Differences {
        let mut found = Differences::default();
        for run in theirs.runs() {
            let (first, last) = run.ends();
            let mut left = self.by_dot.range(first..=last).peekable();
            for (dot, element) in other.by_dot.range(first..=last) {
                while let Some((mine, _)) = left.next_if(|(mine, _)| *mine < dot) {
                    found.gone.push(*mine);
                }
                match left.next_if(|(mine, _)| *mine == dot) {
                    Some((_, mine)) if Bytes::ptr_eq(mine, element) || mine >= element => {}
                    Some(_) => found.altered.push((*dot, element.clone())),
                    None if own.contains(*dot) => {}
                    None => found.fresh.push((*dot, element.clone())),
                }
            }
            found.gone.extend(left.map(|(mine, _)| *mine));
        }
        found
    }
}

#[derive(Default)]
struct Differences {
    gone: Vec<Dot>,
    fresh: Vec<(Dot, Bytes)>,
    altered: Vec<(Dot, Bytes)>,
}

impl DotStore for Elements {
    fn is_bare(&self) -> bool {
        self.is_empty()
    }

    fn each_dot(&self, say: &mut dyn FnMut(Dot)) {
        self.by_dot.keys().for_each(|dot| say(*dot));
    }

    fn join(&mut self, own: &Context, other: &Self, theirs: &Context, log: &mut Log) {
        let Differences { gone, fresh, altered } = self.differences(own, other, theirs);
        for dot in gone {
            self.remove(dot);
            log.say(dot, Change::Gone);
        }
        for (dot, element) in fresh {
            self.insert(dot, element);
            log.say(dot, Change::Live);
        }
        for (dot, element) in altered {
            self.remove(dot);
            self.insert(dot, element);
            log.altered();
        }
    }

    fn since(&self, known: &Context) -> Self {
        let mut fresh = Self::default();
        for (dot, element) in self.by_dot.iter().filter(|(dot, _)| !known.contains(**dot)) {
            fresh.insert(*dot, element.clone());
        }
        fresh
    }

    fn write(&self, out: &mut Writer) {
        bytes::write(self, out);
    }

    fn read(&mut self, input: &mut Reader<'_>) -> Result<(), Error> {
        bytes::read(self, input)
    }
}
