// SPDX-License-Identifier: Apache-2.0
//! Engines whose machines are deliberately broken, for the conformance suite. Only with the feature `mutants`.

use std::sync::OnceLock;

pub use adjoin_entity::Mutant;
use adjoin_entity::ShardLoop;

static CHOSEN: OnceLock<Mutant> = OnceLock::new();

/// Breaks a rule of every machine that this process starts from now on. The first choice counts.
pub fn mutate(mutant: Mutant) {
    // A second choice would be a test's mistake and changes nothing.
    let _ = CHOSEN.set(mutant);
}

/// The machine, with the rule broken that was chosen.
pub(crate) fn broken(mut machine: ShardLoop) -> ShardLoop {
    CHOSEN.get().copied().into_iter().for_each(|mutant| machine.mutate(mutant));
    machine
}
