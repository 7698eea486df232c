// SPDX-License-Identifier: Apache-2.0
//! The contract of [`Entities`](crate::Entities) and [`Store`](crate::Store).

use adjoin_model::{Body, EntityPage, Kind, LoadRequest, Snapshot, Wall};

use super::{Fixture, ME, Subject, dedup, event, id, named, payload, record, sequences, well};
use crate::{Refusal, Written, guard};

/// Nothing, and no error.
pub async fn load_of_unknown_entity_is_empty(fixture: &dyn Fixture) {
    assert_eq!(Subject::new(fixture).await.load(&id("nobody")).await, EntityPage::default());
}

/// All of them, in order, as they were written.
pub async fn load_returns_events_in_sequence_order(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.events("ada", 1..=300).await;
    subject.events("ad", 1..=2).await;
    let page = subject.load(&id("ada")).await;
    assert_eq!((page.last, page.deleted, page.more), (300, false, false));
    assert_eq!(sequences(&page), (1..=300).collect::<Vec<_>>());
    assert_eq!(page.events[299].1, payload(300, 100));
}

/// Pages of any size join; at least one event comes.
pub async fn load_pages_meet_without_gap_or_overlap(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.events("ada", 1..=7).await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = subject.load_page(&id("ada"), after, None, 250).await;
        seen.extend(sequences(&page));
        after = seen.last().copied();
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(sequences(&subject.load_page(&id("ada"), Some(6), None, 0).await), [7]);
}

async fn with_snapshots(fixture: &dyn Fixture, at: &[u64]) -> Subject {
    let subject = Subject::new(fixture).await;
    subject.events("ada", 1..=6).await;
    for sequence in at {
        let snapshot = Snapshot { sequence: *sequence, state: payload(*sequence, 5) };
        well(subject.store.keep_snapshot(&id("ada"), &snapshot).await);
    }
    subject
}

/// The newest snapshot, and only the events after it.
pub async fn load_starts_at_newest_snapshot(fixture: &dyn Fixture) {
    let subject = with_snapshots(fixture, &[2, 4]).await;
    let page = subject.load(&id("ada")).await;
    assert_eq!(page.snapshot.as_ref().map(|snapshot| snapshot.sequence), Some(4));
    assert_eq!((sequences(&page), page.last), (vec![5, 6], 6));
}

/// The older one below a bound, then none.
pub async fn unreadable_snapshot_can_be_passed_over(fixture: &dyn Fixture) {
    let subject = with_snapshots(fixture, &[2, 4]).await;
    let page = subject.load_page(&id("ada"), None, Some(4), usize::MAX).await;
    assert_eq!(page.snapshot.as_ref().map(|snapshot| snapshot.sequence), Some(2));
    assert_eq!(sequences(&page), [3, 4, 5, 6]);
    let page = subject.load_page(&id("ada"), None, Some(2), usize::MAX).await;
    assert_eq!((page.snapshot, page.events.len()), (None, 6));
}

/// Only a sequence above the newest one's is kept.
pub async fn older_snapshot_is_ignored(fixture: &dyn Fixture) {
    let subject = with_snapshots(fixture, &[4, 2, 4]).await;
    let page = subject.load(&id("ada")).await;
    assert_eq!(page.snapshot, Some(Snapshot { sequence: 4, state: payload(4, 5) }));
    assert_eq!(subject.load_page(&id("ada"), None, Some(4), usize::MAX).await.snapshot, None);
}

/// The newest two, not three.
pub async fn two_snapshots_are_kept(fixture: &dyn Fixture) {
    let subject = with_snapshots(fixture, &[1, 2, 3]).await;
    let below = |bound| subject.load_page(&ADA_ID, None, Some(bound), usize::MAX);
    assert_eq!(below(3).await.snapshot.map(|snapshot| snapshot.sequence), Some(2));
    assert_eq!(below(2).await.snapshot, None);
}

static ADA_ID: std::sync::LazyLock<adjoin_model::EntityId> = std::sync::LazyLock::new(|| id("ada"));

/// A snapshot at or below the last delete never comes back.
pub async fn snapshot_of_deleted_past_is_ignored(fixture: &dyn Fixture) {
    let subject = with_snapshots(fixture, &[4]).await;
    subject.write(vec![record(&id("ada"), 7, Body::Delete)]).await;
    assert_eq!(subject.load(&id("ada")).await.snapshot, None);
    let late = Snapshot { sequence: 6, state: payload(6, 5) };
    well(subject.store.keep_snapshot(&id("ada"), &late).await);
    assert_eq!(subject.load(&id("ada")).await.snapshot, None);
}

/// A snapshot above the last sequence is not kept, such as one that was on its way during a purge.
pub async fn snapshot_of_the_future_is_ignored(fixture: &dyn Fixture) {
    let subject = with_snapshots(fixture, &[7]).await;
    assert_eq!(subject.load(&id("ada")).await.snapshot, None);
    let early = Snapshot { sequence: 1, state: payload(1, 5) };
    well(subject.store.keep_snapshot(&id("nobody"), &early).await);
    assert_eq!(subject.load(&id("nobody")).await, EntityPage::default());
}

/// What was before the delete does not come back; the numbering goes on.
pub async fn load_after_delete_starts_empty(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.events("ada", 1..=3).await;
    subject.write(vec![record(&id("ada"), 4, Body::Delete)]).await;
    let page = subject.load(&id("ada")).await;
    assert_eq!((page.last, page.deleted, page.events.len(), page.value), (4, true, 0, None));
    subject.events("ada", 5..=6).await;
    let page = subject.load(&id("ada")).await;
    assert_eq!((page.last, page.deleted, sequences(&page)), (6, false, vec![5, 6]));
}

/// The current value with its sequence; nothing after a delete.
pub async fn load_returns_last_value_only(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let profile = named("shop.Profile", "ada");
    let value = |sequence| record(&profile, sequence, Body::Value(payload(sequence, 10)));
    subject.write(vec![value(1)]).await;
    subject.write(vec![record(&profile, 2, Body::Superseded), value(3)]).await;
    let page = subject.load(&profile).await;
    assert_eq!((page.last, page.value, page.events.len()), (3, Some((3, payload(3, 10))), 0));
    subject.write(vec![record(&profile, 4, Body::Delete)]).await;
    let page = subject.load(&profile).await;
    assert_eq!((page.last, page.deleted, page.value), (4, true, None));
    subject.write(vec![value(5)]).await;
    assert_eq!(subject.load(&profile).await.value, Some((5, payload(5, 10))));
}

/// Oldest first, on the first page only.
pub async fn load_returns_dedup_records(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    for (sequence, key) in [(1, "b"), (2, "a")] {
        let kept = record(&id("ada"), sequence, Body::Dedup(dedup(key, 100)));
        subject.write(vec![event("ada", sequence, 1), kept]).await;
    }
    let page = subject.load(&id("ada")).await;
    assert_eq!(page.dedup, [dedup("b", 100), dedup("a", 100)]);
    assert!(subject.load_page(&id("ada"), Some(1), None, 100).await.dedup.is_empty());
}

/// NUL, slashes, high code points, keys that begin with one another.
pub async fn keys_may_hold_any_bytes(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let keys = ["a", "a\0", "a\0b", "a\u{1}", "a/b", "a\u{10ffff}", "\0", "\0\0", "ü"];
    for (index, key) in keys.into_iter().enumerate() {
        subject.write(vec![event(key, 1, index + 1)]).await;
    }
    for (index, key) in keys.into_iter().enumerate() {
        let page = subject.load(&id(key)).await;
        assert_eq!((page.last, page.events.len()), (1, 1), "{key:?}");
        assert_eq!(page.events[0].1, payload(1, index + 1), "{key:?}");
    }
    let rows = well(subject.store.keys("shop.Cart", None, 100).await).rows;
    let mut sorted: Vec<&str> = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(rows.iter().map(|row| row.entity.key()).collect::<Vec<_>>(), sorted);
}

/// In byte order of keys, deleted ones included and marked.
pub async fn keys_lists_entities_in_key_order(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.events("c", 1..=2).await;
    subject.events("a", 1..=1).await;
    subject.write(vec![event("b", 1, 1), record(&id("b"), 2, Body::Delete)]).await;
    let page = well(subject.store.keys("shop.Cart", None, 10).await);
    let rows: Vec<_> = page.rows.iter().map(|row| (row.entity.key(), row.last, row.deleted)).collect();
    assert_eq!((rows, page.more), (vec![("a", 1, false), ("b", 2, true), ("c", 2, false)], false));
}

/// Pages of any size join.
pub async fn keys_pages_meet_without_gap_or_overlap(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    for key in ["a", "b", "c", "d", "e"] {
        subject.events(key, 1..=1).await;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = well(subject.store.keys("shop.Cart", after.as_deref(), 2).await);
        seen.extend(page.rows.iter().map(|row| row.entity.key().to_owned()));
        after = seen.last().cloned();
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
}

/// Types whose names begin with one another do not mix.
pub async fn keys_of_one_type_only(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    for entity in [named("shop.Cart", "a"), named("shop.Car", "ta"), named("shop.Cart2", "b")] {
        subject.write(vec![record(&entity, 1, Body::Event(payload(1, 1)))]).await;
    }
    let rows = well(subject.store.keys("shop.Cart", None, 10).await).rows;
    assert_eq!(rows.iter().map(|row| row.entity.key()).collect::<Vec<_>>(), ["a"]);
}

/// Once each, in byte order.
pub async fn types_lists_every_type_once(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    for entity in [named("shop.Z", "a"), named("shop.A", "a"), named("shop.A", "b")] {
        subject.write(vec![record(&entity, 1, Body::Event(payload(1, 1)))]).await;
    }
    assert_eq!(subject.store.types().await, Ok(vec!["shop.A".to_owned(), "shop.Z".to_owned()]));
}

/// Nothing of it can be loaded or listed.
pub async fn purge_removes_a_deleted_entity(fixture: &dyn Fixture) {
    let subject = purged(fixture).await;
    assert_eq!(subject.load(&id("ada")).await, EntityPage::default());
    assert!(well(subject.store.keys("shop.Cart", None, 10).await).rows.is_empty());
}

/// An entity with an event, an idempotency record and a snapshot, deleted and purged.
async fn purged(fixture: &dyn Fixture) -> Subject {
    let subject = Subject::new(fixture).await;
    let kept = record(&id("ada"), 1, Body::Dedup(dedup("k", 100)));
    subject.write(vec![event("ada", 1, 1), kept]).await;
    well(subject.store.keep_snapshot(&id("ada"), &Snapshot { sequence: 1, state: payload(1, 5) }).await);
    subject.write(vec![record(&id("ada"), 2, Body::Delete)]).await;
    well(subject.store.purge(&id("ada"), None).await);
    subject
}

/// The tail has every place, and none of what was there.
pub async fn purged_records_keep_their_places(fixture: &dyn Fixture) {
    let subject = purged(fixture).await;
    let shard = subject.shard(&id("ada"));
    let tail = well(subject.store.tail(shard, 1, usize::MAX).await);
    let seen: Vec<_> = tail.records.iter().map(|stored| (stored.position, stored.record.is_none())).collect();
    assert_eq!(seen, [(1, true), (2, true), (3, true)]);
    assert_eq!(subject.head(shard).await.position, 3);
}

/// Its numbering starts over, and what it held before is not read as its own.
pub async fn purged_entity_begins_again_at_one(fixture: &dyn Fixture) {
    let subject = purged(fixture).await;
    subject.write(vec![record(&id("ada"), 1, Body::Event(payload(9, 7)))]).await;
    let page = subject.load(&id("ada")).await;
    assert_eq!((page.last, page.deleted, page.snapshot, page.dedup.len()), (1, false, None, 0));
    assert_eq!(page.events, [(1, payload(9, 7))]);
    let tail = well(subject.store.tail(subject.shard(&id("ada")), 1, usize::MAX).await);
    let bodies: Vec<_> = tail.records.into_iter().map(|stored| stored.record.map(|record| record.body)).collect();
    assert_eq!(bodies, [None, None, None, Some(Body::Event(payload(9, 7)))]);
}

/// Conflict, and nothing changes.
pub async fn purge_of_a_live_entity_is_refused(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    subject.events("ada", 1..=2).await;
    let error = subject.store.purge(&id("ada"), None).await.err();
    assert!(error.as_ref().is_some_and(|error| error.kind == Kind::Conflict), "{error:?}");
    assert_eq!(sequences(&subject.load(&id("ada")).await), [1, 2]);
}

/// Conflict until the last record has expired; a purge without a time does not ask.
pub async fn purge_within_a_window_is_refused(fixture: &dyn Fixture) {
    let subject = with_dedup(fixture).await;
    subject.write(vec![record(&id("ada"), 4, Body::Delete)]).await;
    let before = subject.load(&id("ada")).await;
    let error = subject.store.purge(&id("ada"), Some(Wall(50))).await.expect_err("one expires at 51");
    let until = error.context.iter().find(|(what, _)| what == guard::REMEMBERED).map(|(_, value)| value.as_str());
    assert_eq!((error.kind, until), (Kind::Conflict, Some("51")));
    assert_eq!(subject.load(&id("ada")).await, before);
    well(subject.store.purge(&id("ada"), None).await);
    assert_eq!(subject.load(&id("ada")).await, EntityPage::default());
    let kept = record(&id("eve"), 1, Body::Dedup(dedup("k", 50)));
    subject.write(vec![event("eve", 1, 1), kept, record(&id("eve"), 2, Body::Delete)]).await;
    well(subject.store.purge(&id("eve"), Some(Wall(50))).await);
    assert_eq!(subject.load(&id("eve")).await, EntityPage::default());
}

/// Nothing happens, and it is no error.
pub async fn purge_of_an_unknown_entity_does_nothing(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    well(subject.store.purge(&id("nobody"), None).await);
    assert!(well(subject.store.keys("shop.Cart", None, 10).await).rows.is_empty());
}

/// A store with idempotency records that expire at 50, 51 and 49.
async fn with_dedup(fixture: &dyn Fixture) -> Subject {
    let subject = Subject::new(fixture).await;
    for (sequence, (key, expires)) in [(1, ("a", 50)), (2, ("b", 51)), (3, ("c", 49))] {
        let kept = record(&id("ada"), sequence, Body::Dedup(dedup(key, expires)));
        subject.write(vec![event("ada", sequence, 1), kept]).await;
    }
    subject
}

/// Those that expired at or before the time; their places stay.
pub async fn expired_dedup_records_are_swept(fixture: &dyn Fixture) {
    let subject = with_dedup(fixture).await;
    assert_eq!(subject.store.sweep_dedup(Wall(50)).await, Ok(2));
    let tail = well(subject.store.tail(subject.shard(&id("ada")), 1, usize::MAX).await);
    let gone: Vec<_> = tail.records.iter().filter(|stored| stored.record.is_none()).collect();
    assert_eq!(gone.iter().map(|stored| stored.position).collect::<Vec<_>>(), [2, 6]);
}

/// Those that expire later; sweeping again finds nothing.
pub async fn lasting_dedup_records_are_kept(fixture: &dyn Fixture) {
    let subject = with_dedup(fixture).await;
    assert_eq!(subject.store.sweep_dedup(Wall(50)).await, Ok(2));
    assert_eq!(subject.load(&id("ada")).await.dedup, [dedup("b", 51)]);
    assert_eq!(subject.store.sweep_dedup(Wall(50)).await, Ok(0));
}

/// Writes and raises are refused, reads fail, and closing again is fine.
pub async fn closed_store_is_unavailable(fixture: &dyn Fixture) {
    let subject = Subject::new(fixture).await;
    let batch = subject.batch(vec![event("ada", 1, 1)]).await;
    let (shard, head) = (batch.shard, subject.head(batch.shard).await);
    well(subject.store.close().await);
    let refused =
        |written: &Written| matches!(written, Written::Refused(Refusal::Failed(e)) if e.kind == Kind::Unavailable);
    assert!(refused(&subject.write_batch(batch).await));
    assert!(subject.store.raise(&[(shard, head)], ME).await[0].as_ref().is_err_and(refused));
    let store = &subject.store;
    let request = LoadRequest { after: None, snapshot_below: None, max_bytes: 1 };
    let answers = [
        store.head(shard).await.err(),
        store.heads().await.err(),
        store.tail(shard, 1, 1).await.err(),
        store.load(&id("ada"), request).await.err(),
        store.keys("shop.Cart", None, 1).await.err(),
        store.types().await.err(),
        store.purge(&id("ada"), None).await.err(),
        store.sweep_dedup(Wall(1)).await.err(),
    ];
    for error in answers {
        assert!(error.as_ref().is_some_and(|error| error.kind == Kind::Unavailable), "{error:?}");
    }
    well(store.close().await);
}
