// SPDX-License-Identifier: Apache-2.0
//! The traits that a store implements.

use adjoin_model::{
    EntityId, EntityPage, Epoch, Error, Head, LoadRequest, Owner, Position, Record, Result, Sequence, ShardBatch,
    ShardId, Snapshot, Unfinished, Wall,
};
use async_trait::async_trait;

/// What differs between stores, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The store's name for people and logs: `memory`, `rocksdb`, …
    pub name: &'static str,
    /// Whether an acknowledged batch survives a crash of the machine.
    pub durable: bool,
    /// Largest shard batch, in bytes as [`Record::size`] counts.
    pub max_batch_bytes: usize,
    /// Whether several processes may use the store at once.
    pub shared: bool,
}

impl Capability {
    /// Batch bound of stores that have none of their own, in bytes: a value of 64 MiB, the largest that default limits
    /// let in, fits together with its reply.
    pub const BATCH_BYTES: usize = 72 << 20;
}

/// What is fixed when a store is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Version of the stored format.
    pub format: u32,
    /// Number of shards, 16 to 65 536; never changes.
    pub shards: u32,
    /// Random id of this store, given when it was made.
    pub store_id: u128,
}

impl Meta {
    /// Fewest and most shards of a store.
    pub const SHARDS: core::ops::RangeInclusive<u32> = 16..=65_536;

    /// This, if a store can have so many shards.
    ///
    /// # Errors
    /// `Invalid` unless there are 16 to 65 536.
    pub fn checked(self) -> Result<Self> {
        if Self::SHARDS.contains(&self.shards) {
            return Ok(self);
        }
        Err(Error::invalid(format!("a store has 16 to 65536 shards, not {}", self.shards)))
    }
}

/// Why a batch or a raise was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The head has another epoch or owner: somebody else writes this shard now.
    Fenced(Head),
    /// Epoch and owner are right, the position is not: the writer has lost count, which is a bug or lost data.
    Position(Head),
    /// The store could not, and knows that it did not: full, read-only, batch too large. The head is unchanged.
    Failed(Error),
}

/// What became of one shard batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Applied, and it survives what the store's capability says.
    Durable,
    /// Not applied, and never will be.
    Refused(Refusal),
    /// Not known: it may be applied, now or later. Only [`Journal::raise`] followed by [`Journal::head`] settles it.
    Unknown(Error),
}

/// A record with the place it stands at. `record` is `None` where the payload has gone (replaced, purged, expired):
/// the header stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its position in the shard.
    pub position: Position,
    /// The epoch that wrote it.
    pub epoch: Epoch,
    /// The record. A value that was replaced since reads as [`adjoin_model::Body::Superseded`].
    pub record: Option<Record>,
}

/// A page of a shard's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailPage {
    /// Records in order of position, without gaps.
    pub records: Vec<StoredRecord>,
    /// Whether more follow at the time of the call.
    pub more: bool,
}

/// One known entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityRow {
    /// Which.
    pub entity: EntityId,
    /// Its last sequence.
    pub last: Sequence,
    /// Whether it is deleted now.
    pub deleted: bool,
}

/// A page of entities, ordered by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The entities, in byte order of their keys.
    pub rows: Vec<EntityRow>,
    /// Whether more follow.
    pub more: bool,
}

/// The conditional chain of each shard.
///
/// Its futures, and those of [`Entities`], never block the thread that polls them: a store that has to wait for a disk
/// does so on threads of its own. A future that is dropped may or may not have had its effect.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Where this store differs from others.
    fn capability(&self) -> &Capability;

    /// What was fixed when the store was made.
    fn meta(&self) -> Meta;

    /// Writes batches of several shards, at most one per shard, and says of each what became of it, in order.
    ///
    /// # Contract
    /// * `batch_applies_on_matching_head`: applied iff epoch, owner and `first - 1 == position` match the head.
    /// * `batch_updates_head_atomically`: the head's position is then `batch.last()`.
    /// * `concurrent_writes_keep_the_chain`: of several calls at once for one position, exactly one is applied.
    /// * `stale_epoch_is_fenced`: another epoch or owner gives `Refused(Fenced(head))`, and nothing changes.
    /// * `wrong_position_is_refused`: right epoch and owner, other position gives `Refused(Position(head))`.
    /// * `refused_shard_leaves_others_alone`: other batches of the call are applied.
    /// * `batch_is_all_or_nothing`: no reader sees part of a batch, and a refused one leaves nothing.
    /// * `batch_without_records_is_refused`: `Refused(Failed(Invalid))`.
    /// * `oversized_batch_is_refused`: above `max_batch_bytes` gives `Refused(Failed(Exhausted))`.
    /// * `sequence_is_unique`: a sequenced record whose sequence is not the entity's last + 1 within the batch order
    ///   gives `Refused(Failed(Internal))`: the second guard.
    /// * `durable_survives_reopen`: what was `Durable` is read back after close and open (durable stores).
    /// * `everything_survives_reopen`: so are values, deletes, snapshots and idempotency records.
    async fn write(&self, batches: &[ShardBatch]) -> Vec<Written>;

    /// The head of a shard; [`Head::EMPTY`] when nothing was written.
    ///
    /// # Contract
    /// * `head_of_untouched_shard_is_empty`
    /// * `shard_out_of_range_is_invalid`
    async fn head(&self, shard: ShardId) -> Result<Head>;

    /// Every head that is not empty, ordered by shard; one call, so a start does not ask 65 536 times.
    ///
    /// # Contract
    /// * `heads_lists_touched_shards`
    async fn heads(&self) -> Result<Vec<(ShardId, Head)>>;

    /// Raises the epochs of these shards by one and makes `owner` theirs, each only if its head still has `expected`
    /// epoch and owner; answers in order, with the new head.
    ///
    /// # Contract
    /// * `raise_gives_next_epoch`: the new head has epoch + 1, the new owner, the same position.
    /// * `raise_is_conditional_on_epoch_and_owner`: otherwise `Refused(Fenced(head))` as the error, nothing changes.
    /// * `raise_settles_an_unknown_write`: once a raise succeeded, a write of an older epoch is never applied, so the
    ///   position it returned is final for that epoch.
    /// * `raise_is_durable`: it survives close and open (durable stores).
    async fn raise(&self, claims: &[(ShardId, Head)], owner: Owner) -> Vec<core::result::Result<Head, Written>>;

    /// Records of a shard from `from` (≥ 1) on, at least one and at most about `max_bytes`.
    ///
    /// # Contract
    /// * `tail_returns_records_in_position_order`: gapless from `from`.
    /// * `tail_pages_meet_without_gap_or_overlap`
    /// * `tail_past_the_end_is_empty`
    /// * `replaced_value_keeps_its_place_in_the_tail`: as `Superseded` or without record.
    async fn tail(&self, shard: ShardId, from: Position, max_bytes: usize) -> Result<TailPage>;
}

/// Entities by key.
#[async_trait]
pub trait Entities: Send + Sync {
    /// Reads an entity, page by page.
    ///
    /// # Contract
    /// * `load_of_unknown_entity_is_empty`
    /// * `load_returns_events_in_sequence_order`: without gaps; a gap is `Corrupt` naming entity and sequence.
    /// * `load_pages_meet_without_gap_or_overlap`
    /// * `load_starts_at_newest_snapshot`: events at or below the snapshot's sequence are not returned.
    /// * `unreadable_snapshot_can_be_passed_over`: `snapshot_below` reaches the older one, then none.
    /// * `load_after_delete_starts_empty`: records up to the last delete are not returned; `last` continues.
    /// * `load_returns_last_value_only`
    /// * `load_returns_dedup_records`
    /// * `keys_may_hold_any_bytes`: NUL, `/`, 0xFF-like code points, keys that are prefixes of each other.
    async fn load(&self, entity: &EntityId, request: LoadRequest) -> Result<EntityPage>;

    /// Keeps a snapshot. The caller has made sure that its sequence is durable.
    ///
    /// # Contract
    /// * `older_snapshot_is_ignored`: only a sequence above the newest one's is stored.
    /// * `two_snapshots_are_kept`
    /// * `snapshot_of_deleted_past_is_ignored`: a snapshot at or below the last delete is never returned.
    /// * `snapshot_of_the_future_is_ignored`: one above the entity's last sequence, such as one that comes after a purge.
    async fn keep_snapshot(&self, entity: &EntityId, snapshot: &Snapshot) -> Result<()>;

    /// Known entities of a type whose key is greater than `after`, in byte order of keys, at most `limit`.
    ///
    /// # Contract
    /// * `keys_lists_entities_in_key_order`: deleted ones included and marked.
    /// * `keys_pages_meet_without_gap_or_overlap`
    /// * `keys_of_one_type_only`
    async fn keys(&self, entity_type: &str, after: Option<&str>, limit: usize) -> Result<KeyPage>;

    /// Every entity type of which an entity is known, in byte order.
    ///
    /// # Contract
    /// * `types_lists_every_type_once`
    async fn types(&self) -> Result<Vec<String>>;

    /// Forgets a deleted entity: its payloads, snapshots, dedup records and last sequence; headers stay in the journal.
    /// With a wall time, only if no idempotency record of it expires after that: a command that is sent again would run
    /// again.
    ///
    /// # Contract
    /// * `purge_removes_a_deleted_entity`: load is empty afterwards, keys no longer lists it.
    /// * `purge_of_a_live_entity_is_refused`: `Conflict`, nothing changes.
    /// * `purge_within_a_window_is_refused`: `Conflict` with the context `remembered until`, a wall time in milliseconds;
    ///   nothing changes. Without a time it is purged.
    /// * `purge_of_an_unknown_entity_does_nothing`
    /// * `purged_records_keep_their_places`: the tail has them, without record.
    /// * `purged_entity_begins_again_at_one`: and what it held before is never read as its own.
    async fn purge(&self, entity: &EntityId, unless_after: Option<Wall>) -> Result<()>;

    /// Removes dedup records that expired at or before this wall time; returns how many.
    ///
    /// # Contract
    /// * `expired_dedup_records_are_swept`: their places in the tail stay, without record.
    /// * `lasting_dedup_records_are_kept`
    async fn sweep_dedup(&self, now: adjoin_model::Wall) -> Result<usize>;
}

/// Durable effects and events: what outboxes, inboxes and consumers have left to do. The records themselves come in shard batches.
#[async_trait]
pub trait Effects: Send + Sync {
    /// What a shard has left to do, for its owner to go on with.
    ///
    /// # Contract
    /// * `unfinished_lists_outbox_records`: those that were not trimmed, in order of position, as they were written.
    /// * `inbox_records_raise_the_watermark_of_their_source`: in the same atomic step; it never falls.
    /// * `refused_batch_raises_no_watermark`
    /// * `done_ends_an_inbox_record`: of its shard, in the same atomic step; the watermark stays.
    /// * `effects_keep_their_places_in_the_tail`: those of ended and trimmed ones with their record or without.
    /// * `effects_make_no_entity`: they neither list an entity nor change its sequence.
    /// * `purge_leaves_effects`
    /// * `consumers_keep_their_positions`: with their dead letters. Nobody writes a lower position.
    /// * `a_settled_dead_letter_is_gone`: in the same atomic step; the position stays.
    /// * `a_dead_letter_that_ended_ahead_is_remembered`: until its end is written again.
    /// * `effects_survive_reopen`: records, ends, watermarks and consumers (durable stores).
    async fn unfinished(&self, shard: ShardId) -> Result<Unfinished>;

    /// Every shard of which [`Effects::unfinished`] has something, ordered; one call, so a start does not ask 65 536
    /// times.
    ///
    /// # Contract
    /// * `shards_with_effects_are_listed`: also where only a consumer is.
    async fn with_effects(&self) -> Result<Vec<ShardId>>;

    /// Forgets outbox records that were delivered. That they were is durable elsewhere, so no head guards this and none
    /// of it need be synced.
    ///
    /// # Contract
    /// * `trim_removes_delivered_outbox_records`: what is not there is passed over.
    async fn trim(&self, shard: ShardId, delivered: &[Position]) -> Result<()>;
}

/// A whole store.
#[async_trait]
pub trait Store: Journal + Entities + Effects {
    /// Flushes and closes; later calls answer `Unavailable`.
    ///
    /// # Contract
    /// * `closed_store_is_unavailable`: writes and raises are `Refused(Failed(Unavailable))`; closing again is fine.
    async fn close(&self) -> Result<()>;
}
