// SPDX-License-Identifier: Apache-2.0
//! Metrics of what a machine keeps sums of: durable effects and consumers of events. Asking it walks over its shards, so
//! that is done once a second at most, and not at all while nothing happens.
//!
//! Labels are names of event logs and groups, of which a host takes a bounded number. Every loop adds its part to one
//! series.

use std::collections::HashMap;

use adjoin_entity::{ConsumerTotals, EffectCounts, ShardLoop};
use adjoin_model::{ConsumerId, Mono};
use metrics::{Counter, Gauge};

const EVERY_MS: u64 = 1000;

/// A gauge of which this loop gives a part.
struct Part {
    gauge: Gauge,
    /// What it gave last.
    part: u64,
}

impl Part {
    fn new(gauge: Gauge) -> Self {
        Self { gauge, part: 0 }
    }

    fn set(&mut self, part: u64) {
        if part >= self.part {
            self.gauge.increment((part - self.part) as f64);
        } else {
            self.gauge.decrement((self.part - part) as f64);
        }
        self.part = part;
    }
}

impl Drop for Part {
    /// A loop that has ended gives nothing: another engine of this process gives its own.
    fn drop(&mut self) {
        self.set(0);
    }
}

/// A counter that follows a sum.
struct Sum {
    counter: Counter,
    sum: u64,
}

impl Sum {
    fn new(counter: Counter) -> Self {
        Self { counter, sum: 0 }
    }

    fn reach(&mut self, sum: u64) {
        self.counter.increment(sum.saturating_sub(self.sum));
        self.sum = sum;
    }
}

struct Effects {
    ended: [Sum; 4],
    waiting: [Part; 3],
}

impl Effects {
    fn new() -> Self {
        let ended = |outcome: &'static str| Sum::new(metrics::counter!("adjoin_effects_total", "outcome" => outcome));
        let waiting = |place: &'static str| Part::new(metrics::gauge!("adjoin_effects_waiting", "place" => place));
        Self {
            ended: ["ran", "refused", "dropped", "failed"].map(ended),
            waiting: ["outbox", "inbox", "stuck"].map(waiting),
        }
    }

    fn say(&mut self, counts: EffectCounts) {
        let EffectCounts { outbox, inbox, stuck, ran, refused, dropped, failed } = counts;
        self.ended.iter_mut().zip([ran, refused, dropped, failed]).for_each(|(sum, now)| sum.reach(now));
        // What is stuck is in the inbox, too.
        let parts = [outbox, inbox.saturating_sub(stuck), stuck];
        self.waiting.iter_mut().zip(parts).for_each(|(part, now)| part.set(now as u64));
    }
}

struct Consumer {
    events: [Sum; 4],
    lag: Part,
    letters: Part,
}

impl Consumer {
    fn new(consumer: &ConsumerId) -> Self {
        let labels = [("log", consumer.log().to_owned()), ("group", consumer.group().to_owned())];
        let events = |outcome: &str| {
            let [log, group] = labels.clone();
            let labels = [log, group, ("outcome", outcome.to_owned())];
            Sum::new(metrics::counter!("adjoin_consumer_events_total", &labels))
        };
        Self {
            events: ["taken", "failed", "dead", "passed_over"].map(events),
            lag: Part::new(metrics::gauge!("adjoin_consumer_lag_positions", &labels)),
            letters: Part::new(metrics::gauge!("adjoin_consumer_dead_letters", &labels)),
        }
    }

    fn say(&mut self, totals: &ConsumerTotals) {
        let counts = totals.counts;
        let sums = [counts.taken, counts.failed, counts.dead, counts.passed_over];
        self.events.iter_mut().zip(sums).for_each(|(sum, now)| sum.reach(now));
        self.lag.set(totals.behind);
        self.letters.set(totals.letters as u64);
    }
}

/// What this loop has said of each.
pub(super) struct Totals {
    effects: Effects,
    consumers: HashMap<ConsumerId, Consumer>,
    /// When it may be asked again.
    next: Mono,
    /// Something has happened since.
    stale: bool,
}

impl Totals {
    pub(super) fn new() -> Self {
        Self { effects: Effects::new(), consumers: HashMap::new(), next: Mono(0), stale: false }
    }

    /// The machine was stepped.
    pub(super) fn stepped(&mut self, now: Mono, machine: &ShardLoop) {
        self.stale = true;
        if now < self.next {
            return;
        }
        self.effects.say(machine.effect_counts());
        for totals in machine.consumer_totals() {
            let new = || Consumer::new(&totals.consumer);
            self.consumers.entry(totals.consumer.clone()).or_insert_with(new).say(&totals);
        }
        self.next = now.plus_ms(EVERY_MS);
        self.stale = false;
    }

    /// When what has happened is said, if something has.
    pub(super) fn next_wake(&self) -> Option<Mono> {
        self.stale.then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_loop_takes_its_part_of_a_gauge_along() {
        let kept = Arc::new(AtomicU64::new(0));
        let shown = || f64::from_bits(kept.load(Ordering::SeqCst));
        let part = || Part::new(Gauge::from_arc(kept.clone()));
        let (mut one, mut other) = (part(), part());
        one.set(3);
        other.set(4);
        assert_eq!(shown(), 7.0);
        drop(one);
        assert_eq!(shown(), 4.0);
    }
}
