// SPDX-License-Identifier: Apache-2.0
//! What every part of the world shares: time, randomness, the agenda, the trace and what was found.

use adjoin_model::{Mono, Now, Wall};

use crate::agenda::{Agenda, Event, MS, Time};
use crate::fault::{Counts, Fault};
use crate::mutant::Mutant;
use crate::plan::Plan;
use crate::random::Random;
use crate::trace::Trace;

/// At most so many findings are kept: the first ones are what matters.
const KEPT: usize = 20;

/// Shared by every part of the world.
pub(crate) struct Context {
    pub(crate) now: Time,
    pub(crate) random: Random,
    pub(crate) agenda: Agenda,
    pub(crate) trace: Trace,
    pub(crate) plan: Plan,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) faults: Counts,
    /// Faults have ended.
    pub(crate) healing: bool,
    /// What broke a claim, each with its time.
    pub(crate) violations: Vec<String>,
    /// By how many milliseconds the wall clock is off, and since when, oldest first.
    steps: Vec<(Time, i64)>,
    order: u64,
}

impl Context {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, trace: Trace) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        Self {
            now: 0,
            random,
            agenda: Agenda::default(),
            trace,
            plan,
            mutant,
            faults: Counts::default(),
            healing: false,
            violations: Vec::new(),
            steps: vec![(0, 0)],
            order: 0,
        }
    }

    /// Plans an event so many microseconds from now.
    pub(crate) fn after(&mut self, delay: Time, event: Event) {
        self.agenda.plan(self.now + delay, event);
    }

    /// Both clocks as the host reads them.
    pub(crate) fn clocks(&self) -> Now {
        let stepped_ms = self.steps.last().map_or(0, |step| step.1);
        Now { mono: Mono(self.now + 1_000_000), wall: self.wall(self.now, stepped_ms) }
    }

    fn wall(&self, at: Time, stepped_ms: i64) -> Wall {
        const BEGAN_MS: i64 = 1_800_000_000_000;
        let elapsed_ms = (at / MS) as i64;
        let drifted = elapsed_ms + elapsed_ms * self.plan.drift_ppm / 1_000_000;
        Wall((BEGAN_MS + drifted + stepped_ms).unsigned_abs())
    }

    /// The earliest and the latest that the wall clock showed between two moments.
    pub(crate) fn walls(&self, from: Time, to: Time) -> (Wall, Wall) {
        let ends = self.steps.iter().skip(1).map(|step| step.0).chain([Time::MAX]);
        let spans = self.steps.iter().zip(ends).map(|((begins, by), ends)| (from.max(*begins), to.min(ends), *by));
        let shown = spans.filter(|(begins, ends, _)| begins <= ends);
        let shown = shown.flat_map(|(begins, ends, by)| [self.wall(begins, by), self.wall(ends, by)]);
        shown.fold((Wall(u64::MAX), Wall(0)), |(least, most), wall| (least.min(wall), most.max(wall)))
    }

    /// Steps the wall clock to anywhere within half a day of the truth.
    pub(crate) fn step_clock(&mut self) {
        let by = self.random.below(24 * 3_600_000) as i64 - 12 * 3_600_000;
        self.steps.push((self.now, by));
    }

    /// Whether a fault happens at this opportunity; counted if so.
    pub(crate) fn befalls(&mut self, fault: Fault) -> bool {
        let happens = !self.healing && self.random.chance(self.plan.chance(fault));
        if happens {
            self.count(fault);
        }
        happens
    }

    /// A fault happened.
    pub(crate) fn count(&mut self, fault: Fault) {
        self.faults.add(fault);
        self.trace.line(self.now, "fault", [fault as u64, 0, 0]);
        self.trace.remark(self.now, || fault.name().into());
    }

    /// A claim does not hold.
    pub(crate) fn violate(&mut self, what: impl FnOnce() -> String) {
        let said = format!("{:.6} s: {}", self.now as f64 / 1e6, what());
        self.trace.line(self.now, "violation", [self.violations.len() as u64, 0, 0]);
        self.trace.remark(self.now, || said.clone());
        if self.violations.len() < KEPT {
            self.violations.push(said);
        }
    }

    /// A violation unless it holds.
    pub(crate) fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violate(what);
        }
    }

    /// The next place in the order in which clients see things happen.
    pub(crate) fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_of_a_span_is_known_through_its_steps() {
        let mut context = Context::new(0, None, Trace::new(None));
        context.plan.drift_ppm = 0;
        context.steps = vec![(0, 0), (10_000 * MS, 5000), (20_000 * MS, -3000)];
        let zero = context.wall(0, 0).0;
        let walls = |from, to| {
            let (least, most) = context.walls(from * MS, to * MS);
            (least.0 - zero, most.0 - zero)
        };
        assert_eq!(walls(1000, 2000), (1000, 2000));
        assert_eq!(walls(9000, 11_000), (9000, 16_000), "it was stepped forward");
        assert_eq!(walls(19_000, 21_000), (17_000, 25_000), "and back");
    }
}
