// SPDX-License-Identifier: Apache-2.0
//! Which loop of a host a call goes to: that of its entity's shard, or any, where there is no state to be near.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use adjoin_model::{EntityId, ShardId, shard_of};

use crate::spec::{EntityKind, Spec};

/// The loops of a host, and which entity types any of them can serve.
#[derive(Clone, Debug)]
pub struct Homes {
    shards: u32,
    loops: u8,
    /// Types whose newest spec says that they have no state.
    stateless: BTreeSet<Arc<str>>,
}

impl Homes {
    /// Of a host with so many shards and loops, at least one of each. Every type has a state until a spec says otherwise.
    #[must_use]
    pub fn new(shards: u32, loops: u8) -> Self {
        Self { shards: shards.max(1), loops: loops.max(1), stateless: BTreeSet::new() }
    }

    /// The loop of a shard.
    #[must_use]
    pub fn of_shard(&self, shard: ShardId) -> u8 {
        (shard.0 % u32::from(self.loops)) as u8
    }

    /// The loop of a call: of its entity's shard, or the one that `turn` comes to where any can serve it. Calls of one
    /// action are neither ordered nor kept, so nobody can tell which loop had one.
    #[must_use]
    pub fn of_call(&self, entity: &EntityId, turn: u64) -> u8 {
        if self.stateless.contains(entity.entity_type()) {
            return (turn % u64::from(self.loops)) as u8;
        }
        self.of_shard(shard_of(entity, self.shards))
    }

    /// A function's spec is about to be told to the loops: what has a state in it is served by its shard from now on.
    pub fn settle(&mut self, spec: &Spec) {
        for entity_type in spec.types.iter().filter(|entity_type| entity_type.kind != EntityKind::Action) {
            self.stateless.remove(&entity_type.name);
        }
    }

    /// Every loop has been told a function's spec: what has no state in it is served by any.
    pub fn spread(&mut self, spec: &Spec) {
        let actions = spec.types.iter().filter(|entity_type| entity_type.kind == EntityKind::Action);
        self.stateless.extend(actions.map(|entity_type| entity_type.name.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::EntityType;

    fn spec(kind: EntityKind) -> Spec {
        Spec::new("test", alloc::vec![EntityType::new("shop.Mailer", kind)])
    }

    fn loops(homes: &Homes) -> BTreeSet<u8> {
        let mailer = EntityId::new("shop.Mailer", "-").expect("an id");
        (0..100).map(|turn| homes.of_call(&mailer, turn)).collect()
    }

    #[test]
    fn calls_of_an_action_take_turns_over_the_loops_once_all_know_it() {
        let mut homes = Homes::new(16, 4);
        assert_eq!(loops(&homes).len(), 1, "nobody knows what it is");
        homes.spread(&spec(EntityKind::Action));
        assert_eq!(loops(&homes), (0..4).collect());
        homes.settle(&spec(EntityKind::Value));
        homes.spread(&spec(EntityKind::Value));
        assert_eq!(loops(&homes).len(), 1, "it has a state now");
    }

    #[test]
    fn an_entity_is_at_home_where_its_shard_is() {
        let homes = Homes::new(16, 3);
        let ada = EntityId::new("shop.Cart", "ada").expect("an id");
        let home = homes.of_shard(shard_of(&ada, 16));
        assert!((0..100).all(|turn| homes.of_call(&ada, turn) == home));
    }
}
