// SPDX-License-Identifier: Apache-2.0
//! Durable effects between loops of an engine, and over its restart.

use std::sync::Arc;

use adjoin_engine::{Engine, Settings};
use adjoin_entity::{EffectState, Errand};
use adjoin_model::Kind;
use adjoin_storage::{Effects, Journal};

use crate::faulty::Fault;
use crate::function;
use crate::world::{World, cart, eventually, request, settings, within};

const KEYS: [&str; 6] = ["bob", "eve", "kim", "lea", "max", "zoe"];

async fn count(engine: &Engine, key: &str) -> u64 {
    let reply = within(engine.call(cart(key, "count"))).await.expect("a reply");
    function::text(&reply.payload.expect("a body")).parse().expect("a number")
}

/// Waits until nothing is left in any outbox or inbox, as the loops see it.
async fn ended(engine: &Engine) {
    while !within(engine.effects(1)).await.is_empty() {
        tokio::task::yield_now().await;
    }
}

async fn ask(engine: &Engine, from: &str, to: &str) {
    within(engine.call(request("shop.Cart", from, "ask", to))).await.expect("asked");
}

#[tokio::test]
async fn a_durable_effect_reaches_its_entity_in_any_loop_once() {
    let world = World::new().await;
    for key in KEYS {
        ask(&world.engine, "ada", key).await;
    }
    ended(&world.engine).await;
    for key in KEYS {
        assert_eq!(count(&world.engine, key).await, 1, "{key}");
    }
    let status = within(world.engine.status()).await;
    assert_eq!(status.loops.iter().map(|one| one.machine.effects.ran).sum::<u64>(), 6);
}

#[tokio::test]
async fn an_effect_outlives_the_engine_that_was_asked_for_it() {
    let world = World::new().await;
    // From the moment it has answered, the function answers nothing any more.
    ask(&world.engine, "ada", "later:max").await;
    within(world.engine.stop()).await;

    let clock = Arc::new(world.clock.clone());
    let newer = Engine::start(world.store.clone(), settings(), clock).await.expect("an engine");
    let listed = within(newer.effects(10)).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    function::connect(&newer, &Arc::default());
    ended(&newer).await;
    assert_eq!(count(&newer, "max").await, 1);
}

#[tokio::test]
async fn an_effect_that_no_function_can_run_is_listed_and_can_be_dropped() {
    let world = World::with(Settings { effect_attempts: 1, ..settings() }).await;
    within(world.engine.call(request("shop.Cart", "ada", "write", "nonsense"))).await.expect("written");
    let stuck = loop {
        let listed = within(world.engine.effects(10)).await;
        match listed.first() {
            Some(effect) if effect.state == EffectState::Inbox(Errand::Stuck) => break effect.clone(),
            _ => tokio::task::yield_now().await,
        }
    };
    assert_eq!((&*stuck.command, stuck.attempts), ("nonsense", 1));
    assert_eq!(stuck.error.map(|error| error.kind), Some(Kind::NotFound));
    within(world.engine.retry_effect(stuck.shard, stuck.position)).await.expect("tried again");
    let dropped = loop {
        match within(world.engine.drop_effect(stuck.shard, stuck.position)).await {
            Err(error) if error.kind == Kind::Conflict => tokio::task::yield_now().await,
            other => break other,
        }
    };
    dropped.expect("dropped");
    assert!(within(world.engine.effects(10)).await.is_empty());
    let again = within(world.engine.drop_effect(stuck.shard, stuck.position)).await;
    assert_eq!(again.expect_err("gone").kind, Kind::NotFound);
    let left = world.store.unfinished(stuck.shard).await.expect("read");
    assert!(left.inbox.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_lost_delivery_is_made_again_after_a_while() {
    let world = World::new().await;
    world.store.fail_write(Fault::Passes);
    world.store.fail_write(Fault::Refused);
    ask(&world.engine, "ada", "bob").await;
    while !within(world.engine.effects(1)).await.is_empty() {
        world.clock.advance_ms(world.engine.settings().effect_retry_ms);
        tokio::task::yield_now().await;
    }
    assert_eq!(count(&world.engine, "bob").await, 1);
}

#[tokio::test]
async fn delivered_outbox_records_leave_the_store() {
    let world = World::new().await;
    ask(&world.engine, "ada", "bob").await;
    ended(&world.engine).await;
    let left = || {
        let shards = (0..world.store.meta().shards).map(adjoin_model::ShardId);
        let some = |shard| {
            let left = futures_now(world.store.unfinished(shard));
            left.outbox.len() + left.inbox.len()
        };
        shards.map(some).sum::<usize>()
    };
    eventually("an empty outbox", || left() == 0).await;
}

/// The memory store answers at once.
fn futures_now<T>(future: impl Future<Output = adjoin_model::Result<T>>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(answer) => answer.expect("an answer"),
        std::task::Poll::Pending => panic!("the memory store waits for nothing"),
    }
}
