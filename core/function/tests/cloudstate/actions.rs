// SPDX-License-Identifier: Apache-2.0
//! Actions.

use adjoin_engine::Request;
use adjoin_function::cloudstate::protocol as p;
use adjoin_model::{Code, EntityId, Payload, Result};
use p::action::ActionCommand;
use prost_types::Any;

use crate::function::Seen;
use crate::messages::{Effect, Step, any, groups, text};
use crate::world::{World, call, response, within};

const MODEL: &str = "cloudstate.tck.model.action.ActionTckModel";
const TWO: &str = "cloudstate.tck.model.action.ActionTwo";

/// The metadata that calls of these tests bring.
fn brought() -> Option<p::Metadata> {
    let value = Some(p::metadata_entry::Value::StringValue("7".into()));
    Some(p::Metadata { entries: vec![p::MetadataEntry { key: "x-trace".into(), value }] })
}

fn whole(name: &str, payload: Any, metadata: Option<p::Metadata>) -> ActionCommand {
    ActionCommand {
        service_name: if name == "Call" { TWO } else { MODEL }.into(),
        name: name.into(),
        payload: Some(payload),
        metadata,
    }
}

fn two(id: &str) -> ActionCommand {
    whole("Call", any("action.OtherRequest", &text(id)), Some(p::Metadata::default()))
}

fn say(message: &str) -> Step {
    Step::Reply(text(message))
}

async fn unary(world: &World, steps: Vec<Step>) -> Result<Option<String>> {
    let request = call(MODEL, "any", "ProcessUnary", groups(vec![steps]));
    let reply = within("a reply", world.engine.call(request)).await?;
    Ok(reply.payload.map(|payload| response(&payload)))
}

#[tokio::test]
async fn a_unary_call_carries_its_metadata() {
    let mut world = World::new().await;
    assert_eq!(unary(&world, vec![say("hi")]).await.expect("a reply"), Some("hi".into()));
    let sent = whole("ProcessUnary", groups(vec![vec![say("hi")]]), brought());
    assert_eq!(world.function.next().await, Seen::Action("unary", sent));
    world.function.nothing_more();
    world.end().await;
}

#[tokio::test]
async fn an_empty_response_is_no_reply() {
    let world = World::new().await;
    assert_eq!(unary(&world, vec![]).await.expect("well"), None);
    world.end().await;
}

#[tokio::test]
async fn forwards_failures_and_side_effects_are_as_those_of_entities() {
    let mut world = World::new().await;
    let effect = || Step::Effect(Effect { id: "e".into(), synchronous: true });
    assert_eq!(unary(&world, vec![Step::Forward(text("f"))]).await.expect("a reply"), Some(String::new()));
    assert!(matches!(world.function.next().await, Seen::Action("unary", _)));
    assert_eq!(world.function.next().await, Seen::Action("unary", two("f")));

    assert_eq!(unary(&world, vec![effect(), say("x")]).await.expect("a reply"), Some("x".into()));
    assert!(matches!(world.function.next().await, Seen::Action("unary", _)));
    assert_eq!(world.function.next().await, Seen::Action("unary", two("e")));

    let error = unary(&world, vec![effect(), Step::Fail(text("boom"))]).await.expect_err("failed");
    assert_eq!((error.client_code(), error.message.as_str()), (Code::Unknown, "boom"));
    assert!(matches!(world.function.next().await, Seen::Action("unary", _)));
    assert_eq!(world.function.next().await, Seen::Action("unary", two("e")), "effects beside a failure are made");
    world.function.nothing_more();
    world.end().await;
}

#[tokio::test]
async fn a_status_of_the_function_is_told_as_unknown() {
    let world = World::new().await;
    let error = unary(&world, vec![Step::Fail(text("status"))]).await.expect_err("failed");
    assert_eq!((error.client_code(), error.message.as_str()), (Code::Unknown, "not you"));
    world.end().await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_call() {
    let mut world = World::new().await;
    let entity = EntityId::new(MODEL, "any").expect("an id");
    let body = groups(vec![vec![Step::Fail(text("hang"))]]);
    let request = Request::new(entity, "ProcessUnary", Payload::new(body.type_url, body.value));
    let pending = world.engine.call(request);
    assert!(matches!(world.function.next().await, Seen::Action("unary", _)));
    drop(pending);
    assert_eq!(world.function.next().await, Seen::ActionCancelled);
    world.end().await;
}
