// SPDX-License-Identifier: Apache-2.0
//! Causal contexts: which writes a state has seen.

use alloc::vec::Vec;

use crate::causal::VERSION;
use crate::dot::{Dot, ReplicaId};
use crate::error::Error;
use crate::read::{Limits, Reader};
use crate::short::Short;
use crate::write::Writer;

/// A set of dots: every write that a state has seen, live or overwritten.
///
/// Kept as runs of consecutive dots, so a replica whose writes arrived without gaps costs one run however many they
/// were. This is the version vector with its cloud of Almeida, Shoker and Baquero (2018, §7.2), with intervals in the
/// cloud as well: gaps cost as much as there are of them, not as much as arrived behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Ordered; disjoint, and never so close that two could be one.
    runs: Short<Run>,
}

/// Consecutive dots of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Whose dots.
    pub replica: ReplicaId,
    /// The first counter, at least 1.
    pub first: u64,
    /// The last counter, at least `first`.
    pub last: u64,
}

impl Run {
    fn one(dot: Dot) -> Self {
        Self { replica: dot.replica, first: dot.counter, last: dot.counter }
    }

    /// The dots at both ends.
    pub(crate) fn ends(self) -> (Dot, Dot) {
        (Dot::new(self.replica, self.first), Dot::new(self.replica, self.last))
    }

    /// Whether `later`, which does not begin before `self`, overlaps it or comes right after it.
    fn reaches(self, later: Self) -> bool {
        self.replica == later.replica && self.last.saturating_add(1) >= later.first
    }
}

/// Up to so many runs are put into a context one by one; more are merged with it in one pass.
const FEW: usize = 8;

impl Context {
    /// Nothing seen.
    #[must_use]
    pub const fn new() -> Self {
        Self { runs: Short::new() }
    }

    /// Whether it has seen nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs().is_empty()
    }

    /// Its runs, ordered by replica and counter.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        self.runs.as_slice()
    }

    /// Every replica that it has seen a write of, ordered.
    pub fn replicas(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        self.runs().chunk_by(|left, right| left.replica == right.replica).map(|runs| runs[0].replica)
    }

    /// The highest counter seen of a replica; 0 if none.
    #[must_use]
    pub fn last(&self, replica: ReplicaId) -> u64 {
        let runs = self.runs();
        match runs[..runs.partition_point(|run| run.replica <= replica)].last() {
            Some(run) if run.replica == replica => run.last,
            _ => 0,
        }
    }

    /// Whether it has seen a dot.
    #[must_use]
    pub fn contains(&self, dot: Dot) -> bool {
        match self.runs()[..self.begun(dot)].last() {
            Some(run) => run.replica == dot.replica && run.last >= dot.counter,
            None => false,
        }
    }

    /// Whether it has seen everything that `other` has.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.runs().iter().all(|run| match self.runs()[..self.begun(run.ends().0)].last() {
            Some(mine) => mine.replica == run.replica && mine.last >= run.last,
            None => false,
        })
    }

    /// Adds a dot; says whether it is new. A dot with counter 0 names no write and is not taken.
    pub fn insert(&mut self, dot: Dot) -> bool {
        dot.counter > 0 && self.insert_run(Run::one(dot))
    }

    /// Adds everything that `other` has seen; says whether anything of it is new.
    pub fn join(&mut self, other: &Self) -> bool {
        if other.runs().len() <= FEW {
            return other.runs().iter().filter(|run| self.insert_run(**run)).count() > 0;
        }
        let mut joined = Self { runs: Short::with_capacity(self.runs().len().max(other.runs().len())) };
        let (mut mine, mut theirs) = (self.runs().iter().peekable(), other.runs().iter().peekable());
        loop {
            let next = match (mine.peek(), theirs.peek()) {
                (Some(left), Some(right)) if left.ends() <= right.ends() => mine.next(),
                (_, Some(_)) => theirs.next(),
                (_, None) => mine.next(),
            };
            let Some(run) = next else { break };
            joined.append(*run);
        }
        let grew = joined != *self;
        *self = joined;
        grew
    }

    /// It in bytes, so that another replica can be asked for [what it has not seen](crate::Causal::delta_since).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::keeping();
        out.byte(VERSION);
        out.context(self);
        out.into_bytes()
    }

    /// Reads a context from bytes.
    ///
    /// # Errors
    /// For bytes that are not the [`encode`](Self::encode)d form of a context, and for more than `limits`.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut input = Reader::new(bytes, limits)?;
        input.version()?;
        input.context()?;
        input.finish()
    }

    /// Everything in it but these dots, which are ordered.
    pub(crate) fn without(&self, dots: &[Dot]) -> Self {
        let (mut left, mut dots) = (Self::new(), dots.iter().peekable());
        for run in self.runs() {
            let (start, end) = run.ends();
            let mut first = run.first;
            while dots.next_if(|dot| **dot < start).is_some() {}
            while let Some(hole) = dots.next_if(|dot| **dot <= end) {
                left.append_between(run.replica, first, hole.counter - 1);
                first = hole.counter.saturating_add(1);
                if hole.counter == run.last {
                    first = 0;
                }
            }
            if first > 0 {
                left.append_between(run.replica, first, run.last);
            }
        }
        left
    }

    /// Forgets that it has seen any write of a replica; see [`Causal::forget`](crate::Causal::forget).
    pub(crate) fn forget(&mut self, replica: ReplicaId) -> bool {
        let before = self.runs().len();
        self.runs.as_list().retain(|run| run.replica != replica);
        self.runs().len() < before
    }

    fn append_between(&mut self, replica: ReplicaId, first: u64, last: u64) {
        if first <= last {
            self.append(Run { replica, first, last });
        }
    }

    /// Adds a run that begins at or behind the beginning of the last one.
    pub(crate) fn append(&mut self, run: Run) {
        match self.runs.as_mut_slice().last_mut() {
            Some(end) if end.reaches(run) => end.last = end.last.max(run.last),
            _ => self.runs.insert(self.runs().len(), run),
        }
    }

    /// How many runs begin at this dot or before it.
    fn begun(&self, dot: Dot) -> usize {
        self.runs().partition_point(|run| run.ends().0 <= dot)
    }

    fn insert_run(&mut self, run: Run) -> bool {
        let begun = self.begun(run.ends().0);
        let runs = self.runs.as_mut_slice();
        let from = if begun > 0 && runs[begun - 1].reaches(run) { begun - 1 } else { begun };
        let to = begun + runs[begun..].iter().take_while(|later| run.reaches(**later)).count();
        if from == to {
            self.runs.insert(from, run);
            return true;
        }
        let first = run.first.min(runs[from].first);
        let merged = Run { replica: run.replica, first, last: run.last.max(runs[to - 1].last) };
        let grew = to - from > 1 || runs[from] != merged;
        runs[from] = merged;
        if to - from > 1 {
            self.runs.as_list().drain(from + 1..to);
        }
        grew
    }
}

impl FromIterator<Dot> for Context {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut dots: Vec<Dot> = dots.into_iter().filter(|dot| dot.counter > 0).collect();
        dots.sort_unstable();
        let mut context = Self::new();
        dots.into_iter().for_each(|dot| context.append(Run::one(dot)));
        context
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Dots that lie close, so that runs form, meet and split.
    fn dots() -> impl Strategy<Value = BTreeSet<Dot>> {
        let dot = (0..3_u64, prop_oneof![6 => 1..60_u64, 1 => u64::MAX - 3..=u64::MAX]);
        prop::collection::btree_set(dot.prop_map(|(replica, counter)| Dot::new(ReplicaId(replica), counter)), 0..60)
    }

    /// One form for one set, and every question answered as by the set.
    fn check(context: &Context, dots: &BTreeSet<Dot>) {
        assert_eq!(*context, dots.iter().copied().collect());
        let apart = context.runs().windows(2).all(|pair| !pair[0].reaches(pair[1]) && pair[0].ends() < pair[1].ends());
        assert!(apart, "{context:?}");
        for replica in (0..4).map(ReplicaId) {
            let of = dots.iter().filter(|dot| dot.replica == replica);
            assert_eq!(context.last(replica), of.clone().next_back().map_or(0, |dot| dot.counter));
            assert_eq!(context.replicas().any(|other| other == replica), of.count() > 0);
            for counter in (0..62).chain(u64::MAX - 4..=u64::MAX) {
                let dot = Dot::new(replica, counter);
                assert_eq!(context.contains(dot), dots.contains(&dot));
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_dots(mine in dots(), other in dots()) {
            let mut context = Context::new();
            // In an order that joins runs from both sides.
            for dot in mine.iter().rev().step_by(2).chain(&mine) {
                let fresh = !context.contains(*dot);
                assert_eq!(context.insert(*dot), fresh);
            }
            check(&context, &mine);
            let theirs: Context = other.iter().copied().collect();
            assert_eq!(context.covers(&theirs), other.is_subset(&mine));

            let both: BTreeSet<Dot> = mine.union(&other).copied().collect();
            let mut joined = context.clone();
            assert_eq!(joined.join(&theirs), !other.is_subset(&mine));
            check(&joined, &both);

            let left: BTreeSet<Dot> = mine.difference(&other).copied().collect();
            let out: Vec<Dot> = other.iter().copied().collect();
            check(&context.without(&out), &left);

            let mut forgot = context.clone();
            let (gone, kept): (BTreeSet<Dot>, BTreeSet<Dot>) = mine.iter().partition(|dot| dot.replica == ReplicaId(1));
            assert_eq!(forgot.forget(ReplicaId(1)), !gone.is_empty());
            check(&forgot, &kept);
        }
    }
}
