// SPDX-License-Identifier: Apache-2.0
//! Many seeds at once. Each run is one thread's and knows of no other; only the sums are shared.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::check::Letters;
use crate::fault::Counts;
use crate::mutant::Mutant;
use crate::run::{Options, Outcome, run};

/// Sums over many runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Runs that came to an end.
    pub seeds: u64,
    /// Simulated time, in microseconds.
    pub simulated_us: u64,
    /// Events of the worlds.
    pub events: u64,
    /// Calls that clients made.
    pub calls: u64,
    /// Calls that were answered well.
    pub answered: u64,
    /// Records in the journals at the end.
    pub records: u64,
    /// Dead letters, and what became of them.
    pub letters: Letters,
    /// Stuck effects that an operator had tried again.
    pub unstuck: u64,
    /// Faults by kind.
    pub faults: Counts,
    /// Windows that the general linearizability checker decided, and those it gave up.
    pub windows: u64,
    /// Windows whose search went beyond its bound.
    pub undecided: u64,
    /// The first violation of every seed that has one.
    pub violations: BTreeMap<u64, String>,
}

impl Summary {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.seeds += 1;
        self.simulated_us += outcome.simulated_us;
        self.events += outcome.events;
        self.calls += outcome.calls;
        self.answered += outcome.answered;
        self.records += outcome.records;
        self.letters.merge(outcome.letters);
        self.unstuck += outcome.unstuck;
        self.faults.merge(&outcome.faults);
        self.windows += outcome.windows;
        self.undecided += outcome.undecided;
        if let Some(first) = outcome.violations.first() {
            self.violations.insert(seed, first.clone());
        }
    }

    /// Simulated hours.
    #[must_use]
    pub fn hours(&self) -> f64 {
        self.simulated_us as f64 / 3.6e9
    }
}

/// Runs these many seeds from `first` on, with so many threads. `watch` is called after every run with the number of
/// runs that are done; it stops the rest by returning false.
pub fn seeds(
    first: u64,
    count: u64,
    threads: usize,
    mutant: Option<Mutant>,
    watch: impl Fn(&Summary) -> bool + Sync,
) -> Summary {
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Summary::default()));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let seed = first + number;
            let outcome = run(seed, Options { mutant, trace: None });
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            sum.add(seed, &outcome);
            if !watch(&sum) {
                next.store(count, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| (0..threads.max(1)).for_each(|_| drop(scope.spawn(work))));
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}
