// SPDX-License-Identifier: Apache-2.0
//! What is counted of each consumer over the shards of a loop, for metrics.

use adjoin_model::{ConsumerId, Position};
use alloc::vec::Vec;

use super::{ConsumerPlace, Consumers, ShardLoop};

/// Counts of events, since the loop's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerCounts {
    /// Events that a handler took.
    pub taken: u64,
    /// Failures, each of which was tried again or made a dead letter.
    pub failed: u64,
    /// Events that became dead letters.
    pub dead: u64,
    /// Events that no handler of the consumer takes.
    pub passed_over: u64,
}

/// A consumer over all shards of a loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerTotals {
    /// Which consumer.
    pub consumer: ConsumerId,
    /// What was given to it.
    pub counts: ConsumerCounts,
    /// Positions that it has not come past, of all records.
    pub behind: Position,
    /// Its dead letters.
    pub letters: usize,
}

impl Consumers {
    /// Where the events of a consumer are counted.
    pub(super) fn count(&mut self, place: ConsumerPlace) -> &mut ConsumerCounts {
        let place = place as usize;
        if self.counts.len() <= place {
            self.counts.resize(place + 1, ConsumerCounts::default());
        }
        &mut self.counts[place]
    }

    /// Counts of all consumers.
    pub(in crate::shard_loop) fn counts(&self) -> ConsumerCounts {
        self.counts.iter().fold(ConsumerCounts::default(), |sum, one| ConsumerCounts {
            taken: sum.taken + one.taken,
            failed: sum.failed + one.failed,
            dead: sum.dead + one.dead,
            passed_over: sum.passed_over + one.passed_over,
        })
    }
}

impl ShardLoop {
    /// Every consumer that the loop knows. Walks over its shards: to be asked now and then.
    #[must_use]
    pub fn consumer_totals(&self) -> Vec<ConsumerTotals> {
        let counts = self.consumers.counts.iter().copied().chain(core::iter::repeat(ConsumerCounts::default()));
        let new = |(consumer, counts): (&ConsumerId, _)| ConsumerTotals {
            consumer: consumer.clone(),
            counts,
            behind: 0,
            letters: 0,
        };
        let mut all: Vec<ConsumerTotals> = self.consumers.names.iter().zip(counts).map(new).collect();
        for owned in self.shards.iter().flatten() {
            let head = owned.shard.head().position;
            for (place, consumer) in &owned.consumers {
                let Some(totals) = all.get_mut(*place as usize) else { continue };
                totals.behind += head.saturating_sub(consumer.reached());
                totals.letters += consumer.progress.dead.len();
            }
        }
        all
    }
}
