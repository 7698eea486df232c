// SPDX-License-Identifier: Apache-2.0
//! The elements of a set, each under the dots of its live additions.

mod bytes;
mod dotted;
mod index;

use alloc::vec::Vec;

use crate::Bytes;
use crate::context::{Context, Run};
use crate::dot::{Dot, ReplicaId};
use crate::error::Error;
use crate::read::Reader;
use crate::short::Short;
use crate::store::{Change, DotStore, Log};
use crate::write::Writer;
use dotted::ByDot;
use index::{Index, hash};

/// A dot function again, but for many: found by dot when deltas are merged, and by element when the user asks. A few
/// are a list, which is what deltas are.
#[derive(Clone, Debug)]
pub(crate) enum Elements {
    /// Ordered by dot.
    Few(Short<(Dot, Bytes)>),
    Many(Many),
}

#[derive(Clone, Debug)]
pub(crate) struct Many {
    by_dot: ByDot,
    by_element: Index,
    /// Different elements; an element may have been added under several dots at once.
    distinct: usize,
}

/// As many as it is quicker to look through than to look up.
const FEW: usize = 8;

impl Default for Elements {
    fn default() -> Self {
        Self::Few(Short::new())
    }
}

impl PartialEq for Elements {
    fn eq(&self, other: &Self) -> bool {
        self.dots() == other.dots() && self.entries().eq(other.entries())
    }
}

impl Eq for Elements {}

/// Every dot with its element, or those of a run, ordered by dot.
enum Entries<'a> {
    Few(core::slice::Iter<'a, (Dot, Bytes)>),
    Many(dotted::Entries<'a>),
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Dot, &'a Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(entries) => entries.next().map(|(dot, element)| (*dot, element)),
            Self::Many(entries) => entries.next(),
        }
    }
}

impl Elements {
    pub(crate) fn is_empty(&self) -> bool {
        self.dots() == 0
    }

    /// Different elements.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(_) => self.iter().count(),
            Self::Many(many) => many.distinct,
        }
    }

    /// Live dots.
    fn dots(&self) -> usize {
        match self {
            Self::Few(entries) => entries.as_slice().len(),
            Self::Many(many) => many.by_dot.len(),
        }
    }

    fn entries(&self) -> Entries<'_> {
        match self {
            Self::Few(entries) => Entries::Few(entries.as_slice().iter()),
            Self::Many(many) => Entries::Many(many.by_dot.entries()),
        }
    }

    fn within(&self, run: Run) -> Entries<'_> {
        let (first, last) = run.ends();
        match self {
            Self::Few(entries) => {
                let entries = entries.as_slice();
                let from = entries.partition_point(|(dot, _)| *dot < first);
                let to = entries.partition_point(|(dot, _)| *dot <= last);
                Entries::Few(entries[from..to].iter())
            }
            Self::Many(many) => Entries::Many(many.by_dot.within(run)),
        }
    }

    /// Whether every element has one dot, for certain.
    fn is_plain(&self) -> bool {
        match self {
            Self::Few(entries) => entries.as_slice().len() < 2,
            Self::Many(many) => many.distinct == many.by_dot.len(),
        }
    }

    pub(crate) fn contains(&self, element: &[u8]) -> bool {
        self.lowest(element).is_some()
    }

    /// The dots that an element was added under, in no order.
    pub(crate) fn dots_of(&self, element: &[u8]) -> Vec<Dot> {
        match self {
            Self::Few(entries) => {
                entries.as_slice().iter().filter(|(_, other)| **other == *element).map(|(dot, _)| *dot).collect()
            }
            Self::Many(many) => many.dots_of(element, hash(element)).collect(),
        }
    }

    fn lowest(&self, element: &[u8]) -> Option<Dot> {
        match self {
            Self::Few(entries) => entries.as_slice().iter().find(|(_, other)| **other == *element).map(|(dot, _)| *dot),
            Self::Many(many) => many.dots_of(element, hash(element)).min(),
        }
    }

    /// Each element once, in the order of its lowest dot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        let plain = self.is_plain();
        self.entries()
            .filter(move |(dot, element)| plain || self.lowest(element) == Some(*dot))
            .map(|(_, element)| element)
    }

    /// Every live dot, or those of a replica.
    pub(crate) fn written_by(&self, replica: Option<ReplicaId>) -> Vec<(Dot, Bytes)> {
        let of = self.entries().filter(|(dot, _)| replica.is_none_or(|replica| dot.replica == replica));
        of.map(|(dot, element)| (dot, element.clone())).collect()
    }

    /// Adds an element under a dot, beside those it has. Says whether the element is new.
    pub(crate) fn insert(&mut self, dot: Dot, element: Bytes) -> bool {
        match self {
            Self::Few(entries) if entries.as_slice().len() < FEW => {
                let fresh = !entries.as_slice().iter().any(|(_, other)| *other == element);
                let at = entries.as_slice().partition_point(|(other, _)| *other < dot);
                entries.insert(at, (dot, element));
                fresh
            }
            Self::Few(_) => {
                self.spread();
                self.insert(dot, element)
            }
            Self::Many(many) => many.insert(dot, element),
        }
    }

    /// Makes many of a few.
    fn spread(&mut self) {
        let Self::Few(entries) = self else { return };
        let mut many = Many { by_dot: ByDot::default(), by_element: Index::new(), distinct: 0 };
        for (dot, element) in core::mem::take(entries.as_list()) {
            many.insert(dot, element);
        }
        *self = Self::Many(many);
    }

    pub(crate) fn remove(&mut self, dot: Dot) {
        match self {
            Self::Few(entries) if entries.as_slice().iter().any(|(other, _)| *other == dot) => {
                entries.as_list().retain(|(other, _)| *other != dot);
            }
            Self::Few(_) => {}
            Self::Many(many) => {
                many.remove(dot);
                if many.by_dot.len() == 0 {
                    *self = Self::default();
                }
            }
        }
    }

    /// Puts an element under a new dot in place of those it has, which it gives.
    pub(crate) fn replace(&mut self, dot: Dot, element: Bytes) -> Vec<Dot> {
        let Self::Many(many) = self else {
            let old = self.dots_of(&element);
            old.iter().for_each(|dot| self.remove(*dot));
            self.insert(dot, element);
            return old;
        };
        let hash = hash(&element);
        let old: Vec<Dot> = many.dots_of(&element, hash).collect();
        for dot in &old {
            many.by_dot.remove(*dot);
            many.by_element.remove(hash, *dot);
        }
        many.distinct += usize::from(old.is_empty());
        many.by_element.insert(hash, dot);
        many.by_dot.insert(dot, element);
        old
    }

    /// What a merge must change: only dots within the runs of `theirs` can differ, so a delta of one dot costs a few
    /// look-ups however large the set is.
    fn differences(&self, own: &Context, other: &Self, theirs: &Context) -> Differences {
        let mut found = Differences::default();
        for run in theirs.runs() {
            let mut left = self.within(*run).peekable();
            for (dot, element) in other.within(*run) {
                while let Some((mine, _)) = left.next_if(|(mine, _)| *mine < dot) {
                    found.gone.push(mine);
                }
                match left.next_if(|(mine, _)| *mine == dot) {
                    Some((_, mine)) if Bytes::ptr_eq(mine, element) || mine >= element => {}
                    Some(_) => found.altered.push((dot, element.clone())),
                    None if own.contains(dot) => {}
                    None => found.fresh.push((dot, element.clone())),
                }
            }
            found.gone.extend(left.map(|(mine, _)| mine));
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

impl Many {
    fn dots_of<'a>(&'a self, element: &'a [u8], hash: u64) -> impl Iterator<Item = Dot> + 'a {
        let alike = self.by_element.get(hash).iter().copied();
        alike.filter(move |dot| self.by_dot.get(*dot).is_some_and(|other| **other == *element))
    }

    fn insert(&mut self, dot: Dot, element: Bytes) -> bool {
        let hash = hash(&element);
        let fresh = self.dots_of(&element, hash).next().is_none();
        self.distinct += usize::from(fresh);
        self.by_element.insert(hash, dot);
        self.by_dot.insert(dot, element);
        fresh
    }

    fn remove(&mut self, dot: Dot) {
        let Some(element) = self.by_dot.remove(dot) else { return };
        let hash = hash(&element);
        self.by_element.remove(hash, dot);
        let was_last = self.dots_of(&element, hash).next().is_none();
        self.distinct -= usize::from(was_last);
    }
}

impl DotStore for Elements {
    fn is_bare(&self) -> bool {
        self.is_empty()
    }

    fn each_dot(&self, say: &mut dyn FnMut(Dot)) {
        self.entries().for_each(|(dot, _)| say(dot));
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
        for (dot, element) in self.entries().filter(|(dot, _)| !known.contains(*dot)) {
            fresh.insert(dot, element.clone());
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
