// SPDX-License-Identifier: Apache-2.0
//! What one shard has left to do of durable effects and events.

use std::collections::BTreeMap;

use adjoin_model::{Body, ConsumerId, Position, Progress, Record, ShardId, Unfinished};

#[derive(Default)]
pub(super) struct Effects {
    outbox: BTreeMap<Position, Record>,
    inbox: BTreeMap<Position, Record>,
    watermarks: BTreeMap<ShardId, Position>,
    consumers: BTreeMap<ConsumerId, Progress>,
}

impl Effects {
    /// Takes a record of outbox, inbox or a consumer.
    pub(super) fn apply(&mut self, position: Position, record: &Record) {
        match &record.body {
            Body::Outbox(_) => drop(self.outbox.insert(position, record.clone())),
            Body::Inbox(incoming) => {
                let watermark = self.watermarks.entry(incoming.origin.shard).or_default();
                *watermark = (*watermark).max(incoming.origin.position);
                self.inbox.insert(position, record.clone());
            }
            Body::Done { inbox, .. } => drop(self.inbox.remove(inbox)),
            Body::Consumed(what) => {
                let progress = self.consumers.entry(what.consumer.clone()).or_default();
                progress.apply(what, &record.entity, record.at);
            }
            Body::Event(_) | Body::Value(_) | Body::Superseded | Body::Delete | Body::Dedup(_) => {}
        }
    }

    pub(super) fn trim(&mut self, delivered: &[Position]) {
        delivered.iter().for_each(|position| drop(self.outbox.remove(position)));
    }

    pub(super) fn unfinished(&self) -> Unfinished {
        let all = |records: &BTreeMap<Position, Record>| records.iter().map(|(p, r)| (*p, r.clone())).collect();
        Unfinished {
            outbox: all(&self.outbox),
            inbox: all(&self.inbox),
            watermarks: self.watermarks.iter().map(|(shard, position)| (*shard, *position)).collect(),
            consumers: self.consumers.iter().map(|(name, progress)| (name.clone(), progress.clone())).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.outbox.is_empty() && self.watermarks.is_empty() && self.consumers.is_empty()
    }
}
