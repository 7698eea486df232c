// SPDX-License-Identifier: Apache-2.0
//! Commands and queries, forwards and side effects.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use adjoin_engine::{Engine, ManualClock};
use adjoin_entity::Operation;
use adjoin_model::{Kind, ShardId};

use crate::function::{self, text};
use crate::world::{World, cart, memory, request, settings, within};

#[tokio::test]
async fn a_command_is_answered_once_its_event_is_in_the_journal() {
    let world = World::new().await;
    assert_eq!(world.ok("ada", "add").await, "1");
    let reply = world.call("ada", "add").await.expect("a reply");
    assert_eq!((text(&reply.payload.expect("a body")).as_str(), reply.sequence), ("2", 2));
    assert_eq!(world.ok("ada", "count").await, "2");
    let positions = world.engine.heads().await.expect("heads").iter().map(|(_, head)| head.position).sum::<u64>();
    assert_eq!(positions, 2);
}

#[tokio::test]
async fn many_callers_share_a_write() {
    let world = World::new().await;
    let calls: Vec<_> = (0..300).map(|n| world.engine.call(cart(&format!("k{}", n % 50), "add"))).collect();
    for call in calls {
        within(call).await.expect("a reply");
    }
    let (writes, batches) = (world.store.written.load(Ordering::SeqCst), world.store.batches.load(Ordering::SeqCst));
    assert!(writes < 150, "{writes} writes for 300 commands");
    assert!(batches >= writes, "{batches} batches in {writes} writes");
    assert_eq!(world.ok("k0", "count").await, "6");
}

#[tokio::test]
async fn a_later_engine_goes_on_where_an_earlier_one_ended() {
    let store = memory();
    for expected in ["1", "2", "3"] {
        let clock = Arc::new(ManualClock::default());
        let engine = Engine::start(store.clone(), settings(), clock).await.expect("an engine");
        function::connect(&engine, &Arc::default());
        let reply = within(engine.call(cart("ada", "add"))).await.expect("a reply");
        assert_eq!(text(&reply.payload.expect("a body")), expected);
        within(engine.stop()).await;
    }
    let head = store.head(ShardId(0)).await.expect("a head");
    assert_eq!(head.epoch.0, 3, "every engine claimed every shard once");
}

#[tokio::test]
async fn a_value_is_kept() {
    let world = World::new().await;
    let rename = request("shop.Profile", "ada", "rename", "Ada");
    assert_eq!(within(world.engine.call(rename)).await.expect("a reply").payload, None);
    let name = within(world.engine.call(request("shop.Profile", "ada", "name", ""))).await.expect("a reply");
    assert_eq!(text(&name.payload.expect("a name")), "Ada");
}

#[tokio::test]
async fn a_refusal_keeps_its_kind() {
    let world = World::new().await;
    assert_eq!(world.call("ada", "refuse").await.expect_err("refused").kind, Kind::Rejected);
    assert_eq!(world.call("ada", "fly").await.expect_err("unknown").kind, Kind::NotFound);
    let other = request("shop.Unknown", "ada", "add", "1");
    assert_eq!(within(world.engine.call(other)).await.expect_err("unknown").kind, Kind::NotFound);
}

#[tokio::test]
async fn a_forward_is_answered_by_the_entity_it_went_to() {
    let world = World::new().await;
    for key in ["a", "b", "c", "d", "e", "f"] {
        let reply = within(world.engine.call(request("shop.Cart", key, "move", &format!("to-{key}")))).await;
        assert_eq!(text(&reply.expect("a reply").payload.expect("a body")), "1");
        assert_eq!(world.ok(&format!("to-{key}"), "count").await, "1");
    }
}

#[tokio::test]
async fn a_synchronous_side_effect_holds_the_reply() {
    let world = World::new().await;
    for (key, sent) in ["a", "b", "c", "d"].into_iter().zip(1..) {
        assert_eq!(world.ok(key, "mail").await, "mailed");
        assert_eq!(world.probe.mails.load(Ordering::SeqCst), sent);
    }
}

#[tokio::test]
async fn a_duplicate_is_answered_from_the_record() {
    let world = World::new().await;
    let keyed = || adjoin_engine::Request { idempotency_key: Some("once".into()), ..cart("ada", "add") };
    let first = within(world.engine.call(keyed())).await.expect("a reply");
    let second = within(world.engine.call(keyed())).await.expect("a reply");
    assert_eq!((first.replayed, second.replayed), (false, true));
    assert_eq!(first.payload, second.payload);
    assert_eq!(world.ok("ada", "count").await, "1");
}

#[tokio::test]
async fn the_host_deletes_an_entity() {
    let world = World::new().await;
    world.ok("ada", "add").await;
    let delete = adjoin_engine::Request { operation: Operation::Delete, ..cart("ada", "") };
    assert_eq!(within(world.engine.call(delete)).await.expect("a reply").sequence, 2);
    let page = world.engine.store().keys("shop.Cart", None, 10).await.expect("keys");
    assert!(page.rows[0].deleted);
}
