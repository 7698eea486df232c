// SPDX-License-Identifier: Apache-2.0
//! The operator: looks now and then at what was given up, has it tried again, or drops it.

use adjoin_entity::{EffectState, Errand, Input, Reply, ShardLoop};
use adjoin_model::{ConsumerId, Position, Result, ShardId};

use super::World;
use crate::agenda::{Event, HostId, MS};
use crate::host::Order;

/// After faults, until everything has ended.
const HEALING_LOOKS: u64 = 1000 * MS;

impl World {
    pub(super) fn operator_looks(&mut self) {
        let mean = self.context.plan.looks;
        let pause = if self.context.healing { HEALING_LOOKS } else { self.context.random.around(mean) };
        self.context.after(pause, Event::OperatorLooks);
        let Some(host) = self.serving() else { return };
        for index in 0..self.hosts[host].loops.len() {
            let machine = &self.hosts[host].loops[index].machine;
            let (stuck, letters) = (stuck(machine), letters(machine));
            for (shard, inbox) in stuck {
                if self.context.healing || self.context.random.chance(5000) {
                    self.given.unstuck += 1;
                    self.order(host, index, Order::Unstick, |call| Input::RetryEffect { call, shard, inbox });
                }
            }
            for (shard, consumer, event) in letters {
                self.attend(host, index, shard, consumer, event);
            }
        }
    }

    /// Tries a dead letter again, drops it, or leaves it for later.
    fn attend(&mut self, host: HostId, index: usize, shard: ShardId, consumer: ConsumerId, event: Position) {
        let chosen = self.context.random.below(if self.context.healing { 6 } else { 10 });
        if chosen < 5 {
            let order = Order::RetryLetter(shard, event);
            self.order(host, index, order, |call| Input::RetryLetter { call, shard, consumer, event });
        } else if chosen < 6 {
            self.given.dropped.insert((shard, event));
            let order = Order::DropLetter(shard, event);
            self.order(host, index, order, |call| Input::DropLetter { call, shard, consumer, event });
        }
    }

    fn order(&mut self, host: HostId, index: usize, order: Order, input: impl FnOnce(u64) -> Input) {
        let call = self.hosts[host].name_call();
        self.hosts[host].orders.insert(call, order);
        self.push(host, index as u8, input(call));
    }

    /// What an operator is told is true: a dead letter that is said to be dropped is so on disk.
    pub(super) fn order_answered(&mut self, host: HostId, order: Order, result: Result<Reply>) {
        self.context.trace.remark(self.context.now, || format!("{order:?} is answered {result:?}"));
        match (order, result) {
            (Order::DropLetter(shard, event), Ok(_)) => {
                let settled = self.store.was_settled(shard, event);
                self.context.demand(settled, || format!("{shard}:{event} is said to be dropped, which is not on disk"));
            }
            (Order::RetryLetter(shard, event), Ok(_)) => {
                self.given.retried.insert((host, shard, event), self.store.dead_at(shard, event));
            }
            (Order::Unstick | Order::DropLetter(..) | Order::RetryLetter(..), _) => {}
        }
    }

    /// Remembers whose effects are stuck, for good.
    pub(super) fn note_stuck(&mut self, host: HostId, index: u8) {
        let machine = &self.hosts[host].loops[usize::from(index)].machine;
        if self.context.plan.gives_up_after().is_some() && machine.effect_counts().stuck > 0 {
            let all = machine.effects(usize::MAX).into_iter();
            let stuck = all.filter(|effect| effect.state == EffectState::Inbox(Errand::Stuck));
            self.given.stuck.extend(stuck.map(|effect| effect.target));
        }
    }
}

fn stuck(machine: &ShardLoop) -> Vec<(ShardId, Position)> {
    let all = machine.effects(usize::MAX).into_iter();
    let stuck = all.filter(|effect| effect.state == EffectState::Inbox(Errand::Stuck));
    stuck.map(|effect| (effect.shard, effect.position)).collect()
}

fn letters(machine: &ShardLoop) -> Vec<(ShardId, ConsumerId, Position)> {
    let letters = |one: adjoin_entity::ConsumerStatus| {
        let (shard, consumer) = (one.shard, one.consumer);
        one.dead.into_iter().map(move |(event, _)| (shard, consumer.clone(), event))
    };
    machine.consumers(usize::MAX).into_iter().flat_map(letters).collect()
}
