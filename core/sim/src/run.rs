// SPDX-License-Identifier: Apache-2.0
//! One seed, from begin to judgement.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::agenda::Time;
use crate::check::{Letters, judge};
use crate::context::Context;
use crate::fault::Counts;
use crate::mutant::Mutant;
use crate::trace::{Sink, Trace};
use crate::world::World;

/// What a run is made with, beside its seed.
#[derive(Default)]
pub struct Options {
    /// The variant that is broken on purpose; `None` runs what is shipped.
    pub mutant: Option<Mutant>,
    /// Where the trace is printed; `None` only hashes it.
    pub trace: Option<Sink>,
}

/// What became of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Simulated time, in microseconds.
    pub simulated_us: Time,
    /// Events of the world.
    pub events: u64,
    /// Calls that clients made.
    pub calls: u64,
    /// Calls that were answered well.
    pub answered: u64,
    /// Records in the journal at the end.
    pub records: u64,
    /// Dead letters, and what became of them.
    pub letters: Letters,
    /// Stuck effects that an operator had tried again.
    pub unstuck: u64,
    /// Faults by kind.
    pub faults: Counts,
    /// Hash of the trace.
    pub trace: u64,
    /// Windows that the general linearizability checker decided, and those it gave up.
    pub windows: u64,
    /// Windows whose search went beyond its bound.
    pub undecided: u64,
    /// What broke a claim; empty when all hold.
    pub violations: Vec<String>,
}

/// Runs one seed and judges it. The same seed, options and code give the same outcome and the same trace. A panic of
/// the code under test is a violation like any other.
#[must_use]
pub fn run(seed: u64, options: Options) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| judged(seed, options))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or(panic.downcast_ref::<&str>().map(|said| (*said).into()));
        let said = format!("it panicked: {}", said.unwrap_or_default());
        Outcome { violations: vec![said], ..Outcome::default() }
    })
}

fn judged(seed: u64, options: Options) -> Outcome {
    let context = Context::new(seed, options.mutant, Trace::new(options.trace));
    let mut world = World::new(context);
    world.run();
    let mut outcome = outcome(&world);
    if outcome.violations.is_empty() && !world.is_over() {
        outcome.violations.push("the world stopped before its end: nothing was planned any more".into());
    }
    if outcome.violations.is_empty() {
        let judgement = judge(&world);
        outcome.violations = judgement.found;
        outcome.windows = judgement.windows;
        outcome.undecided = judgement.undecided;
    }
    outcome
}

fn outcome(world: &World) -> Outcome {
    use crate::history::Ending;
    let attempts = &world.history.attempts;
    let rows = world.context.plan.subjects.iter().filter_map(|subject| world.store.row(&subject.id));
    Outcome {
        simulated_us: world.context.now,
        events: world.events,
        calls: attempts.len() as u64,
        answered: attempts.iter().filter(|attempt| matches!(attempt.ending, Ending::Reply { .. })).count() as u64,
        records: rows.map(|row| row.records.len() as u64).sum(),
        letters: Letters::of(&world.store),
        unstuck: world.given.unstuck,
        faults: world.context.faults.clone(),
        trace: world.context.trace.digest(),
        windows: 0,
        undecided: 0,
        violations: world.context.violations.clone(),
    }
}
