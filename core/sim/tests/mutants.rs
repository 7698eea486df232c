// SPDX-License-Identifier: Apache-2.0
//! A simulator that finds nothing shows something only if it finds what is broken on purpose.

use adjoin_sim::{Mutant, seeds};

/// Enough for the rarest one, which a seed in sixty catches.
const SEEDS: u64 = 400;

#[test]
fn every_mutant_is_caught() {
    // A mutant may panic, which is one way of being caught.
    std::panic::set_hook(Box::new(|_| {}));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let missed: Vec<&str> = Mutant::all()
        .into_iter()
        .filter(|mutant| seeds(0, SEEDS, cores, Some(*mutant), |sum| sum.violations.is_empty()).violations.is_empty())
        .map(Mutant::name)
        .collect();
    drop(std::panic::take_hook());
    assert!(missed.is_empty(), "no seed of {SEEDS} catches: {missed:?}");
}
