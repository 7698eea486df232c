// SPDX-License-Identifier: Apache-2.0
//! Entities with one value.

use adjoin_model::{Code, Error};

use crate::function::Seen;
use crate::messages::{Effect, ValueAct, text, value_request};
use crate::world::{World, ve};

const MODEL: &str = "ValueEntityTckModel";
const TWO: &str = "ValueEntityTwo";

fn update(value: &str) -> ValueAct {
    ValueAct::Update(text(value))
}

fn unknown(error: &Error) -> &str {
    assert_eq!((error.client_code(), error.http_status()), (Code::Unknown, 500), "{error}");
    &error.message
}

#[tokio::test]
async fn an_entity_begins_with_an_empty_state_and_is_updated() {
    let mut world = World::new().await;
    assert_eq!(world.value("ada", vec![]).await.expect("a reply"), "");
    assert_eq!(world.value("ada", vec![update("a"), update("b")]).await.expect("a reply"), "b");
    assert_eq!(world.value("ada", vec![ValueAct::Delete(())]).await.expect("a reply"), "");
    assert_eq!(world.value("ada", vec![]).await.expect("still active"), "");
    assert_eq!(world.function.next().await, ve::init(1, MODEL, "ada", None));
    assert_eq!(world.function.next().await, ve::command(1, 1, "ada", vec![]));
    assert_eq!(world.function.next().await, ve::command(1, 2, "ada", vec![update("a"), update("b")]));
    assert_eq!(world.function.next().await, ve::command(1, 3, "ada", vec![ValueAct::Delete(())]));
    assert_eq!(world.function.next().await, ve::command(1, 4, "ada", vec![]));
    world.function.nothing_more();
    world.end().await;
}

#[tokio::test]
async fn an_idle_entity_ends_cleanly_and_comes_back_with_its_value_or_without_one() {
    const CONFIGURED: &str = "ValueEntityConfigured";
    let mut world = World::new().await;
    let kept = "value-entity-configured";
    let call =
        async |world: &World, acts| world.call(kept, "ada", "Call", value_request("ada", acts)).await.expect("a reply");
    for (stream, before, acts) in
        [(1, None, vec![update("a")]), (2, Some("a"), vec![ValueAct::Delete(())]), (3, None, vec![])]
    {
        call(&world, acts.clone()).await;
        assert_eq!(world.function.next().await, ve::init(stream, CONFIGURED, "ada", before));
        assert_eq!(world.function.next().await, ve::named(stream, 1, "ada", "Call", acts));
        assert_eq!(world.function.next().await, Seen::HalfClosed(stream));
    }
    world.end().await;
}

#[tokio::test]
async fn a_failure_tells_the_client_and_keeps_the_stream() {
    let mut world = World::new().await;
    world.value("ada", vec![update("a")]).await.expect("a reply");
    let error = world.value("ada", vec![update("b"), ValueAct::Fail(text("no"))]).await.expect_err("failed");
    assert_eq!(unknown(&error), "no");
    assert_eq!(world.value("ada", vec![]).await.expect("a reply"), "a");
    assert_eq!(world.function.next().await, ve::init(1, MODEL, "ada", None));
    world.end().await;
}

#[tokio::test]
async fn a_value_beside_a_failure_is_stored() {
    let world = World::new().await;
    assert_eq!(unknown(&world.value("fails-and-keeps", vec![]).await.expect_err("failed")), "no");
    let reader = world.engine.store();
    let entity = adjoin_model::EntityId::new("value-entity-tck-model", "fails-and-keeps").expect("an id");
    let request = adjoin_model::LoadRequest { after: None, snapshot_below: None, max_bytes: 1 << 20 };
    let page = reader.load(&entity, request).await.expect("a page");
    assert!(page.value.is_some_and(|(sequence, _)| sequence == 1));
    world.end().await;
}

#[tokio::test]
async fn a_function_out_of_protocol_ends_the_activation_and_the_client_is_told_how() {
    let world = World::new().await;
    for (key, text) in [
        ("wrong-id", "Unexpected Value entity reply"),
        ("empty-action", "Unexpected Value entity reply"),
        ("fails", "Unexpected Value entity failure"),
        ("nothing", "Unexpected Value entity failure"),
        ("ends", "Unexpected Value entity termination"),
    ] {
        for _ in 0..2 {
            assert_eq!(unknown(&world.value(key, vec![]).await.expect_err(key)), text, "{key}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn forwards_and_side_effects_reach_the_other_entity() {
    let mut world = World::new().await;
    let acts = || vec![ValueAct::Effect(Effect { id: "eve".into(), synchronous: true })];
    assert_eq!(world.value("ada", acts()).await.expect("a reply"), "");
    assert_eq!(world.function.next().await, ve::init(1, MODEL, "ada", None));
    assert_eq!(world.function.next().await, ve::command(1, 1, "ada", acts()));
    assert_eq!(world.function.next().await, ve::init(2, TWO, "eve", None));
    assert_eq!(world.function.next().await, ve::named(2, 1, "eve", "Call", vec![]));
    let acts = || vec![ValueAct::Forward(text("eve"))];
    assert_eq!(world.value("ada", acts()).await.expect("a reply"), "");
    assert_eq!(world.function.next().await, ve::command(1, 2, "ada", acts()));
    assert_eq!(world.function.next().await, ve::named(2, 2, "eve", "Call", vec![]));
    world.function.nothing_more();
    world.end().await;
}
