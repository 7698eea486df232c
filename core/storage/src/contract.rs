// SPDX-License-Identifier: Apache-2.0
//! The contract suite: what every store must do. Each function is the bullet of that name in `store.rs`.
//!
//! A store's `tests/contract.rs` says `adjoin_storage::contract!(Fixture::new())`, and if its capability says durable
//! also `adjoin_storage::contract_durable!(Fixture::new())`; each test gets a fixture of its own.

mod durable;
mod effects;
mod entities;
mod journal;
mod racing;

use std::sync::Arc;

use adjoin_model::{
    Answer, Body, CommandId, Dedup, DedupKey, EntityId, EntityPage, Epoch, Head, LoadRequest, Owner, Payload, Record,
    Sequence, ShardBatch, ShardId, Wall, shard_of,
};

use crate::{Store, Written};

pub use durable::*;
pub use effects::*;
pub use entities::*;
pub use journal::*;
pub use racing::*;

/// How the suite opens the store under test.
pub trait Fixture {
    /// Opens it: the first time empty, later with what is in it. Waits for nothing but the store.
    fn open(&self) -> Arc<dyn Store>;
}

/// The writer in every test.
pub const ME: Owner = Owner(1);

/// A store with a claimed shard for every key that a test uses.
pub(crate) struct Subject {
    pub(crate) store: Arc<dyn Store>,
}

pub(crate) fn id(key: &str) -> EntityId {
    named("shop.Cart", key)
}

pub(crate) fn named(entity_type: &str, key: &str) -> EntityId {
    let id = EntityId::new(entity_type, key);
    assert!(id.is_ok(), "{entity_type}/{key} is no id");
    id.unwrap_or_else(|_| unreachable!())
}

/// The result, which there must be.
pub(crate) fn well<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("should be well: {error:?}"),
    }
}

pub(crate) fn record(entity: &EntityId, sequence: Sequence, body: Body) -> Record {
    Record { entity: entity.clone(), sequence, command: CommandId(u128::from(sequence)), at: Wall(7), body }
}

pub(crate) fn event(key: &str, sequence: Sequence, bytes: usize) -> Record {
    record(&id(key), sequence, Body::Event(payload(sequence, bytes)))
}

pub(crate) fn payload(sequence: Sequence, bytes: usize) -> Payload {
    Payload::new("ItemAdded", vec![sequence as u8; bytes])
}

pub(crate) fn dedup(key: &str, expires: u64) -> Dedup {
    Dedup {
        key: DedupKey::Client { caller: "eve".into(), command: "addItem".into(), key: key.into() },
        digest: 9,
        expires: Wall(expires),
        answer: Answer::Reply { payload: Some(payload(1, 3)), sequence: 1 },
    }
}

impl Subject {
    pub(crate) async fn new(fixture: &dyn Fixture) -> Self {
        let store = fixture.open();
        let claims: Vec<_> = (0..store.meta().shards).map(|shard| (ShardId(shard), Head::EMPTY)).collect();
        for head in store.raise(&claims, ME).await {
            assert_eq!(head, Ok(Head { epoch: Epoch(1), owner: Some(ME), position: 0 }));
        }
        Self { store }
    }

    pub(crate) fn shard(&self, entity: &EntityId) -> ShardId {
        shard_of(entity, self.store.meta().shards)
    }

    pub(crate) async fn head(&self, shard: ShardId) -> Head {
        well(self.store.head(shard).await)
    }

    /// A batch on the present head of the shard of its first record.
    pub(crate) async fn batch(&self, records: Vec<Record>) -> ShardBatch {
        let shard = self.shard(&records[0].entity);
        let head = self.head(shard).await;
        ShardBatch { shard, epoch: head.epoch, owner: ME, first: head.position + 1, records }
    }

    pub(crate) async fn write_batch(&self, batch: ShardBatch) -> Written {
        self.store.write(&[batch]).await.remove(0)
    }

    /// Writes records of one entity, which must become durable.
    pub(crate) async fn write(&self, records: Vec<Record>) {
        let batch = self.batch(records).await;
        assert_eq!(self.write_batch(batch).await, Written::Durable);
    }

    /// Writes events with these sequences.
    pub(crate) async fn events(&self, key: &str, sequences: std::ops::RangeInclusive<Sequence>) {
        self.write(sequences.map(|sequence| event(key, sequence, 100)).collect()).await;
    }

    pub(crate) async fn load(&self, entity: &EntityId) -> EntityPage {
        self.load_page(entity, None, None, usize::MAX).await
    }

    pub(crate) async fn load_page(
        &self,
        entity: &EntityId,
        after: Option<Sequence>,
        snapshot_below: Option<Sequence>,
        max_bytes: usize,
    ) -> EntityPage {
        well(self.store.load(entity, LoadRequest { after, snapshot_below, max_bytes }).await)
    }
}

pub(crate) fn sequences(page: &EntityPage) -> Vec<Sequence> {
    page.events.iter().map(|(sequence, _)| *sequence).collect()
}

/// Makes a test of each of these bullets for one fixture.
#[macro_export]
macro_rules! contract_tests {
    ($fixture:expr; $($bullet:ident)*) => {
        $(#[test] fn $bullet() { ::futures::executor::block_on($crate::contract::$bullet(&$fixture)); })*
    };
}

/// Makes a test of every bullet that all stores must keep.
#[macro_export]
macro_rules! contract {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture;
            batch_applies_on_matching_head batch_updates_head_atomically concurrent_writes_keep_the_chain
            stale_epoch_is_fenced batch_without_records_is_refused
            wrong_position_is_refused refused_shard_leaves_others_alone batch_is_all_or_nothing
            oversized_batch_is_refused sequence_is_unique head_of_untouched_shard_is_empty
            shard_out_of_range_is_invalid heads_lists_touched_shards raise_gives_next_epoch
            raise_is_conditional_on_epoch_and_owner raise_settles_an_unknown_write
            tail_returns_records_in_position_order tail_pages_meet_without_gap_or_overlap tail_past_the_end_is_empty
            replaced_value_keeps_its_place_in_the_tail load_of_unknown_entity_is_empty
            load_returns_events_in_sequence_order load_pages_meet_without_gap_or_overlap
            load_starts_at_newest_snapshot unreadable_snapshot_can_be_passed_over load_after_delete_starts_empty
            load_returns_last_value_only load_returns_dedup_records keys_may_hold_any_bytes older_snapshot_is_ignored
            two_snapshots_are_kept snapshot_of_deleted_past_is_ignored snapshot_of_the_future_is_ignored
            keys_lists_entities_in_key_order
            keys_pages_meet_without_gap_or_overlap keys_of_one_type_only types_lists_every_type_once
            purge_removes_a_deleted_entity purge_of_a_live_entity_is_refused purge_within_a_window_is_refused
            purge_of_an_unknown_entity_does_nothing purged_records_keep_their_places
            purged_entity_begins_again_at_one expired_dedup_records_are_swept lasting_dedup_records_are_kept

            unfinished_lists_outbox_records inbox_records_raise_the_watermark_of_their_source
            refused_batch_raises_no_watermark done_ends_an_inbox_record trim_removes_delivered_outbox_records
            effects_keep_their_places_in_the_tail effects_make_no_entity purge_leaves_effects
            consumers_keep_their_positions a_settled_dead_letter_is_gone
            a_dead_letter_that_ended_ahead_is_remembered shards_with_effects_are_listed

            closed_store_is_unavailable
        }
    };
}

/// Makes a test of every bullet that durable stores must keep besides.
#[macro_export]
macro_rules! contract_durable {
    ($fixture:expr) => {
        $crate::contract_tests! { $fixture; durable_survives_reopen raise_is_durable everything_survives_reopen
            effects_survive_reopen
        }
    };
}
