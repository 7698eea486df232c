// SPDX-License-Identifier: Apache-2.0
//! Durable effects: what a stored command entrusted to others has had its effect there, exactly once.
//!
//! Once at most is what the index of the journal demands of every token; that an effect stands after its cause is
//! demanded of every child. Here: at least once, and nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};

use adjoin_model::{EntityId, Sequence};

use super::Case;
use crate::history::Action;
use crate::store::Store;
use crate::words::{NOBODY, child};

impl Case<'_> {
    /// Whether its client was told or not: what counts is that the command is stored.
    pub(super) fn check_entrusted(&mut self, store: &Store, stuck: &BTreeSet<EntityId>) {
        for operation in &self.history.operations {
            let Action::Entrust { targets } = operation.action else { continue };
            if !self.journal.spans.contains_key(&operation.token) {
                continue;
            }
            for (index, target) in (0..).zip(targets).filter(|(_, target)| *target != NOBODY) {
                let there = self.journal.spans.get(&child(operation.token, index)).map(|span| span.subject);
                if there != Some(usize::from(target)) {
                    let token = operation.token;
                    self.found.push(format!("{token:#x} is stored, but its durable effect {index} is at {there:?}"));
                }
            }
        }
        self.check_entrusted_order(stuck);
        for (shard, position) in store.inbox() {
            self.found.push(format!("shard {shard}: the inbox record at {position} has not ended"));
        }
    }

    /// What one entity entrusts to another has its effect there in the order in which it was entrusted. Where one was
    /// stuck for a while, it did not hold up those behind it.
    fn check_entrusted_order(&mut self, stuck: &BTreeSet<EntityId>) {
        // From one subject to another: the sequence of the cause, which of its effects, the sequence of that.
        type Ways = BTreeMap<(usize, usize), Vec<(Sequence, u64, Sequence)>>;
        let mut ways = Ways::new();
        for operation in &self.history.operations {
            let Action::Entrust { .. } = operation.action else { continue };
            let Some(cause) = self.journal.spans.get(&operation.token) else { continue };
            for index in 0..2 {
                let Some(effect) = self.journal.spans.get(&child(operation.token, index)) else { continue };
                ways.entry((cause.subject, effect.subject)).or_default().push((cause.first, index, effect.first));
            }
        }
        for ((from, to), mut effects) in ways {
            if self.context.plan.subjects.get(to).is_some_and(|subject| stuck.contains(&subject.id)) {
                continue;
            }
            effects.sort_unstable();
            let disorder = effects.windows(2).find(|pair| pair[0].2 >= pair[1].2).map(<[_]>::to_vec);
            if let Some(pair) = disorder {
                let (from, to) = (self.name(from), self.name(to));
                self.found.push(format!("durable effects of {from} at {to} are in another order: {pair:?}"));
            }
        }
    }
}
