// SPDX-License-Identifier: Apache-2.0
//! What operators ask about a loop.

use adjoin_model::EntityId;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{ConsumerCounts, EffectCounts, ShardLoop};
use crate::phase::Phase;

/// Most handlers that are listed as slow.
const LISTED: usize = 100;

/// A command or query that the function has not answered for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slow {
    /// Of which entity.
    pub entity: EntityId,
    /// Which handler.
    pub name: Arc<str>,
    /// For how long, in milliseconds.
    pub waited_ms: u64,
}

/// Counts and lists of one loop at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Entities in memory, resident or waited for.
    pub entities: usize,
    /// Activations under way.
    pub activating: usize,
    /// Calls that are not answered.
    pub calls: usize,
    /// Idempotency records that went before their time, to keep the bound.
    pub dedups_dropped: u64,
    /// Handlers that have not answered for long, at most 100.
    pub slow: Vec<Slow>,
    /// Commands that failed because the function's process died under them again and again, newest last.
    pub deadly: Vec<(EntityId, Arc<str>)>,
    /// Durable effects.
    pub effects: EffectCounts,
    /// Events given to consumers.
    pub consumers: ConsumerCounts,
}

impl ShardLoop {
    /// Counts, and what has been with the function for at least so many milliseconds.
    #[must_use]
    pub fn status(&self, slow_ms: u64) -> Status {
        Status {
            entities: self.entities.len(),
            activating: self.activating,
            calls: self.calls.len(),
            dedups_dropped: self.dedups_dropped,
            slow: self.slow(slow_ms),
            deadly: self.deadly.clone(),
            effects: self.effect_counts(),
            consumers: self.consumers.counts(),
        }
    }

    /// Entities in memory, resident or waited for. Cheap, unlike [`ShardLoop::status`].
    #[must_use]
    pub fn entities(&self) -> usize {
        self.entities.len()
    }

    /// Whether an entity has an activation that runs commands.
    #[must_use]
    pub fn is_active(&self, entity: &EntityId) -> bool {
        let slot = self.entities.find(entity);
        slot.and_then(|slot| self.entities.get(slot)).is_some_and(|entity| entity.phase == Phase::Active)
    }

    fn slow(&self, slow_ms: u64) -> Vec<Slow> {
        let mut slow = Vec::new();
        for entity in self.entities.slots().filter_map(|slot| self.entities.get(slot)) {
            for job in entity.running.iter().take(1).chain(&entity.queries) {
                let waited_ms = self.now.mono.since(job.sent) / 1000;
                if waited_ms >= slow_ms && slow.len() < LISTED {
                    slow.push(Slow { entity: entity.id.clone(), name: job.call.name.clone(), waited_ms });
                }
            }
        }
        slow
    }
}
