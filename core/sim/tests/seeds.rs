// SPDX-License-Identifier: Apache-2.0
//! What every run of the tests shows: 300 seeds, every kind of fault, no violation.

use adjoin_sim::seeds;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[test]
fn three_hundred_seeds_hold_and_every_fault_happens() {
    let sum = seeds(0, 300, cores(), None, |_| true);
    assert!(sum.violations.is_empty(), "`cargo xtask sim --seed SEED --trace` shows one: {:#?}", sum.violations);
    assert_eq!(sum.seeds, 300);
    assert!(sum.faults.missing().is_empty(), "never happened: {:?}", sum.faults.missing());
    assert!(sum.answered > sum.calls / 4, "{} of {} calls were answered well", sum.answered, sum.calls);
    let letters = [sum.letters.dead, sum.letters.ran, sum.letters.dropped];
    assert!(letters.iter().all(|count| *count > 0), "dead letters, heard after all, dropped: {letters:?}");
    assert!(sum.unstuck > 0, "no stuck effect was tried again");
    assert!(sum.windows > 4 * sum.undecided, "{} windows decided, {} given up", sum.windows, sum.undecided);
}
