// SPDX-License-Identifier: Apache-2.0
//! Function processes that come and go.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use adjoin_engine::{Hello, Request};
use adjoin_entity::frame::HostFrame;
use adjoin_entity::spec::Spec;
use adjoin_model::{Kind, Outcome};
use tokio::sync::mpsc;

use crate::world::{World, cart, eventually, request, within};

#[tokio::test]
async fn an_unanswered_command_is_redelivered_to_the_next_process() {
    let mut world = World::new().await;
    world.ok("ada", "add").await;
    world.probe.holds.store(true, Ordering::SeqCst);
    let call = world.engine.call(cart("ada", "add"));
    world.commands(2).await;
    world.kill().await;
    world.probe.holds.store(false, Ordering::SeqCst);
    world.reconnect();
    let reply = within(call).await.expect("a reply");
    assert_eq!(reply.sequence, 2);
    assert_eq!(world.ok("ada", "count").await, "2");
}

#[tokio::test]
async fn a_command_that_kills_its_process_again_and_again_fails_and_is_listed() {
    let mut world = World::new().await;
    let call = world.engine.call(cart("ada", "hang"));
    for deaths in 1..=3 {
        world.commands(deaths).await;
        world.kill().await;
        world.reconnect();
    }
    let error = within(call).await.expect_err("it fails");
    assert_eq!(error.kind, Kind::Internal);
    let status = within(world.engine.status()).await;
    assert!(status.loops.iter().any(|one| one.machine.deadly.iter().any(|(_, name)| &**name == "hang")));
    assert_eq!(world.ok("ada", "add").await, "1");
}

#[tokio::test]
async fn types_stay_known_when_their_function_goes() {
    let mut world = World::new().await;
    assert!(world.engine.types().get("shop.Cart").expect("known").connected());
    let mut news = world.engine.watch_types();
    world.kill().await;
    within(news.wait_for(|types| types.get("shop.Cart").is_some_and(|known| !known.connected()))).await.expect("news");
    assert_eq!(world.engine.types().iter().count(), 3);
    assert!(within(world.engine.status()).await.sessions.is_empty());
}

#[tokio::test]
async fn a_call_waits_for_a_function_but_not_for_ever() {
    let mut world = World::new().await;
    world.kill().await;
    let waits = world.engine.call(cart("ada", "add"));
    world.reconnect();
    within(waits).await.expect("a reply");
    world.kill().await;
    let waits = world.engine.call(cart("bob", "add"));
    within(world.engine.status()).await;
    world.clock.advance_ms(world.engine.settings().function_wait_ms + 1);
    let error = within(waits).await.expect_err("nobody came");
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable, Outcome::None));
}

#[tokio::test]
async fn two_processes_share_the_entities() {
    let world = World::new().await;
    let other = Arc::default();
    let _second = crate::function::connect(&world.engine, &other);
    for key in 0..40 {
        world.ok(&format!("k{key}"), "add").await;
    }
    let split = (world.probe.commands.load(Ordering::SeqCst), other.commands.load(Ordering::SeqCst));
    assert!(split.0 > 0 && split.1 > 0 && split.0 + split.1 == 40, "{split:?}");
}

#[tokio::test]
async fn a_function_whose_frames_nobody_takes_any_more_counts_as_dead() {
    let mut world = World::new().await;
    world.kill().await;
    let (sink, frames) = mpsc::unbounded_channel();
    let _deaf = world.engine.session_up(crate::function::spec(), Hello::default(), sink).expect("a session");
    drop(frames);
    let call = world.engine.call(cart("ada", "add"));
    within(world.engine.status()).await;
    world.reconnect();
    within(call).await.expect("the next function answers");
}

#[tokio::test]
async fn a_broken_spec_is_refused() {
    let world = World::new().await;
    let (sink, _frames) = mpsc::unbounded_channel();
    let refused = world.engine.session_up(Arc::new(Spec::default()), Hello::default(), sink).map(drop);
    assert_eq!(refused.expect_err("refused").kind, Kind::Invalid);
}

#[tokio::test]
async fn a_caller_that_leaves_is_told_to_the_function() {
    let world = World::new().await;
    let call = world.engine.call(cart("ada", "hang"));
    world.commands(1).await;
    drop(call);
    eventually("the cancel", || world.probe.cancelled.load(Ordering::SeqCst) == 1).await;
    assert_eq!(within(world.engine.status()).await.calls, 0);
}

#[tokio::test]
async fn a_deadline_that_passes_in_the_function_leaves_the_outcome_unknown() {
    let world = World::new().await;
    let timeout = Some(std::time::Duration::from_millis(50));
    let call = world.engine.call(Request { timeout, ..cart("ada", "hang") });
    world.commands(1).await;
    world.clock.advance_ms(51);
    let error = within(call).await.expect_err("expired");
    assert_eq!((error.kind, error.outcome), (Kind::Expired, Outcome::Unknown));
    eventually("the cancel", || world.probe.cancelled.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn calls_of_one_action_spread_over_the_loops() {
    let mut world = World::new().await;
    world.kill().await;
    let (sink, mut frames) = mpsc::unbounded_channel();
    let _session = world.engine.session_up(crate::function::spec(), Hello::default(), sink).expect("a session");
    let send = || request("shop.Mailer", "-", "send", "hi");
    let _calls: Vec<_> = (0..6).map(|_| world.engine.call(send())).collect();
    let mut loops = std::collections::BTreeMap::<u64, usize>::new();
    while loops.values().sum::<usize>() < 6 {
        for frame in within(frames.recv()).await.expect("frames") {
            if let HostFrame::Command(command) = frame {
                // The lowest byte of what a loop names says which loop it is.
                *loops.entry(command.call & 0xff).or_default() += 1;
            }
        }
    }
    assert_eq!(loops, [(0, 2), (1, 2), (2, 2)].into());
}

#[tokio::test]
async fn calls_of_an_action_wait_for_a_function_in_every_loop() {
    let mut world = World::new().await;
    world.kill().await;
    let send = || request("shop.Mailer", "-", "send", "hi");
    let calls: Vec<_> = (0..6).map(|_| world.engine.call(send())).collect();
    within(world.engine.status()).await;
    world.reconnect();
    for call in calls {
        within(call).await.expect("sent");
    }
}
