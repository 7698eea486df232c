// SPDX-License-Identifier: Apache-2.0
//! A limit on everything, with sane defaults.

pub(crate) const MAX_KEY_BYTES: usize = 1024;
pub(crate) const MAX_NAME_BYTES: usize = 256;

/// The bounds of a host. Settings may lower or raise them; the defaults suit one small machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest entity key, in bytes; fixed, since keys are part of stored formats.
    pub key_bytes: usize,
    /// Largest event, in bytes.
    pub event_bytes: usize,
    /// Largest value or snapshot, in bytes.
    pub value_bytes: usize,
    /// Largest command payload or reply, in bytes.
    pub message_bytes: usize,
    /// Commands waiting in one entity's mailbox; the next one is Exhausted.
    pub mailbox: usize,
    /// Calls in a shard loop at once, over all entities; the next one is Exhausted.
    pub calls: usize,
    /// Watches and queries of one entity at once.
    pub watches: usize,
    /// Activations under way at once in a shard loop.
    pub activations: usize,
    /// Resident entities in a shard loop before the least recently used idle one is passivated.
    pub resident: usize,
    /// Bytes of one shard batch.
    pub batch_bytes: usize,
    /// Idempotency records of one entity.
    pub dedup_records: usize,
    /// Events of one command.
    pub events_per_command: usize,
    /// Durable effects of one shard that are not delivered; the next command that asks for one is Exhausted.
    pub outbox: usize,
    /// Bytes of them: bodies, metadata and names.
    pub outbox_bytes: usize,
    /// Durable effects delivered to one shard that have not ended, stuck ones included; more wait in their outboxes.
    pub inbox: usize,
    /// Durable effects of one shard that run at once.
    pub deliveries: usize,
    /// Events of one shard that a consumer has read and that have not ended, about; further ones wait in the journal.
    pub events: usize,
    /// Events that a loop gives to consumers at once.
    pub consuming: usize,
    /// Dead letters of a consumer in one shard; past it, it reads on only when some have been retried or dropped.
    pub dead_letters: usize,
    /// Consumers of a host, those included that its store remembers: a function that subscribes as further groups is
    /// refused.
    pub consumers: usize,
    /// Hops of a forwarded call, and entities in a chain of calls.
    pub hops: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes: MAX_KEY_BYTES,
            event_bytes: 1 << 20,
            value_bytes: 64 << 20,
            message_bytes: 64 << 20,
            mailbox: 1024,
            calls: 65_536,
            watches: 256,
            activations: 256,
            resident: 1_000_000,
            batch_bytes: 8 << 20,
            dedup_records: 65_536,
            events_per_command: 10_000,
            outbox: 4096,
            outbox_bytes: 64 << 20,
            inbox: 4096,
            deliveries: 64,
            events: 64,
            consuming: 256,
            dead_letters: 1024,
            consumers: 256,
            hops: 16,
        }
    }
}
