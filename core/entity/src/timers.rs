// SPDX-License-Identifier: Apache-2.0
//! What waits for time.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use adjoin_model::Mono;

/// Things that are due at a time each, the earliest first; at one time the smallest.
pub(crate) struct Timers<T>(BinaryHeap<Reverse<(Mono, T)>>);

impl<T: Ord> Default for Timers<T> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<T: Ord> Timers<T> {
    pub(crate) fn push(&mut self, at: Mono, due: T) {
        self.0.push(Reverse((at, due)));
    }

    /// The next thing that is due by now.
    pub(crate) fn pop(&mut self, now: Mono) -> Option<T> {
        let Reverse((at, _)) = self.0.peek()?;
        if *at > now { None } else { self.0.pop().map(|Reverse((_, due))| due) }
    }

    /// When the next thing is due.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets what is not wanted any more.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&T) -> bool) {
        self.0.retain(|Reverse((_, due))| wanted(due));
    }
}
