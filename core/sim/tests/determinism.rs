// SPDX-License-Identifier: Apache-2.0
//! The same seed and code give the same trace, byte for byte.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use adjoin_sim::{Options, Outcome, run};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn traced(seed: u64) -> (Vec<u8>, Outcome) {
    let kept = Kept::default();
    let outcome = run(seed, Options { mutant: None, trace: Some(Box::new(kept.clone())) });
    let bytes = std::mem::take(&mut *kept.0.lock().expect("not poisoned"));
    (bytes, outcome)
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 7] {
        let (first, outcome) = traced(seed);
        let (second, again) = traced(seed);
        assert!(first.len() > 100_000, "a trace of {} bytes", first.len());
        assert!(first == second, "seed {seed}: the traces differ");
        assert_eq!(outcome, again);
        let unprinted = run(seed, Options::default());
        assert_eq!(unprinted.trace, outcome.trace, "printing changes nothing");
    }
}

#[test]
fn another_seed_gives_another_trace() {
    assert_ne!(run(1, Options::default()).trace, run(2, Options::default()).trace);
}
