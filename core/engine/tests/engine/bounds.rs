// SPDX-License-Identifier: Apache-2.0
//! Overload, drain and stop.

use std::sync::atomic::Ordering;

use adjoin_engine::{Hello, Settings};
use adjoin_model::{Kind, Limits, Outcome};

use crate::function::{connect_as, spec};
use crate::world::{World, cart, eventually, request, settings, within};

#[tokio::test]
async fn past_the_bound_of_calls_the_next_is_exhausted() {
    let world = World::with(Settings { calls: 3, ..settings() }).await;
    let held: Vec<_> = (0..3).map(|n| world.engine.call(cart(&format!("k{n}"), "hang"))).collect();
    let error = world.call("ada", "add").await.expect_err("full");
    assert_eq!((error.kind, error.outcome), (Kind::Exhausted, Outcome::None));
    assert!(error.retry_after_ms.is_some());
    drop(held);
    within(world.engine.status()).await;
    assert_eq!(world.ok("ada", "add").await, "1");
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_the_others_go_on() {
    let limits = Limits { mailbox: 2, ..Limits::default() };
    let world = World::with(Settings { window: 1, limits, ..settings() }).await;
    let held = world.engine.call(cart("ada", "hang"));
    world.commands(1).await;
    let waiting = [world.engine.call(cart("ada", "add")), world.engine.call(cart("ada", "add"))];
    assert_eq!(world.call("ada", "add").await.expect_err("full").kind, Kind::Exhausted);
    assert_eq!(world.ok("bob", "add").await, "1");
    drop((held, waiting));
}

#[tokio::test]
async fn drain_ends_what_is_under_way_and_refuses_the_rest() {
    let world = World::new().await;
    let mut watch = world.engine.watch(cart("ada", "count"), Some(0));
    let calls: Vec<_> = (0..20).map(|n| world.engine.call(cart(&format!("k{n}"), "mail"))).collect();
    assert!(world.drain(10_000).await);
    for call in calls {
        within(call).await.expect("a reply");
    }
    assert_eq!(world.probe.mails.load(Ordering::SeqCst), 20);
    let error = within(watch.next()).await.expect("an end").expect_err("it ends");
    assert_eq!(error.kind, Kind::Unavailable);
    let error = world.call("ada", "add").await.expect_err("refused");
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable, Outcome::None));
    assert!(within(world.engine.status()).await.drained());
    assert!(world.drain(10_000).await, "a second drain finds nothing under way");
    world.stop().await;
}

#[tokio::test]
async fn drain_gives_up_at_its_deadline() {
    let world = World::new().await;
    let call = world.engine.call(cart("ada", "hang"));
    world.commands(1).await;
    let engine = world.engine.clone();
    let deadline = adjoin_engine::Clock::now(&world.clock).mono.plus_ms(100);
    let drain = tokio::spawn(async move { engine.drain(deadline).await });
    world.clock.advance_ms(101);
    assert!(!within(drain).await.expect("it ends"));
    within(world.engine.stop()).await;
    let error = within(call).await.expect_err("unknown");
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable, Outcome::Unknown));
}

#[tokio::test]
async fn a_stopped_engine_answers_at_once() {
    let world = World::new().await;
    let engine = world.engine.clone();
    world.stop().await;
    let error = within(engine.call(cart("ada", "add"))).await.expect_err("stopped");
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable, Outcome::None));
    within(engine.stop()).await;
}

/// Six calls of an action while its function holds back its answers, but may run so many: how many it was given.
async fn given(running: u32) -> usize {
    let mut world = World::new().await;
    world.kill().await;
    within(world.engine.status()).await;
    world.probe.holds.store(true, Ordering::SeqCst);
    let hello = Hello { running, ..Hello::default() };
    world.function = connect_as(&world.engine, &world.probe, spec(), hello);
    let calls: Vec<_> =
        (0..6).map(|n| world.engine.call(request("shop.Mailer", &format!("k{n}"), "send", ""))).collect();
    // Every loop has taken its calls by now.
    let status = within(world.engine.status()).await;
    assert_eq!(status.calls, 6);
    world.commands(running.min(6) as usize).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let given = world.probe.commands.load(Ordering::SeqCst);
    drop(calls);
    world.stop().await;
    given
}

#[tokio::test]
async fn a_function_runs_no_more_actions_than_it_said() {
    for (running, wanted) in [(1, 1), (2, 2), (4, 4), (u32::MAX, 6)] {
        assert_eq!(given(running).await, wanted, "of {running}");
    }
}

#[tokio::test]
async fn calls_of_an_action_take_turns_where_its_function_runs_one() {
    let mut world = World::new().await;
    world.kill().await;
    within(world.engine.status()).await;
    let hello = Hello { running: 1, ..Hello::default() };
    world.function = connect_as(&world.engine, &world.probe, spec(), hello);
    let calls: Vec<_> = (0..6).map(|_| world.engine.call(request("shop.Mailer", "all", "send", ""))).collect();
    for call in calls {
        within(call).await.expect("a reply");
    }
    eventually("mails", || world.probe.mails.load(Ordering::SeqCst) == 6).await;
    assert_eq!(world.ok("ada", "add").await, "1", "entities of every loop are served");
    assert_eq!(world.ok("bob", "add").await, "1");
    assert_eq!(world.ok("eve", "add").await, "1");
    world.stop().await;
}
