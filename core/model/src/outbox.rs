// SPDX-License-Identifier: Apache-2.0
//! Durable effects as a shard's journal keeps them: outbox, inbox, and the end of each (`architecture.md` §4, rule 7).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::consumer::{ConsumerId, Progress};
use crate::entity::EntityId;
use crate::head::{Position, ShardId};
use crate::payload::{CommandId, Metadata, Payload};
use crate::record::Record;

/// The call that a durable effect asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurableCall {
    /// Of which entity.
    pub entity: EntityId,
    /// Which command.
    pub command: Arc<str>,
    /// Its body.
    pub payload: Payload,
    /// On whose behalf; empty when unknown.
    pub caller: Arc<str>,
    /// Its metadata.
    pub metadata: Metadata,
}

impl DurableCall {
    /// Its size as batches and outboxes count it, in bytes, without the entity's names.
    #[must_use]
    pub fn size(&self) -> usize {
        Self::size_of(&self.command, &self.payload, &self.caller, &self.metadata)
    }

    /// The size of a call that is made of these.
    #[must_use]
    pub fn size_of(command: &str, payload: &Payload, caller: &str, metadata: &Metadata) -> usize {
        let metadata: usize = metadata.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        32 + command.len() + payload.size() + caller.len() + metadata
    }

    /// The size of the entity's names, in bytes.
    pub(crate) fn names(&self) -> usize {
        self.entity.entity_type().len() + self.entity.key().len()
    }
}

/// Where an outbox record stands: in which shard, at which position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The source shard.
    pub shard: ShardId,
    /// The outbox record's position there.
    pub position: Position,
}

impl Origin {
    /// The name for good of the command that the effect of `by` at this place asks for: the same at every delivery.
    #[must_use]
    pub fn command(self, by: CommandId) -> CommandId {
        let mut seed = [0; 28];
        seed[..16].copy_from_slice(&by.0.to_be_bytes());
        seed[16..20].copy_from_slice(&self.shard.0.to_be_bytes());
        seed[20..].copy_from_slice(&self.position.to_be_bytes());
        CommandId(xxhash_rust::xxh3::xxh3_128(&seed))
    }
}

/// A durable effect that has reached the shard of its entity. The record's command is the one that it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The outbox record that it comes from. Writing the inbox record raises the watermark of that shard to it.
    pub origin: Origin,
    /// What is to be run; its entity is the record's.
    pub call: Box<DurableCall>,
}

/// How an inbox record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Its command ran.
    Ran,
    /// Its command was refused: that is an answer too, and nobody waits for it.
    Refused,
    /// An operator dropped it.
    Dropped,
}

impl Ended {
    /// Every way, in the order of their stored numbers.
    pub const ALL: [Self; 3] = [Self::Ran, Self::Refused, Self::Dropped];

    /// As it is shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }
}

/// What a shard has left to do of durable effects and events, as a store finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Outbox records that are not known to be delivered, in order of position.
    pub outbox: Vec<(Position, Record)>,
    /// Inbox records that have not ended, in order of position.
    pub inbox: Vec<(Position, Record)>,
    /// The highest outbox position of each source shard that an inbox record was ever written for, by shard.
    pub watermarks: Vec<(ShardId, Position)>,
    /// How far each consumer of the shard's events has come, in order.
    pub consumers: Vec<(ConsumerId, Progress)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part of the stored format: a redelivery, also by a later version, must ask for the same command.
    #[test]
    fn the_command_of_an_effect_never_changes() {
        let origin = Origin { shard: ShardId(3), position: 9 };
        assert_eq!(origin.command(CommandId(7)), origin.command(CommandId(7)));
        let others = [
            Origin { shard: ShardId(4), ..origin }.command(CommandId(7)),
            Origin { position: 10, ..origin }.command(CommandId(7)),
            origin.command(CommandId(8)),
        ];
        assert!(others.iter().all(|other| *other != origin.command(CommandId(7))));
        assert_eq!(origin.command(CommandId(7)), CommandId(0x099ba11a440275744d93d63bc83c3165));
    }
}
