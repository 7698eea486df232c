// SPDX-License-Identifier: Apache-2.0
//! Which loop of a host a call goes to: that of its entity's shard, or any, where there is no state to be near.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use adjoin_model::{EntityId, ShardId, shard_of};

use crate::io::SessionId;
use crate::spec::{EntityKind, Spec};

/// The loops of a host, and which entity types any of them can serve.
#[derive(Clone, Debug)]
pub struct Homes {
    shards: u32,
    /// Those that have a shard: the others have nothing to do, and would not hear of a shard's end.
    loops: u8,
    /// Types whose newest spec says that they have no state.
    stateless: BTreeSet<Arc<str>>,
    /// Sessions that may run fewer commands at once than there are loops.
    narrow: BTreeMap<SessionId, Narrow>,
}

/// A session whose credit the first loops have alone.
#[derive(Clone, Debug)]
struct Narrow {
    loops: u8,
    actions: BTreeSet<Arc<str>>,
}

impl Homes {
    /// Of a host with so many shards and loops, at least one of each. Every type has a state until a spec says otherwise.
    #[must_use]
    pub fn new(shards: u32, loops: u8) -> Self {
        let shards = shards.max(1);
        let loops = loops.clamp(1, u8::try_from(shards).unwrap_or(u8::MAX));
        Self { shards, loops, stateless: BTreeSet::new(), narrow: BTreeMap::new() }
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
        let name = entity.entity_type();
        if self.stateless.contains(name) {
            let narrow = self.narrow.values().filter(|one| one.actions.contains(name)).map(|one| one.loops).min();
            return (turn % u64::from(narrow.unwrap_or(self.loops))) as u8;
        }
        self.of_shard(shard_of(entity, self.shards))
    }

    /// The part of a session's credit that a loop has. All parts together are the credit: the first loops have what
    /// does not go round.
    #[must_use]
    pub fn share(&self, credit: u64, index: u8) -> u64 {
        let loops = u64::from(self.loops);
        if index >= self.loops {
            return 0;
        }
        credit / loops + u64::from(u64::from(index) < credit % loops)
    }

    /// A function's spec is about to be told to the loops: what has a state in it is served by its shard from now on.
    /// `running` is how many commands the session may run at once: calls of its actions only go where it has credit.
    pub fn settle(&mut self, session: SessionId, spec: &Spec, running: u32) {
        let (actions, others): (Vec<_>, Vec<_>) =
            spec.types.iter().partition(|entity_type| entity_type.kind == EntityKind::Action);
        for entity_type in others {
            self.stateless.remove(&entity_type.name);
        }
        if running < u32::from(self.loops) {
            let actions = actions.into_iter().map(|entity_type| entity_type.name.clone()).collect();
            self.narrow.insert(session, Narrow { loops: running.max(1) as u8, actions });
        }
    }

    /// Every loop has been told a function's spec: what has no state in it is served by any.
    pub fn spread(&mut self, spec: &Spec) {
        let actions = spec.types.iter().filter(|entity_type| entity_type.kind == EntityKind::Action);
        self.stateless.extend(actions.map(|entity_type| entity_type.name.clone()));
    }

    /// Every loop has been told that a session is over.
    pub fn session_down(&mut self, session: SessionId) {
        self.narrow.remove(&session);
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
        homes.settle(1, &spec(EntityKind::Value), 100);
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

    #[test]
    fn a_loop_without_a_shard_serves_no_action() {
        let mut homes = Homes::new(16, 64);
        homes.spread(&spec(EntityKind::Action));
        assert_eq!(loops(&homes), (0..16).collect());
        assert_eq!((0..64).map(|index| homes.share(u64::MAX, index)).sum::<u64>(), u64::MAX);
    }

    #[test]
    fn calls_of_an_action_go_only_where_its_session_has_credit() {
        let mut homes = Homes::new(16, 4);
        homes.settle(1, &spec(EntityKind::Action), 2);
        homes.spread(&spec(EntityKind::Action));
        let shares: Vec<u64> = (0..4).map(|index| homes.share(2, index)).collect();
        assert_eq!(shares, [1, 1, 0, 0]);
        assert_eq!(loops(&homes), (0..2).collect());
        homes.settle(2, &spec(EntityKind::Action), u32::MAX);
        assert_eq!(loops(&homes), (0..2).collect(), "either may be chosen");
        homes.session_down(1);
        assert_eq!(loops(&homes), (0..4).collect());
    }
}
