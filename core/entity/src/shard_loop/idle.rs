// SPDX-License-Identifier: Apache-2.0
//! Letting go of entities that nobody uses (rule 11).

use adjoin_model::{EntityId, Error, Mono, Result};

use super::ShardLoop;
use super::entity::{Entity, Slot, Walk};
use crate::call::{Call, Reply};
use crate::io::{Output, SessionId};
use crate::mutant::Mutant;
use crate::phase::{On, Phase};

/// How often idle entities are looked for: this, or a quarter of the shortest time that a function wants.
const CHECK_MS: u64 = 1000;
/// Never more often.
const LEAST_CHECK_MS: u64 = 20;
/// How many are looked at in one step, so that a step stays short. The next look goes on behind them.
const LOOKED_AT: usize = 1024;
/// How many are passivated when a function is short of memory, per level.
const RELIEF: u32 = 256;
/// When somebody who wants a busy entity passivated may ask again.
const BUSY_MS: u64 = 100;

impl ShardLoop {
    /// Passivates what was idle for its type's time.
    pub(super) fn check_idle(&mut self) {
        if self.now.mono < self.next_idle_check {
            return;
        }
        self.next_idle_check = self.check_by();
        // On from where the last look ended: what may not go yet does not hide what is behind it.
        for _ in 0..LOOKED_AT.min(self.entities.len()) {
            let Some(slot) = self.entities.walk(Walk::Idle) else { return };
            if self.is_idle_for_long(slot) {
                self.passivate(slot);
            }
        }
    }

    /// A function has come, whose types may have a shorter time than those before.
    pub(super) fn check_idle_in_time(&mut self) {
        self.next_idle_check = self.next_idle_check.min(self.check_by());
    }

    fn check_by(&self) -> Mono {
        let times = self.sessions.connected().map(|(_, entity_type)| entity_type.passivate_after_ms);
        let shortest = times.filter(|ms| *ms > 0).min().unwrap_or(u64::MAX);
        self.now.mono.plus_ms((shortest / 4).clamp(LEAST_CHECK_MS, CHECK_MS))
    }

    fn is_idle_for_long(&self, slot: Slot) -> bool {
        let Some(entity) = self.entities.get(slot) else { return false };
        let own = self.sessions.entity_type(entity.id.entity_type()).map_or(0, |t| t.passivate_after_ms);
        let after_ms = if own == 0 { self.settings.passivate_after_ms } else { own };
        self.now.mono.since(entity.used()) >= after_ms.saturating_mul(1000)
    }

    /// Ends an activation because somebody asks for it; answers the call.
    pub(super) fn passivate_now(&mut self, call: &Call) {
        let result = self.passivate_asked(&call.entity);
        self.out.push(Output::Reply { call: call.id, result, sent: 0 });
    }

    fn passivate_asked(&mut self, id: &EntityId) -> Result<Reply> {
        let missing = || Error::not_found("the entity is not active in this host").at("entity", id);
        let slot = self.entities.find(id).ok_or_else(missing)?;
        let sequence = self.entities.get(slot).ok_or_else(missing)?.sequence;
        if !self.passivate(slot) {
            let said = "the entity has calls or writes under way, or is watched: it stays active";
            return Err(Error::unavailable(said).at("entity", id).retry_after(BUSY_MS));
        }
        Ok(Reply { sequence, ..Reply::default() })
    }

    /// Ends the activation of an entity with nothing in flight; says whether it did.
    fn passivate(&mut self, slot: Slot) -> bool {
        let blind = self.is(Mutant::PassivatedInFlight);
        let is_idle = |entity: &Entity| entity.is_idle() || (blind && entity.running.is_empty());
        let idle = self.entities.get(slot).is_some_and(|entity| entity.phase == Phase::Active && is_idle(entity));
        if idle {
            self.end_activation(slot, On::Idle, true);
        }
        idle
    }

    /// Makes room for one more entity.
    pub(super) fn passivate_oldest(&mut self) -> bool {
        for _ in 0..LOOKED_AT.min(self.entities.len()) {
            let Some(slot) = self.entities.walk(Walk::Room) else { return false };
            if self.passivate(slot) {
                return true;
            }
        }
        false
    }

    /// A function is short of memory: its entities used longest ago go.
    pub(super) fn pressure(&mut self, session: SessionId, level: u32) {
        let mut wanted = level.min(2) * RELIEF;
        let mut at = self.entities.oldest();
        while let Some(slot) = at.filter(|_| wanted > 0) {
            at = self.entities.newer(slot);
            let own = self.entities.get(slot).is_some_and(|entity| entity.session == session);
            if own && self.passivate(slot) {
                wanted -= 1;
            }
        }
    }
}
