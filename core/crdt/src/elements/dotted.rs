// SPDX-License-Identifier: Apache-2.0
//! From a dot to its element, in order.

use alloc::collections::{BTreeMap, btree_map};
use alloc::vec::Vec;

use crate::Bytes;
use crate::context::Run;
use crate::dot::{Dot, ReplicaId};

/// A tree of pages for each replica. A replica's dots come one after the other, so pages are full, and a new dot finds
/// its place among 64 times fewer.
#[derive(Clone, Debug, Default)]
pub(super) struct ByDot {
    replicas: BTreeMap<ReplicaId, Pages>,
    dots: usize,
}

type Pages = BTreeMap<u64, Page>;

/// The elements of up to 64 dots whose counters differ in the last bits only.
#[derive(Clone, Debug, Default)]
struct Page {
    /// Which dots are there, the lowest in bit 0.
    there: u64,
    /// Their elements, in order.
    elements: Vec<Bytes>,
}

/// Bits of a counter that say where in a page its dot is.
const BITS: u32 = 6;

fn split(counter: u64) -> (u64, u32) {
    (counter >> BITS, (counter & ((1 << BITS) - 1)) as u32)
}

impl Page {
    fn has(&self, bit: u32) -> bool {
        self.there >> bit & 1 == 1
    }

    /// How many are there below a bit.
    fn below(&self, bit: u32) -> usize {
        (self.there & ((1 << bit) - 1)).count_ones() as usize
    }
}

impl ByDot {
    pub(super) fn len(&self) -> usize {
        self.dots
    }

    pub(super) fn get(&self, dot: Dot) -> Option<&Bytes> {
        let (page, bit) = split(dot.counter);
        let page = self.replicas.get(&dot.replica)?.get(&page)?;
        if page.has(bit) { page.elements.get(page.below(bit)) } else { None }
    }

    /// Adds a dot that is not there.
    pub(super) fn insert(&mut self, dot: Dot, element: Bytes) {
        let (page, bit) = split(dot.counter);
        let page = self.replicas.entry(dot.replica).or_default().entry(page).or_default();
        page.elements.insert(page.below(bit), element);
        page.there |= 1 << bit;
        self.dots += 1;
    }

    pub(super) fn remove(&mut self, dot: Dot) -> Option<Bytes> {
        let (number, bit) = split(dot.counter);
        let pages = self.replicas.get_mut(&dot.replica)?;
        let page = pages.get_mut(&number).filter(|page| page.has(bit))?;
        let element = page.elements.remove(page.below(bit));
        page.there &= !(1 << bit);
        if page.there == 0 {
            pages.remove(&number);
            if pages.is_empty() {
                self.replicas.remove(&dot.replica);
            }
        }
        self.dots -= 1;
        Some(element)
    }

    pub(super) fn entries(&self) -> Entries<'_> {
        Entries { page: None, run: None, replicas: self.replicas.iter() }
    }

    pub(super) fn within(&self, run: Run) -> Entries<'_> {
        let pages = self.replicas.get(&run.replica);
        let range = split(run.first).0..=split(run.last).0;
        let run = pages.map(|pages| (run, pages.range(range)));
        Entries { page: None, run, replicas: btree_map::Iter::default() }
    }
}

/// Dots with their elements, ordered.
pub(super) struct Entries<'a> {
    page: Option<Rest<'a>>,
    run: Option<(Run, btree_map::Range<'a, u64, Page>)>,
    replicas: btree_map::Iter<'a, ReplicaId, Pages>,
}

/// What is left of a page.
struct Rest<'a> {
    replica: ReplicaId,
    /// The counter of bit 0.
    base: u64,
    there: u64,
    elements: core::slice::Iter<'a, Bytes>,
}

impl<'a> Rest<'a> {
    fn new(run: Run, number: u64, page: &'a Page) -> Self {
        let base = number << BITS;
        let from = run.first.saturating_sub(base).min(63) as u32;
        let behind = run.last.saturating_sub(base).min(63) as u32;
        let there = page.there & (u64::MAX << from) & (u64::MAX >> (63 - behind));
        Self { replica: run.replica, base, there, elements: page.elements[page.below(from)..].iter() }
    }

    fn next(&mut self) -> Option<(Dot, &'a Bytes)> {
        if self.there == 0 {
            return None;
        }
        let bit = self.there.trailing_zeros();
        self.there &= self.there - 1;
        Some((Dot::new(self.replica, self.base + u64::from(bit)), self.elements.next()?))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Dot, &'a Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(next) = self.page.as_mut().and_then(Rest::next) {
                return Some(next);
            }
            let page = self.run.as_mut().and_then(|(run, pages)| pages.next().map(|(at, page)| (*run, *at, page)));
            if let Some((run, number, page)) = page {
                self.page = Some(Rest::new(run, number, page));
                continue;
            }
            let (replica, pages) = self.replicas.next()?;
            self.run = Some((Run { replica: *replica, first: 0, last: u64::MAX }, pages.range(..)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap as Model;

    fn element(counter: u64) -> Bytes {
        Bytes::from(counter.to_be_bytes())
    }

    /// Counters at and around the ends of pages, of two replicas.
    fn filled() -> (ByDot, Model<Dot, Bytes>) {
        let (mut dots, mut model) = (ByDot::default(), Model::new());
        for counter in [1, 2, 62, 63, 64, 65, 127, 128, 191, 192, 1 << 40, u64::MAX - 1, u64::MAX] {
            for replica in [3, 9] {
                let dot = Dot::new(ReplicaId(replica), counter);
                dots.insert(dot, element(counter ^ replica));
                model.insert(dot, element(counter ^ replica));
            }
        }
        (dots, model)
    }

    #[test]
    fn gives_every_dot_in_order() {
        let (dots, model) = filled();
        assert!(dots.entries().eq(model.iter().map(|(dot, element)| (*dot, element))));
        assert_eq!(dots.len(), model.len());
        assert!(model.iter().all(|(dot, element)| dots.get(*dot) == Some(element)));
    }

    #[test]
    fn gives_what_is_within_a_run() {
        let (dots, model) = filled();
        for first in [1, 2, 3, 63, 64, 65, 128, 192, u64::MAX] {
            for last in [1, 62, 63, 64, 66, 127, 128, 191, 1 << 41, u64::MAX].into_iter().filter(|last| *last >= first)
            {
                let run = Run { replica: ReplicaId(9), first, last };
                let (from, to) = run.ends();
                assert!(
                    dots.within(run).eq(model.range(from..=to).map(|(dot, element)| (*dot, element))),
                    "from {first} to {last}"
                );
            }
        }
        assert_eq!(dots.within(Run { replica: ReplicaId(5), first: 1, last: 9 }).count(), 0);
    }

    #[test]
    fn forgets_what_is_removed() {
        let (mut dots, mut model) = filled();
        let all: std::vec::Vec<Dot> = model.keys().copied().collect();
        for dot in all.iter().rev().step_by(2).chain(&all) {
            assert_eq!(dots.remove(*dot), model.remove(dot));
            assert!(dots.get(*dot).is_none());
            assert!(dots.entries().eq(model.iter().map(|(dot, element)| (*dot, element))));
        }
        assert!(dots.replicas.is_empty() && dots.len() == 0);
    }
}
