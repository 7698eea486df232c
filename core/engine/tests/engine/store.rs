// SPDX-License-Identifier: Apache-2.0
//! A store that fails, panics, or does not say.

use adjoin_model::{Kind, Outcome};

use crate::faulty::Fault;
use crate::world::{World, within};

#[tokio::test]
async fn an_unknown_write_that_landed_is_answered_as_done() {
    let world = World::new().await;
    world.store.fail_write(Fault::AppliedUnknown);
    assert_eq!(world.ok("ada", "add").await, "1");
    assert_eq!(world.ok("ada", "add").await, "2");
}

#[tokio::test]
async fn an_unknown_write_that_did_not_land_fails_without_effect() {
    let world = World::new().await;
    world.store.fail_write(Fault::LostUnknown);
    let error = world.call("ada", "add").await.expect_err("lost");
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable, Outcome::None));
    assert_eq!(world.ok("ada", "add").await, "1");
}

#[tokio::test]
async fn a_raise_that_fails_is_tried_again() {
    let world = World::new().await;
    world.store.fail_write(Fault::AppliedUnknown);
    for fault in [Fault::LostUnknown, Fault::Refused, Fault::Panic, Fault::AppliedUnknown] {
        world.store.fail_raise(fault);
    }
    let call = world.engine.call(crate::world::cart("ada", "add"));
    let mut call = std::pin::pin!(within(call));
    let reply = loop {
        world.clock.advance_ms(world.engine.settings().raise_again_ms);
        tokio::select! {
            biased;
            reply = &mut call => break reply,
            () = tokio::task::yield_now() => {}
        }
    };
    assert_eq!(reply.expect("a reply").sequence, 1);
}

#[tokio::test]
async fn a_refused_write_fails_its_command_and_the_next_one_goes_on() {
    let world = World::new().await;
    world.ok("ada", "add").await;
    world.store.fail_write(Fault::Refused);
    let error = world.call("ada", "add").await.expect_err("refused");
    assert_eq!((error.kind, error.outcome), (Kind::Unavailable, Outcome::None));
    assert_eq!(world.ok("ada", "add").await, "2");
}

#[tokio::test]
async fn a_store_that_panics_loses_no_call() {
    let world = World::new().await;
    world.store.fail_write(Fault::Panic);
    let error = world.call("ada", "add").await.expect_err("not written");
    assert_eq!(error.outcome, Outcome::None);
    world.store.fail_load(Fault::Panic);
    let error = world.call("bob", "add").await.expect_err("not loaded");
    assert_eq!((error.kind, error.outcome), (Kind::Internal, Outcome::None));
    world.store.fail_load(Fault::LostUnknown);
    assert_eq!(world.call("bob", "add").await.expect_err("not loaded").kind, Kind::Unavailable);
    assert_eq!(world.ok("ada", "add").await, "1");
    assert_eq!(world.ok("bob", "add").await, "1");
}

#[tokio::test]
async fn an_older_engine_is_fenced_by_a_newer_one() {
    let world = World::new().await;
    world.ok("ada", "add").await;
    let clock = std::sync::Arc::new(world.clock.clone());
    let newer = adjoin_engine::Engine::start(world.store.clone(), crate::world::settings(), clock).await.expect("one");
    crate::function::connect(&newer, &std::sync::Arc::default());
    assert_eq!(world.call("ada", "add").await.expect_err("fenced").kind, Kind::Fenced);
    let reply = within(newer.call(crate::world::cart("ada", "add"))).await.expect("a reply");
    assert_eq!(reply.sequence, 2);
}
