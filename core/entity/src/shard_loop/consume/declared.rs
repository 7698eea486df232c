// SPDX-License-Identifier: Apache-2.0
//! Which consumers there are: those that a connected function subscribes for, and those that a shard remembers.

use adjoin_model::{ConsumerId, EntityId, Progress, Result, ShardId};
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{ConsumerPlace, ShardLoop};
use crate::cloud_event::Content;
use crate::consumer::{Consumer, Item};
use crate::mutant::Mutant;
use crate::spec::{Answers, EntityKind, EntityType, EventKey, Spec, Subscription};

/// What a function says of a consumer.
#[derive(Clone)]
pub(in crate::shard_loop) struct Declared {
    pub(super) subscription: Subscription,
    entity_type: Arc<str>,
    pub(super) action: bool,
    pub(super) content: Content,
    /// Who calls its handlers.
    pub(super) caller: Arc<str>,
    /// A function that has it is connected.
    pub(super) connected: bool,
}

impl Declared {
    fn of(spec: &Spec, entity_type: &EntityType, subscription: &Subscription, consumer: &ConsumerId) -> Self {
        let content = match spec.answers {
            Answers::Cloudstate => Content::Any,
            Answers::Adjoin if entity_type.services.is_empty() => Content::Json,
            Answers::Adjoin => Content::Protobuf,
        };
        let action = entity_type.kind == EntityKind::Action;
        Self {
            subscription: subscription.clone(),
            entity_type: entity_type.name.clone(),
            action,
            content,
            caller: format!("consumer {consumer}").into(),
            connected: true,
        }
    }

    /// Whether events go the same way as before.
    fn gives_as(&self, other: &Self) -> bool {
        let (one, two) = (&self.subscription, &other.subscription);
        one.events == two.events && one.rest == two.rest && self.entity_type == other.entity_type
    }

    /// The entity that takes this event.
    pub(super) fn target(&self, item: &Item) -> Result<EntityId> {
        let key = match &self.subscription.key {
            EventKey::Subject => item.entity.key().to_string(),
            EventKey::Message(key) => key.find(&item.handler, &item.event)?,
        };
        EntityId::new(self.entity_type.clone(), key)
    }
}

impl ShardLoop {
    /// Takes over how far the consumers of a shard had come. Before the first step.
    pub(in crate::shard_loop) fn resume_consumers(&mut self, shard: ShardId, left: Vec<(ConsumerId, Progress)>) {
        let forgets = self.is(Mutant::ConsumersAtHead);
        for (consumer, mut progress) in left {
            let place = self.consumers.place(&consumer);
            if let Some(owned) = self.owned_mut(shard) {
                progress.passed = if forgets { owned.shard.head().position } else { progress.passed };
                owned.consumers.insert(place, Consumer::new(progress));
            }
        }
    }

    /// Functions have come or gone: what they subscribe to, every shard gives out from where it is.
    pub(in crate::shard_loop) fn declare_consumers(&mut self, came: bool) {
        let mut now: Vec<(ConsumerPlace, Arc<Declared>)> = Vec::new();
        for (spec, entity_type) in self.sessions.connected() {
            for subscription in &entity_type.subscriptions {
                // A spec whose consumers have no names was refused by its check.
                let Ok(consumer) = subscription.consumer() else { continue };
                let declared = Arc::new(Declared::of(spec, entity_type, subscription, &consumer));
                now.push((self.consumers.place(&consumer), declared));
            }
        }
        // What was declared last is kept, so that another function that comes later is known for one.
        for known in self.consumers.declared.iter_mut().flatten() {
            Arc::make_mut(known).connected = false;
        }
        let mut changed = Vec::new();
        for (place, declared) in now {
            let Some(slot) = self.consumers.declared.get_mut(place as usize) else { continue };
            changed.push((place, slot.as_ref().is_some_and(|was| !was.gives_as(&declared))));
            *slot = Some(declared);
        }
        self.bring_up(&changed, came);
    }

    fn bring_up(&mut self, declared: &[(ConsumerPlace, bool)], came: bool) {
        if declared.is_empty() {
            return;
        }
        let shards: Vec<ShardId> = self.shards.iter().flatten().map(|owned| owned.shard.id()).collect();
        for shard in shards {
            let Some(owned) = self.owned_mut(shard) else { continue };
            for (place, changed) in declared {
                let consumer = owned.consumers.entry(*place).or_default();
                if *changed {
                    consumer.restart();
                }
                if came {
                    consumer.retry_resting();
                }
            }
            self.stir_consumers(shard);
        }
    }
}
