// SPDX-License-Identifier: Apache-2.0
//! What a store keeps: records, and the shard batch that carries them.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::consumer::Consumption;
use crate::entity::EntityId;
use crate::error::Error;
use crate::head::{Epoch, Owner, Position, ShardId};
use crate::outbox::{DurableCall, Ended, Incoming};
use crate::payload::{CommandId, Payload};
use crate::time::Wall;

/// The sequence of a record in its entity, counted from 1. A value's version is its sequence.
pub type Sequence = u64;

/// One entry of a shard's journal. Its position is the batch's first position plus its index in the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose record.
    pub entity: EntityId,
    /// The entity's sequence: unique for events, values and deletes; a [`Body::Dedup`] and a [`Body::Outbox`] carry the
    /// sequence that the entity had when their command ended; 0 for what only passes by it.
    pub sequence: Sequence,
    /// The command that wrote it.
    pub command: CommandId,
    /// When the host took it, by its wall clock; shown, never compared.
    pub at: Wall,
    /// What is kept.
    pub body: Body,
}

impl Record {
    /// Its size as batches count it, in bytes: payload and names plus a fixed share for its head.
    #[must_use]
    pub fn size(&self) -> usize {
        const HEAD: usize = 64;
        HEAD + self.entity.entity_type().len() + self.entity.key().len() + self.body.size()
    }

    /// Whether the record takes a new sequence of its entity.
    #[must_use]
    pub fn is_sequenced(&self) -> bool {
        matches!(self.body, Body::Event(_) | Body::Value(_) | Body::Superseded | Body::Delete)
    }

    /// Whether the record is of outbox, inbox or a consumer: it says nothing of the state of its entity.
    #[must_use]
    pub fn is_effect(&self) -> bool {
        matches!(self.body, Body::Outbox(_) | Body::Inbox(_) | Body::Done { .. } | Body::Consumed(_))
    }
}

/// The content of a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A fact: appended, never changed.
    Event(Payload),
    /// The whole value, replacing the one before.
    Value(Payload),
    /// An update of a value that a later one of the same batch replaced: its record stays, its payload does not.
    Superseded,
    /// The entity ends here; re-creation goes on with the next sequence.
    Delete,
    /// The answer to a command, kept to answer a duplicate.
    Dedup(Dedup),
    /// A durable effect of the entity, to be delivered; named by its position.
    Outbox(Box<DurableCall>),
    /// A durable effect that another shard's outbox delivered, to be run.
    Inbox(Incoming),
    /// The inbox record at `inbox`, of the same shard, has ended.
    Done {
        /// Its position.
        inbox: Position,
        /// How.
        ended: Ended,
    },
    /// What became of events of this shard for a consumer; the entity is that of an event which it is about.
    Consumed(Box<Consumption>),
}

impl Body {
    fn size(&self) -> usize {
        match self {
            Self::Event(payload) | Self::Value(payload) => payload.size(),
            Self::Superseded | Self::Delete => 0,
            Self::Dedup(dedup) => dedup.size(),
            // What fits a batch in the outbox fits one in the inbox, where the entity is the record's own.
            Self::Outbox(call) => call.size() + call.names(),
            Self::Inbox(incoming) => incoming.call.size(),
            Self::Done { .. } => 0,
            Self::Consumed(consumption) => consumption.size(),
        }
    }
}

/// What makes two commands the same command.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DedupKey {
    /// A client's `idempotency-key`, in the scope of (entity, caller, command).
    Client {
        /// Who called; empty when the ingress knows nobody.
        caller: String,
        /// The command's name.
        command: String,
        /// The key as the client sent it.
        key: String,
    },
    /// The command id, when a router may have delivered it twice.
    Command(CommandId),
}

/// A command's answer, kept with its writes until `expires`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedup {
    /// What a duplicate is recognised by.
    pub key: DedupKey,
    /// XXH3-128 of the command's payload: the same key with another payload is a Conflict.
    pub digest: u128,
    /// When the record may go, by the wall clock of its writer.
    pub expires: Wall,
    /// What a duplicate is answered.
    pub answer: Answer,
}

impl Dedup {
    fn size(&self) -> usize {
        let key = match &self.key {
            DedupKey::Client { caller, command, key } => caller.len() + command.len() + key.len(),
            DedupKey::Command(_) => 16,
        };
        let answer = match &self.answer {
            Answer::Reply { payload, .. } => payload.as_ref().map_or(0, Payload::size),
            Answer::Failed(error) => error.message.len(),
            Answer::Forward { entity, command, payload } => {
                entity.key().len() + entity.entity_type().len() + command.len() + payload.size()
            }
        };
        32 + key + answer
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With a reply.
    Reply {
        /// The reply's payload; none for a command without result.
        payload: Option<Payload>,
        /// The entity's sequence after the command.
        sequence: Sequence,
    },
    /// Refused or failed.
    Failed(Error),
    /// By handing the call on to another entity.
    Forward {
        /// To which entity.
        entity: EntityId,
        /// Which command there.
        command: String,
        /// With which payload.
        payload: Payload,
    },
}

/// A state at a sequence, so replay need not begin at 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last sequence the state contains.
    pub sequence: Sequence,
    /// The state, as the SDK encodes it.
    pub state: Payload,
}

/// The unit of writing: one conditional write on the head of one shard, applied or refused whole.
///
/// A store applies it only if the head has exactly this epoch, this owner and `position == first - 1`, and updates
/// that head in the same atomic step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardBatch {
    /// Which shard.
    pub shard: ShardId,
    /// The epoch that the writer holds.
    pub epoch: Epoch,
    /// The writer.
    pub owner: Owner,
    /// The position of the first record.
    pub first: Position,
    /// The records, in order; never empty.
    pub records: Vec<Record>,
}

impl ShardBatch {
    /// The head's position once this batch is applied.
    #[must_use]
    pub fn last(&self) -> Position {
        self.first + self.records.len() as u64 - 1
    }
}
