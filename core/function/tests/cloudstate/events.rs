// SPDX-License-Identifier: Apache-2.0
//! Event-sourced entities.

use std::sync::Arc;

use adjoin_model::{Code, Error};
use adjoin_rocksdb::{RocksStore, Settings};
use tokio::sync::Semaphore;

use crate::function::{Function, Seen, spec};
use crate::messages::{Act, Effect, emit, text};
use crate::world::{World, es, memory, within};

const MODEL: &str = "EventSourcedTckModel";
const TWO: &str = "EventSourcedTwo";

fn unknown(error: &Error) -> &str {
    assert_eq!((error.client_code(), error.http_status()), (Code::Unknown, 500), "{error}");
    &error.message
}

#[tokio::test]
async fn commands_are_numbered_from_one_and_carry_no_metadata() {
    let mut world = World::new().await;
    assert_eq!(world.process("ada", vec![]).await.expect("a reply"), "");
    assert_eq!(world.process("ada", vec![emit("a"), emit("b")]).await.expect("a reply"), "ab");
    assert_eq!(world.function.next().await, es::init(1, MODEL, "ada", None));
    assert_eq!(world.function.next().await, es::command(1, 1, "ada", vec![]));
    assert_eq!(world.function.next().await, es::command(1, 2, "ada", vec![emit("a"), emit("b")]));
    world.function.nothing_more();
    world.end().await;
}

#[tokio::test]
async fn idle_entities_leave_when_a_function_has_more_streams_than_it_is_given() {
    let settings = adjoin_function::DialSettings { streams: 2, ..crate::world::dialling() };
    let mut world = World::dialling(memory(), Function::serve(spec()).await, settings).await;
    for key in ["a", "b", "c"] {
        assert_eq!(world.process(key, vec![emit(key)]).await.expect("a reply"), key);
    }
    while !matches!(world.function.next().await, Seen::HalfClosed(1 | 2)) {}
    for key in ["a", "b", "c"] {
        assert_eq!(world.process(key, vec![]).await.expect("still there"), key);
    }
    world.end().await;
}

#[tokio::test]
async fn metadata_of_an_entitys_reply_is_carried() {
    let world = World::new().await;
    let body = crate::messages::request("ada", vec![emit("told")]);
    let request = crate::world::call("event-sourced-tck-model", "ada", "Process", body);
    let reply = crate::world::within("a reply", world.engine.call(request)).await.expect("well");
    assert_eq!(reply.metadata[0], ("x-told".into(), "told".into()));
    world.end().await;
}

#[tokio::test]
async fn one_command_is_with_the_function_at_a_time_and_all_are_in_order() {
    let pace = Arc::new(Semaphore::new(0));
    let function = Function::at("127.0.0.1:0", spec(), Some(pace.clone())).await;
    let mut world = World::with(memory(), function).await;
    let calls = ["a", "b", "c"].map(|value| {
        world.engine.call(crate::world::call(
            "event-sourced-tck-model",
            "ada",
            "Process",
            crate::messages::request("ada", vec![emit(value)]),
        ))
    });
    pace.add_permits(100);
    let mut said = Vec::new();
    for call in calls {
        said.push(crate::world::response(&call.await.expect("a reply").payload.expect("a body")));
    }
    assert_eq!(said, ["a", "ab", "abc"]);
    assert_eq!(world.function.next().await, es::init(1, MODEL, "ada", None));
    for (id, value) in (1..).zip(["a", "b", "c"]) {
        assert_eq!(world.function.next().await, es::command(1, id, "ada", vec![emit(value)]));
    }
    world.end().await;
}

#[tokio::test]
async fn an_entity_has_one_stream_at_a_time() {
    let mut world = World::new().await;
    let (engine, body) = (world.engine.clone(), || crate::messages::request("late", vec![emit("x")]));
    let late = || engine.call(crate::world::call("event-sourced-configured", "late", "Call", body()));
    within("a reply", late()).await.expect("a reply");
    while world.function.next().await != Seen::HalfClosed(1) {}
    let again = tokio::spawn(late());
    // Others go on meanwhile, and it waits.
    world.process("other", vec![]).await.expect("a reply");
    assert_eq!(world.function.next().await, es::init(2, "EventSourcedTckModel", "other", None));
    assert_eq!(world.function.next().await, es::command(2, 1, "other", vec![]));
    world.function.nothing_more();
    world.function.shared.late.notify_one();
    within("a reply", again).await.expect("it ran").expect("a reply");
    assert_eq!(world.function.next().await, es::init(3, "EventSourcedConfigured", "late", None));
    world.function.shared.late.notify_one();
    world.end().await;
}

#[tokio::test]
async fn an_idle_entity_ends_by_a_clean_half_close_and_is_replayed() {
    let mut world = World::new().await;
    let call = async |world: &World| {
        let body = crate::messages::request("ada", vec![emit("x")]);
        world.call("event-sourced-configured", "ada", "Call", body).await.expect("a reply")
    };
    assert_eq!(call(&world).await, "x");
    assert_eq!(world.function.next().await, es::init(1, "EventSourcedConfigured", "ada", None));
    assert_eq!(world.function.next().await, es::named(1, 1, "ada", "Call", vec![emit("x")]));
    assert_eq!(world.function.next().await, Seen::HalfClosed(1));
    assert_eq!(call(&world).await, "xx");
    assert_eq!(world.function.next().await, es::init(2, "EventSourcedConfigured", "ada", None));
    assert_eq!(world.function.next().await, es::event(2, 1, "x"));
    assert_eq!(world.function.next().await, es::named(2, 1, "ada", "Call", vec![emit("x")]), "numbered anew");
    world.end().await;
}

#[tokio::test]
async fn a_snapshot_that_the_function_attaches_is_what_a_new_host_begins_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Arc::new(RocksStore::open(folder.path(), Settings::new(7)).expect("a store"));
    let world = World::with(open(), Function::serve(spec()).await).await;
    for values in [vec!["a", "b", "c", "d"], vec!["e", "f"], vec!["g"]] {
        world.process("ada", values.into_iter().map(emit).collect()).await.expect("a reply");
    }
    world.end().await;

    let mut world = World::with(open(), Function::serve(spec()).await).await;
    assert_eq!(world.process("ada", vec![]).await.expect("a reply"), "abcdefg");
    assert_eq!(world.function.next().await, es::init(1, MODEL, "ada", Some((6, "abcdef"))), "the batch's last");
    assert_eq!(world.function.next().await, es::event(1, 7, "g"));
    assert_eq!(world.function.next().await, es::command(1, 1, "ada", vec![]));
    world.function.nothing_more();
    world.end().await;
}

#[tokio::test]
async fn a_failure_tells_the_client_and_changes_nothing() {
    let mut world = World::new().await;
    world.process("ada", vec![emit("a")]).await.expect("a reply");
    let fail = || vec![Act::Fail(text("expected failure"))];
    let error = world.process("ada", fail()).await.expect_err("failed");
    assert_eq!(unknown(&error), "expected failure");
    assert_eq!(world.process("ada", vec![]).await.expect("a reply"), "a");
    assert_eq!(world.function.next().await, es::init(1, MODEL, "ada", None));
    assert_eq!(world.function.next().await, es::command(1, 1, "ada", vec![emit("a")]));
    assert_eq!(world.function.next().await, es::command(1, 2, "ada", fail()));
    assert_eq!(world.function.next().await, es::command(1, 3, "ada", vec![]), "the stream stays");
    world.end().await;
}

#[tokio::test]
async fn a_failure_with_restart_replays_into_a_new_stream_at_once() {
    let mut world = World::new().await;
    world.process("ada", vec![emit("a")]).await.expect("a reply");
    let bad = || vec![emit("lost"), Act::Fail(text("bad"))];
    assert_eq!(unknown(&world.process("ada", bad()).await.expect_err("failed")), "bad");
    assert_eq!(world.function.next().await, es::init(1, MODEL, "ada", None));
    assert_eq!(world.function.next().await, es::command(1, 1, "ada", vec![emit("a")]));
    assert_eq!(world.function.next().await, es::command(1, 2, "ada", bad()));
    // The old stream ends and the new one begins; which the function hears of first is the transport's.
    let mut seen = vec![world.function.next().await, world.function.next().await, world.function.next().await];
    let closed = seen.iter().position(|seen| *seen == Seen::HalfClosed(1)).expect("a clean end");
    seen.remove(closed);
    assert_eq!(seen, [es::init(2, MODEL, "ada", None), es::event(2, 1, "a")]);
    world.function.nothing_more();
    assert_eq!(world.process("ada", vec![]).await.expect("a reply"), "a");
    assert_eq!(world.function.next().await, es::command(2, 1, "ada", vec![]));
    world.end().await;
}

#[tokio::test]
async fn a_function_out_of_protocol_ends_the_activation_and_the_client_is_told_how() {
    let world = World::new().await;
    for (key, text) in [
        ("wrong-id", "Unexpected entity reply"),
        ("fails", "Unexpected entity failure"),
        ("fails-zero", "Unexpected entity failure"),
        ("nothing", "Unexpected entity message"),
        ("ends", "Unexpected entity termination"),
        ("status", "Unexpected entity termination"),
    ] {
        for _ in 0..2 {
            let error = world.process(key, vec![]).await.expect_err(key);
            assert_eq!(unknown(&error), text, "{key}");
        }
    }
    assert_eq!(world.process("ada", vec![emit("a")]).await.expect("others live on"), "a");
    world.end().await;
}

#[tokio::test]
async fn what_was_queued_behind_a_crash_is_told_so() {
    let pace = Arc::new(Semaphore::new(0));
    let function = Function::at("127.0.0.1:0", spec(), Some(pace.clone())).await;
    let world = World::with(memory(), function).await;
    let call = || {
        let body = crate::messages::request("fails", vec![]);
        world.engine.call(crate::world::call("event-sourced-tck-model", "fails", "Process", body))
    };
    let (first, second, third) = (call(), call(), call());
    // The init alone: then every command has come to the adapter's queue before the function reads the first.
    let queued = async {
        while world.engine.status().await.calls < 3 {
            tokio::task::yield_now().await;
        }
    };
    crate::world::within("three calls", queued).await;
    pace.add_permits(2);
    let said = |error: Error| unknown(&error).to_owned();
    assert_eq!(said(first.await.expect_err("failed")), "Unexpected entity failure");
    assert_eq!(said(second.await.expect_err("failed")), "Entity terminated");
    assert_eq!(said(third.await.expect_err("failed")), "Entity terminated");
    drop(world);
}

#[tokio::test]
async fn a_forward_answers_for_the_command_once_it_is_durable() {
    let mut world = World::new().await;
    let acts = || vec![emit("a"), Act::Forward(text("bob"))];
    assert_eq!(world.process("ada", acts()).await.expect("a reply"), "");
    assert_eq!(world.function.next().await, es::init(1, MODEL, "ada", None));
    assert_eq!(world.function.next().await, es::command(1, 1, "ada", acts()));
    assert_eq!(world.function.next().await, es::init(2, TWO, "bob", None));
    assert_eq!(world.function.next().await, es::named(2, 1, "bob", "Call", vec![]));
    world.function.nothing_more();
    world.end().await;
}

#[tokio::test]
async fn a_target_that_nobody_has_is_told_to_the_function() {
    let mut world = World::new().await;
    let error = world.process("ada", vec![emit("a"), Act::Forward(text("unknown"))]).await.expect_err("no target");
    assert!(unknown(&error).contains("Nothing"), "{error}");
    let told = async |world: &mut World| loop {
        if let Seen::Reported(told) = world.function.next().await {
            return told;
        }
    };
    let said = told(&mut world).await;
    assert!(said.contains("forwarded from cloudstate.tck.model.EventSourcedTckModel.Process"), "{said}");
    let effect = |synchronous| vec![emit("b"), Act::Effect(Effect { id: "unknown".into(), synchronous })];
    assert_eq!(world.process("ada", effect(false)).await.expect("of no matter"), "ab");
    let said = told(&mut world).await;
    assert!(said.contains("side-effect of cloudstate.tck.model.EventSourcedTckModel.Process"), "{said}");
    assert!(unknown(&world.process("ada", effect(true)).await.expect_err("waited for")).contains("Nothing"));
    assert_eq!(world.process("ada", vec![]).await.expect("a reply"), "abb", "what was emitted stands");
    world.end().await;
}

#[tokio::test]
async fn side_effects_reach_the_other_entity() {
    let mut world = World::new().await;
    let acts = || vec![emit("a"), Act::Effect(Effect { id: "bob".into(), synchronous: true })];
    assert_eq!(world.process("ada", acts()).await.expect("a reply"), "a");
    assert_eq!(world.function.next().await, es::init(1, MODEL, "ada", None));
    assert_eq!(world.function.next().await, es::command(1, 1, "ada", acts()));
    assert_eq!(world.function.next().await, es::init(2, TWO, "bob", None));
    assert_eq!(world.function.next().await, es::named(2, 1, "bob", "Call", vec![]));
    world.function.nothing_more();
    world.end().await;
}

#[tokio::test]
async fn a_slow_function_holds_back_a_long_replay() {
    const EVENTS: usize = 3_000;
    let store = memory();
    let pace = Arc::new(Semaphore::new(1 << 20));
    let function = Function::at("127.0.0.1:0", spec(), Some(pace.clone())).await;
    let mut world = World::with(store, function).await;
    let large = "x".repeat(1_000);
    for _ in 0..EVENTS / 500 {
        let acts = (0..500).map(|_| emit(&large)).collect();
        // A snapshot would shorten the replay: this entity makes none.
        let body = crate::messages::request("no-snapshot", acts);
        world.call("event-sourced-configured", "no-snapshot", "Call", body).await.expect("a reply");
    }
    while world.function.next().await != Seen::HalfClosed(1) {}
    let reader = pace.forget_permits(usize::MAX);
    assert!(reader > 0, "paced from here on");
    let call = world.engine.call(crate::world::call(
        "event-sourced-configured",
        "no-snapshot",
        "Call",
        crate::messages::request("no-snapshot", vec![]),
    ));
    tokio::pin!(call);
    for read in 0..EVENTS + 2 {
        pace.add_permits(1);
        let seen = tokio::select! {
            seen = world.function.next() => seen,
            reply = &mut call => panic!("answered after {read} messages: {reply:?}"),
        };
        match (read, seen) {
            (0, Seen::EventSourced(2, _)) => {}
            (_, Seen::EventSourced(2, message)) if read <= EVENTS => {
                let message = message.message.expect("a message");
                let adjoin_function::cloudstate::protocol::eventsourced::event_sourced_stream_in::Message::Event(event) =
                    message
                else {
                    panic!("{message:?}")
                };
                assert_eq!(event.sequence, i64::try_from(read).expect("small"));
            }
            (_, Seen::EventSourced(2, _)) => break,
            (_, seen) => panic!("{seen:?}"),
        }
    }
    assert_eq!(crate::world::response(&call.await.expect("a reply").payload.expect("a body")).len(), 1_000 * EVENTS);
    pace.add_permits(1 << 20);
    world.end().await;
}

#[tokio::test]
async fn a_function_that_dies_is_dialled_again_and_the_command_in_flight_is_told() {
    let pace = Arc::new(Semaphore::new(1));
    let function = Function::at("127.0.0.1:0", spec(), Some(pace.clone())).await;
    let mut world = World::with(memory(), function).await;
    let call = world.engine.call(crate::world::call(
        "event-sourced-tck-model",
        "ada",
        "Process",
        crate::messages::request("ada", vec![emit("a")]),
    ));
    assert_eq!(world.function.next().await, es::init(1, MODEL, "ada", None));
    // It has the init, and will never answer.
    let address = world.function.address.clone();
    let lost = std::mem::replace(&mut world.function, Function::serve(spec()).await);
    drop(lost);
    drop(pace);
    let outcome = crate::world::within("an end", call).await;
    let again = Function::at(&address, spec(), None).await;
    world.function = again;
    match outcome {
        Err(error) => assert_eq!(unknown(&error), "Unexpected entity termination"),
        Ok(reply) => panic!("{reply:?}"),
    }
    assert_eq!(world.process("ada", vec![emit("b")]).await.expect("served again"), "b");
    world.end().await;
}
