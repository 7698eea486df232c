// SPDX-License-Identifier: Apache-2.0
//! Actions in all four shapes.

use adjoin_entity::frame::HostFrame;
use adjoin_function::cloudstate::protocol as p;
use p::action::action_response::Response as Told;
use p::action::{ActionCommand, ActionResponse};
use p::metadata_entry::Value;
use prost_types::Any;

use crate::messages::{Effect, Step, any, groups, text};
use crate::proxy::{ACTION, ACTION_TWO, act, actions, first, later, streamed, text_of};
use crate::world::{World, within};

fn reply(said: &str) -> Step {
    Step::Reply(text(said))
}

fn fail(said: &str) -> Step {
    Step::Fail(text(said))
}

fn effect(id: &str, synchronous: bool) -> Step {
    Step::Effect(Effect { id: id.into(), synchronous })
}

fn told(response: &ActionResponse) -> String {
    match &response.response {
        Some(Told::Reply(reply)) => text_of(reply.payload.as_ref().expect("a message")),
        Some(Told::Failure(failure)) => format!("refused: {}", failure.description),
        Some(Told::Forward(forward)) => format!("forward: {}.{}", forward.service_name, forward.command_name),
        None => "nothing".into(),
    }
}

fn effects(response: &ActionResponse) -> Vec<(String, bool)> {
    let effects = response.side_effects.iter();
    effects.map(|effect| (text_of(effect.payload.as_ref().expect("a message")), effect.synchronous)).collect()
}

async fn unary(world: &World, payload: Any) -> ActionResponse {
    let mut client = actions(&world.channel);
    let answer = client.handle_unary(act("ProcessUnary", Some(payload)));
    within("an answer", answer).await.expect("answered").into_inner()
}

#[tokio::test]
async fn one_command_has_one_answer_of_each_kind_with_its_effects() {
    let mut world = World::new().await;
    let with = |last: Option<Step>| [vec![effect("a", false), effect("b", true)], last.into_iter().collect()].concat();
    let forwarded = format!("forward: {ACTION_TWO}.Call");
    let cases = [
        (None, "nothing"),
        (Some(reply("one")), "one"),
        (Some(fail("no")), "refused: no"),
        (Some(Step::Forward(text("c"))), forwarded.as_str()),
    ];
    for (last, expected) in cases {
        let response = unary(&world, groups(vec![with(last)])).await;
        assert_eq!(told(&response), expected);
        assert_eq!(effects(&response), [("a".to_owned(), false), ("b".to_owned(), true)]);
        let metadata = response.side_effects[0].metadata.clone().expect("what the handler said");
        assert_eq!(metadata.entries[0].key, "x-effect");
    }
    let HostFrame::Command(command) = world.frame().await else { panic!() };
    let entity = command.entity.expect("an action");
    assert_eq!((command.activation, entity.entity_type(), entity.key()), (0, crate::function::ACTION, "-"));
}

#[tokio::test]
async fn metadata_goes_both_ways() {
    let world = World::new().await;
    let entry = |key: &str, value| p::MetadataEntry { key: key.into(), value: Some(value) };
    let entries = vec![
        entry("X-One", Value::StringValue("1".into())),
        entry("x-one", Value::StringValue("2".into())),
        entry("raw-bin", Value::BytesValue(vec![0, 1])),
    ];
    let command = ActionCommand {
        metadata: Some(p::Metadata { entries }),
        ..act("ProcessUnary", Some(groups(vec![vec![reply("one")]])))
    };
    let response = actions(&world.channel).handle_unary(command).await.expect("answered").into_inner();
    let Some(Told::Reply(reply)) = response.response else { panic!() };
    let text = |key: &str, value: &str| entry(key, Value::StringValue(value.into()));
    let expected = vec![text("x-one", "1"), text("x-one", "2"), text("raw-bin", "AAE")];
    assert_eq!(reply.metadata.expect("metadata").entries, expected);
}

#[tokio::test]
async fn a_stream_in_is_answered_when_it_ends() {
    let world = World::new().await;
    let many = (0..100).map(|number| later(groups(vec![vec![effect(&number.to_string(), false)]])));
    let messages: Vec<ActionCommand> =
        [first("ProcessStreamedIn")].into_iter().chain(many).chain([later(groups(vec![vec![reply("end")]]))]).collect();
    let mut client = actions(&world.channel);
    let response = client.handle_streamed_in(tokio_stream::iter(messages)).await.expect("answered").into_inner();
    assert_eq!((told(&response).as_str(), response.side_effects.len()), ("end", 100));
    let alone = tokio_stream::iter([first("ProcessStreamedIn")]);
    let response = client.handle_streamed_in(alone).await.expect("answered").into_inner();
    assert_eq!(told(&response), "nothing");
}

#[tokio::test]
async fn what_the_first_message_of_a_stream_carries_is_its_first_element() {
    let world = World::new().await;
    let whole = act("ProcessStreamedIn", Some(groups(vec![vec![reply("at once")]])));
    let mut client = actions(&world.channel);
    let response = client.handle_streamed_in(tokio_stream::iter([whole])).await.expect("answered").into_inner();
    assert_eq!(told(&response), "at once");
}

#[tokio::test]
async fn a_stream_out_gives_each_element_as_it_comes() {
    let world = World::new().await;
    let many: Vec<Vec<Step>> = (0..100).map(|number| vec![effect("e", true), reply(&number.to_string())]).collect();
    let command = act("ProcessStreamedOut", Some(groups([many, vec![vec![]]].concat())));
    let mut client = actions(&world.channel);
    let mut responses = client.handle_streamed_out(command).await.expect("opened").into_inner();
    for number in 0..100 {
        let response = within("an element", responses.message()).await.expect("no end").expect("no end");
        assert_eq!((told(&response), effects(&response).len()), (number.to_string(), 1));
    }
    let empty = within("an element", responses.message()).await.expect("no end").expect("no end");
    assert_eq!(empty, ActionResponse::default());
    assert!(within("the end", responses.message()).await.expect("a good end").is_none());
}

#[tokio::test]
async fn a_stream_both_ways_answers_as_it_goes_and_ends_when_it_is_closed() {
    let world = World::new().await;
    let mut both = streamed(&world.channel).await;
    for said in ["one", "two"] {
        both.say(later(groups(vec![vec![reply(said)]]))).await;
        let response = both.next().await.expect("no end").expect("no end");
        assert_eq!(told(&response), said);
    }
    both.leaves().await;
}

#[tokio::test]
async fn a_refusal_ends_a_stream_with_its_words() {
    let world = World::new().await;
    let mut both = streamed(&world.channel).await;
    both.say(later(groups(vec![vec![fail("enough")]]))).await;
    let response = both.next().await.expect("no end").expect("no end");
    assert_eq!(told(&response), "refused: enough");
    assert!(both.next().await.expect("a good end").is_none());
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled_in_the_function() {
    let mut world = World::new().await;
    let mut client = actions(&world.channel);
    let asked = tokio::spawn(async move {
        let command = act("ProcessUnary", Some(groups(vec![vec![fail("silence")]])));
        client.handle_unary(command).await
    });
    let HostFrame::Command(command) = world.frame().await else { panic!() };
    asked.abort();
    assert_eq!(world.frame().await, HostFrame::Cancel { call: command.call });

    let both = streamed(&world.channel).await;
    let HostFrame::Command(command) = world.frame_where(|frame| matches!(frame, HostFrame::Command(_))).await else {
        panic!()
    };
    drop(both);
    let cancel = HostFrame::Cancel { call: command.call };
    world.frame_where(|frame| *frame == cancel).await;
}

#[tokio::test]
async fn an_action_may_have_two_services() {
    let world = World::new().await;
    let command =
        ActionCommand { service_name: ACTION_TWO.into(), ..act("Call", Some(any("action.OtherRequest", &text("id")))) };
    let response = actions(&world.channel).handle_unary(command).await.expect("answered").into_inner();
    assert_eq!(told(&response), "");
}

#[tokio::test]
async fn no_reply_is_a_message_of_nothing_where_that_is_the_output() {
    let world = World::new().await;
    let service_name = "cloudstate.tck.model.Quiet".into();
    let command = ActionCommand { service_name, ..act("Hush", Some(any("action.OtherRequest", &text("id")))) };
    let response = actions(&world.channel).handle_unary(command).await.expect("answered").into_inner();
    let Some(Told::Reply(reply)) = response.response else { panic!("{response:?}") };
    let payload = reply.payload.expect("a message");
    assert_eq!((payload.type_url.as_str(), payload.value.len()), ("type.googleapis.com/google.protobuf.Empty", 0));
}

#[tokio::test]
async fn an_event_is_taken_under_the_key_of_its_entity() {
    let mut world = World::new().await;
    let entry = |(key, value): (&str, &str)| p::MetadataEntry {
        key: key.into(),
        value: Some(Value::StringValue(value.into())),
    };
    let event = [("ce-id", "1"), ("ce-source", "log"), ("ce-specversion", "1.0"), ("ce-type", "T")];
    for (entries, key) in [
        ([("ce-subject", "ada")].iter().chain(&event).copied().map(entry).collect(), "ada"),
        (vec![entry(("ce-subject", "ada"))], "-"),
    ] {
        let command = ActionCommand {
            metadata: Some(p::Metadata { entries }),
            ..act("ProcessUnary", Some(groups(vec![vec![reply("one")]])))
        };
        actions(&world.channel).handle_unary(command).await.expect("answered");
        let frame = world.frame_where(|frame| matches!(frame, HostFrame::Command(_))).await;
        let HostFrame::Command(command) = frame else { unreachable!() };
        assert_eq!(command.entity.expect("an action's").key(), key);
    }
}

#[tokio::test]
async fn calls_that_are_none_are_answered_with_the_reason() {
    let world = World::new().await;
    let body = || Some(groups(vec![]));
    let cases = [
        (ActionCommand { service_name: "no.Such".into(), ..act("Call", body()) }, "Service not found: no.Such"),
        (act("Nothing", body()), "Protocol error: "),
        (act("ProcessUnary", None), "Protocol error: a command without a payload"),
        (act("ProcessStreamed", body()), "Protocol error: "),
        (ActionCommand { service_name: crate::proxy::ES.into(), ..act("Process", body()) }, "Service not found: "),
    ];
    for (command, expected) in cases {
        let response = actions(&world.channel).handle_unary(command).await.expect("answered").into_inner();
        assert!(told(&response).starts_with(&format!("refused: {expected}")), "{response:?}");
    }
    let mut client = actions(&world.channel);
    let none = client.handle_streamed_in(tokio_stream::iter(Vec::new())).await.expect("answered").into_inner();
    assert!(told(&none).starts_with("refused: Protocol error: "), "{none:?}");
    let mut both = streamed(&world.channel).await;
    both.say(first("")).await;
    assert!(told(&both.next().await.expect("no end").expect("no end")).contains("without a payload"));
    let _ = ACTION;
}
