// SPDX-License-Identifier: Apache-2.0
//! Events on their way to who subscribes to them, over restarts of the engine and of its store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use adjoin_engine::{Engine, Hello, ManualClock, Settings};
use adjoin_entity::ConsumerStatus;
use adjoin_entity::spec::Spec;
use adjoin_model::{ConsumerId, Error, Kind, Position, ShardId};
use adjoin_rocksdb::RocksStore;
use adjoin_storage::Store;
use tempfile::TempDir;

use crate::function::{self, Probe};
use crate::world::{cart, eventually, memory, request, settings, within};

const KEYS: [&str; 6] = ["ada", "bob", "eve", "kim", "lea", "max"];

fn mail() -> ConsumerId {
    ConsumerId::new("shop.Cart", "mail").expect("a consumer")
}

/// An engine, its store and its function, which go together.
struct World {
    engine: Engine,
    store: Arc<dyn Store>,
    clock: ManualClock,
    probe: Arc<Probe>,
}

impl World {
    async fn on(store: Arc<dyn Store>, settings: Settings, probe: Arc<Probe>) -> Self {
        let clock = ManualClock::default();
        let engine = Engine::start(store.clone(), settings, Arc::new(clock.clone())).await.expect("an engine");
        function::connect_with(&engine, &probe, function::subscribed());
        Self { engine, store, clock, probe }
    }

    async fn rocks(folder: &Path) -> Self {
        let wanted = adjoin_rocksdb::Settings { shards: Some(16), ..adjoin_rocksdb::Settings::new(9) };
        let store = RocksStore::open(folder, wanted).expect("it opens");
        Self::on(Arc::new(store), Settings { effect_attempts: 2, ..settings() }, Arc::default()).await
    }

    async fn add(&self, key: &str) {
        within(self.engine.call(cart(key, "add"))).await.expect("added");
    }

    /// The positions of the events of this cart that were mailed, in order.
    fn mailed(&self, key: &str) -> Vec<Position> {
        let events = self.probe.events.lock().expect("a lock");
        let ids = events.iter().filter(|(subject, _)| subject == key).map(|(_, id)| id);
        let position = |id: &String| id.split_once('-').and_then(|(_, position)| position.parse().ok());
        ids.map(|id| position(id).expect("a position")).collect()
    }

    fn mails(&self) -> usize {
        self.probe.events.lock().expect("a lock").len()
    }

    async fn consumers(&self) -> Vec<ConsumerStatus> {
        let all = within(self.engine.consumers(1000)).await;
        all.into_iter().filter(|status| status.consumer == mail()).collect()
    }

    /// Waits until the store has every consumer at its shard's last event.
    async fn noted(&self) {
        let noted = async {
            loop {
                let mut left = 0;
                for (shard, head) in self.store.heads().await.expect("heads") {
                    let passed = self.store.unfinished(shard).await.expect("read").consumers;
                    let event = self.last_event(shard).await;
                    let behind = |name: &str| {
                        let found = passed.iter().find(|(consumer, _)| consumer.group() == name);
                        found.map_or(0, |(_, progress)| progress.passed) < event
                    };
                    left += usize::from(head.position > 0 && (behind("mail") || behind("names")));
                }
                if left == 0 {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        within(noted).await;
    }

    async fn last_event(&self, shard: ShardId) -> Position {
        let tail = self.store.tail(shard, 1, usize::MAX).await.expect("a tail").records;
        let cart = |record: &adjoin_model::Record| {
            matches!(record.body, adjoin_model::Body::Event(_)) && record.entity.entity_type() == "shop.Cart"
        };
        tail.iter().rev().find(|stored| stored.record.as_ref().is_some_and(cart)).map_or(0, |stored| stored.position)
    }

    async fn letter(&self) -> (ShardId, Position) {
        let found = async {
            loop {
                // What rests is tried again.
                self.clock.advance_ms(60_000);
                let all = self.consumers().await;
                let letter = all.iter().find_map(|status| Some((status.shard, status.dead.first()?.0)));
                if let Some(letter) = letter {
                    return letter;
                }
                tokio::task::yield_now().await;
            }
        };
        within(found).await
    }

    /// Ends engine and store, as a process that ends does.
    async fn stop(self) {
        within(self.engine.stop()).await;
        drop(self.engine);
        self.store.close().await.expect("closed");
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn events_of_every_loop_reach_their_taker_in_order() {
    let world = World::on(memory(), settings(), Arc::default()).await;
    for _ in 0..5 {
        for key in KEYS {
            world.add(key).await;
        }
    }
    eventually("30 mails", || world.mails() == 30).await;
    for key in KEYS {
        let mailed = world.mailed(key);
        assert!(mailed.len() == 5 && mailed.is_sorted(), "{key}: {mailed:?}");
    }
    let name = within(world.engine.call(request("shop.Profile", "ada", "name", ""))).await.expect("a name");
    assert!(name.payload.is_some(), "an entity was given them too");
}

#[tokio::test]
async fn a_restarted_engine_gives_only_what_came_after_the_position() {
    let folder = folder();
    let first = World::rocks(folder.path()).await;
    for key in KEYS {
        first.add(key).await;
        first.add(key).await;
    }
    first.noted().await;
    assert_eq!(first.mails(), 12);
    first.stop().await;

    let second = World::rocks(folder.path()).await;
    second.add("ada").await;
    eventually("a mail", || second.mails() > 0).await;
    second.noted().await;
    assert_eq!((second.mails(), second.mailed("ada").len()), (1, 1), "{:?}", second.probe.events);
    second.stop().await;
}

#[tokio::test]
async fn what_had_not_ended_is_given_again_after_a_restart() {
    let folder = folder();
    let first = World::rocks(folder.path()).await;
    first.add("ada").await;
    first.noted().await;
    // The function takes what follows and never answers.
    let ask = request("shop.Cart", "ada", "ask", "later:bob");
    within(first.engine.call(ask)).await.expect("asked");
    let taken = first.probe.commands.load(Ordering::SeqCst);
    eventually("the event", || first.probe.commands.load(Ordering::SeqCst) > taken || first.mails() == 2).await;
    let before = first.mailed("ada");
    first.stop().await;

    let second = World::rocks(folder.path()).await;
    eventually("the event", || !second.mailed("ada").is_empty()).await;
    let again = second.mailed("ada");
    assert!(again[0] > before[0], "the first was noted: {before:?}, {again:?}");
    second.noted().await;
    second.stop().await;
}

#[tokio::test]
async fn a_dead_letter_outlives_the_engine_and_can_be_retried() {
    let folder = folder();
    let first = World::rocks(folder.path()).await;
    first.probe.refuses.store(true, Ordering::SeqCst);
    first.add("ada").await;
    let (shard, event) = first.letter().await;
    first.stop().await;

    let second = World::rocks(folder.path()).await;
    let listed = second.consumers().await;
    let status = listed.iter().find(|status| status.shard == shard).expect("its shard");
    let letter = &status.dead[0].1;
    assert_eq!((letter.entity.key(), letter.attempts), ("ada", 2));
    assert!(letter.error.contains("no mail today"), "{letter:?}");
    second.add("ada").await;
    eventually("the next one", || second.mails() == 1).await;
    within(second.engine.retry_letter(shard, &mail(), event)).await.expect("retried");
    eventually("the letter", || second.mails() == 2).await;
    let gone = async {
        while second.consumers().await.iter().any(|status| !status.dead.is_empty()) {
            tokio::task::yield_now().await;
        }
    };
    within(gone).await;
    second.stop().await;

    let third = World::rocks(folder.path()).await;
    assert!(third.consumers().await.iter().all(|status| status.dead.is_empty()));
    third.stop().await;
}

#[tokio::test]
async fn a_dropped_dead_letter_is_gone_for_good() {
    let folder = folder();
    let first = World::rocks(folder.path()).await;
    first.probe.refuses.store(true, Ordering::SeqCst);
    first.add("ada").await;
    let (shard, event) = first.letter().await;
    within(first.engine.drop_letter(shard, &mail(), event)).await.expect("dropped");
    let again = within(first.engine.drop_letter(shard, &mail(), event)).await;
    assert_eq!(again.expect_err("gone").kind, Kind::NotFound);
    first.stop().await;

    let second = World::rocks(folder.path()).await;
    second.add("ada").await;
    eventually("the next one", || second.mails() == 1).await;
    assert!(second.consumers().await.iter().all(|status| status.dead.is_empty()));
    second.stop().await;
}

#[tokio::test]
async fn an_event_whose_function_died_is_given_to_the_next_one() {
    let clock = ManualClock::default();
    let engine = Engine::start(memory(), settings(), Arc::new(clock.clone())).await.expect("an engine");
    let probe: Arc<Probe> = Arc::default();
    let dying = function::connect_with(&engine, &probe, function::subscribed());
    within(engine.call(request("shop.Cart", "ada", "ask", "later:bob"))).await.expect("asked");
    let held = || probe.commands.load(Ordering::SeqCst) >= 3;
    eventually("the event", held).await;
    dying.abort();
    drop(dying.await);
    probe.holds.store(false, Ordering::SeqCst);
    function::connect_with(&engine, &probe, function::subscribed());
    let mailed = async {
        while probe.events.lock().expect("a lock").is_empty() {
            clock.advance_ms(1000);
            tokio::task::yield_now().await;
        }
    };
    within(mailed).await;
}

/// The spec of these tests, with other groups.
fn renamed() -> Arc<Spec> {
    let mut spec = (*function::subscribed()).clone();
    for subscription in spec.types.iter_mut().flat_map(|entity_type| &mut entity_type.subscriptions) {
        subscription.group = format!("{}-2", subscription.group).into();
    }
    Arc::new(spec)
}

fn up(engine: &Engine, spec: Arc<Spec>) -> Result<(), Error> {
    engine.takes(&spec)?;
    let (sink, _frames) = tokio::sync::mpsc::unbounded_channel();
    engine.session_up(spec, Hello::default(), sink).map(drop)
}

#[tokio::test]
async fn a_function_that_subscribes_as_ever_further_groups_is_refused() {
    let mut settings = settings();
    settings.limits.consumers = 3;
    let store = memory();
    let world = World::on(store.clone(), settings.clone(), Arc::default()).await;
    let refused = up(&world.engine, renamed()).expect_err("two of them are three too many");
    assert_eq!(refused.kind, Kind::Invalid);
    assert!(refused.message.contains("knows 2 and has room for 3"), "{refused}");
    up(&world.engine, function::subscribed()).expect("those that it knows");
    world.add("ada").await;
    world.noted().await;
    within(world.engine.stop()).await;

    let engine = Engine::start(store, settings, Arc::new(ManualClock::default())).await.expect("an engine");
    assert!(up(&engine, renamed()).is_err(), "the store remembers them");
}
