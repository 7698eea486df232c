// SPDX-License-Identifier: Apache-2.0
//! Eventing: every event of a log was taken, those of an entity for the first time in their order, and every consumer
//! has come past them.

use std::collections::BTreeMap;

use adjoin_model::Body;

use super::Case;
use crate::function::Heard;
use crate::plan::{GROUP, TYPES};
use crate::store::Store;

impl Case<'_> {
    pub(super) fn check_heard(&mut self, store: &Store, heard: &Heard) {
        if !self.context.plan.listens() {
            return;
        }
        let mut last: BTreeMap<&adjoin_model::EntityId, usize> = BTreeMap::new();
        let log = TYPES[0].0;
        for (shard, position, record) in store.chains() {
            let Body::Event(_) = &record.body else { continue };
            if record.entity.entity_type() != log {
                continue;
            }
            match heard.get(&(shard.0, position)) {
                None => self.found.push(format!("shard {shard}: nobody heard the event at {position}")),
                Some(place) => {
                    let before = last.insert(&record.entity, *place);
                    self.demand(before.is_none_or(|before| before < *place), || {
                        format!("{}: the event at {shard}:{position} was heard before an earlier one", record.entity)
                    });
                }
            }
            let passed =
                store.consumers(shard).find(|(name, _)| name.group() == GROUP).map_or(0, |(_, one)| one.passed);
            self.demand(passed >= position, || {
                format!("shard {shard}: {passed} is noted, an event stands at {position}")
            });
        }
    }
}
