// SPDX-License-Identifier: Apache-2.0
//! Actions.

use adjoin_engine::Request;
use adjoin_function::cloudstate::protocol as p;
use adjoin_model::{Code, EntityId, Metadata, Payload, Result};
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

/// What is carried of the metadata that the function tells.
fn carried() -> Metadata {
    [("x-told", "told"), ("x-told", "again"), ("raw-bin", "AAE")].map(|(key, value)| (key.into(), value.into())).into()
}

#[tokio::test]
async fn metadata_of_replies_elements_and_forwards_is_carried() {
    let mut world = World::new().await;
    let request = |name, steps| call(MODEL, "any", name, groups(steps));
    let reply = within("a reply", world.engine.call(request("ProcessUnary", vec![vec![say("told")]]))).await;
    assert_eq!(reply.expect("well").metadata, carried());
    let steps = vec![vec![say("1")], vec![say("told")]];
    let mut elements = world.engine.stream(request("ProcessStreamedOut", steps));
    for expected in [vec![], carried()] {
        let element = within("an element", elements.next()).await.expect("one").expect("well");
        assert_eq!(element.metadata, expected);
    }
    for _ in 0..2 {
        assert!(matches!(world.function.next().await, Seen::Action(..)));
    }
    assert_eq!(unary(&world, vec![Step::Forward(text("told"))]).await.expect("a reply"), Some(String::new()));
    assert!(matches!(world.function.next().await, Seen::Action("unary", _)));
    let Seen::Action("unary", forwarded) = world.function.next().await else { panic!("no forward") };
    let string = |(key, value): (String, String)| {
        let value = Some(p::metadata_entry::Value::StringValue(value));
        p::MetadataEntry { key, value }
    };
    let entries = carried().into_iter().map(string).collect();
    assert_eq!(forwarded, whole("Call", any("action.OtherRequest", &text("told")), Some(p::Metadata { entries })));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn side_effects_that_nobody_waits_for_are_made_in_their_order() {
    let mut world = World::new().await;
    let id = |number: usize| format!("e{number}");
    let effect = |number| Step::Effect(Effect { id: id(number), synchronous: false });
    // Some at once, again and again; and once more of them than tokio lets a task begin in one go.
    for count in [4; 50].into_iter().chain([100]) {
        let steps = (0..count).map(effect).chain([say("x")]);
        assert_eq!(unary(&world, steps.collect()).await.expect("a reply"), Some("x".into()));
        assert!(matches!(world.function.next().await, Seen::Action("unary", _)));
        for number in 0..count {
            assert_eq!(world.function.next().await, Seen::Action("unary", two(&id(number))));
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_method_that_streams_is_not_forwarded_to() {
    let world = World::new().await;
    let error = unary(&world, vec![Step::Forward(text("in"))]).await.expect_err("refused");
    assert_eq!(error.client_code(), Code::Unknown);
    assert!(error.message.contains("ProcessStreamedIn streams"), "{error}");
    world.end().await;
}

#[tokio::test]
async fn open_streams_of_clients_keep_nobody_out() {
    let world = World::new().await;
    let open = || world.engine.duplex(call(MODEL, "any", "ProcessStreamed", Any::default()));
    let streams: Vec<_> = (0..300).map(|_| open()).collect();
    assert_eq!(unary(&world, vec![say("x")]).await.expect("a reply"), Some("x".into()));
    assert_eq!(world.process("e", vec![]).await.expect("a reply"), "");
    drop(streams);
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

fn payload(body: Any) -> Payload {
    Payload::new(body.type_url, body.value)
}

/// The first message of a client's stream, and one that follows.
fn opening(name: &str) -> ActionCommand {
    ActionCommand { service_name: MODEL.into(), name: name.into(), payload: None, metadata: brought() }
}

fn following(body: Any) -> ActionCommand {
    ActionCommand { payload: Some(body), metadata: Some(p::Metadata::default()), ..ActionCommand::default() }
}

async fn rest(elements: &mut adjoin_engine::Elements) -> Result<Vec<String>> {
    let mut said = Vec::new();
    while let Some(element) = within("an element", elements.next()).await {
        said.push(response(&element?.payload.expect("a body")));
    }
    Ok(said)
}

#[tokio::test]
async fn a_streamed_reply_comes_in_order_with_forwards_among_it() {
    let mut world = World::new().await;
    let effect = Step::Effect(Effect { id: "e".into(), synchronous: true });
    let body = groups(vec![vec![say("1")], vec![effect], vec![Step::Forward(text("f"))], vec![say("2")], vec![]]);
    let mut elements = world.engine.stream(call(MODEL, "any", "ProcessStreamedOut", body.clone()));
    assert_eq!(rest(&mut elements).await.expect("well"), ["1", "", "2"]);
    assert_eq!(world.function.next().await, Seen::Action("out", whole("ProcessStreamedOut", body, brought())));
    assert_eq!(world.function.next().await, Seen::Action("unary", two("e")));
    assert_eq!(world.function.next().await, Seen::Action("unary", two("f")));
    world.function.nothing_more();

    let many = (0..100).map(|number| vec![say(&number.to_string())]).collect();
    let mut elements = world.engine.stream(call(MODEL, "any", "ProcessStreamedOut", groups(many)));
    assert_eq!(rest(&mut elements).await.expect("well").len(), 100, "credit goes round");
    world.end().await;
}

#[tokio::test]
async fn a_failure_in_a_streamed_reply_ends_it() {
    let world = World::new().await;
    let mut steps = vec![vec![say("1")], vec![Step::Fail(text("boom"))]];
    steps.extend((0..50).map(|_| vec![say("never")]));
    let mut elements = world.engine.stream(call(MODEL, "any", "ProcessStreamedOut", groups(steps)));
    assert!(within("an element", elements.next()).await.expect("one").is_ok());
    let error = within("an end", elements.next()).await.expect("an error").expect_err("failed");
    assert_eq!((error.client_code(), error.message.as_str()), (Code::Unknown, "boom"));
    assert!(within("the end", elements.next()).await.is_none());
    world.end().await;
}

#[tokio::test]
async fn a_clients_stream_begins_without_a_payload_and_goes_on_without_names() {
    let mut world = World::new().await;
    let (mut up, reply) = world.engine.upload(call(MODEL, "any", "ProcessStreamedIn", groups(vec![])));
    for message in ["1", "2"] {
        up.send(payload(groups(vec![vec![say(message)]]))).await.expect("taken");
    }
    up.end();
    let reply = within("a reply", reply).await.expect("well").payload.expect("a body");
    assert_eq!(response(&reply), "2");
    assert_eq!(world.function.next().await, Seen::Action("in", opening("ProcessStreamedIn")));
    for message in ["1", "2"] {
        assert_eq!(world.function.next().await, Seen::Action("in", following(groups(vec![vec![say(message)]]))));
    }
    assert_eq!(world.function.next().await, Seen::ActionEnd);
    let (up, reply) = world.engine.upload(call(MODEL, "any", "ProcessStreamedIn", groups(vec![])));
    up.end();
    assert_eq!(within("a reply", reply).await.expect("also to nothing").payload, None);
    world.end().await;
}

#[tokio::test]
async fn both_sides_stream_at_once_and_a_client_that_leaves_ends_the_call() {
    let mut world = World::new().await;
    let request = || call(MODEL, "any", "ProcessStreamed", groups(vec![]));
    let (mut up, mut elements) = world.engine.duplex(request());
    for number in 0..40 {
        let message = number.to_string();
        up.send(payload(groups(vec![vec![say(&message)]]))).await.expect("taken");
        let element = within("an element", elements.next()).await.expect("one").expect("well");
        assert_eq!(response(&element.payload.expect("a body")), message);
    }
    up.end();
    assert!(within("the end", elements.next()).await.is_none());
    while world.function.next().await != Seen::ActionEnd {}

    let (mut up, elements) = world.engine.duplex(request());
    up.send(payload(groups(vec![vec![say("1")]]))).await.expect("taken");
    while !matches!(world.function.next().await, Seen::Action("both", ActionCommand { payload: Some(_), .. })) {}
    drop((up, elements));
    // The library ends its direction of the stream before it resets it: the function may see either first.
    assert!(matches!(world.function.next().await, Seen::ActionCancelled | Seen::ActionEnd));
    world.end().await;
}
