// SPDX-License-Identifier: Apache-2.0
//! Events of entities on their way to the action that subscribes to them.

use prost_reflect::DynamicMessage;
use serde_json::{Value, json};

use super::event_sourced::HANDLE;
use crate::host::{Host, Part};
use crate::relay::Cursor;
use crate::scenario::{Scenario, scenarios};
use crate::words::{any, forward, reply};

const SUBSCRIBER: &str = "cloudstate.tck.model.eventlogeventing.EventLogSubscriberModel";
const ONE: &str = "cloudstate.tck.model.eventlogeventing.EventSourcedEntityOne";
const TWO: &str = "cloudstate.tck.model.eventlogeventing.EventSourcedEntityTwo";
/// The entity whose events outlive the proxy.
const RESTARTED: &str = "restarted";
const UNARY: &str = "/cloudstate.action.ActionProtocol/handleUnary";
const STREAMED: &str = "/cloudstate.action.ActionProtocol/handleStreamedOut";

pub(super) fn scenarios() -> Vec<Scenario<Host>> {
    scenarios!(
        SUBSCRIBER,
        [
            an_event_reaches_its_subscriber_as_a_cloud_event,
            events_of_an_entity_reach_their_subscriber_in_order,
            a_subscriber_hands_an_event_on,
            a_subscriber_streams_what_it_makes_of_an_event,
            an_event_of_json_reaches_the_method_for_any,
            a_subscriber_can_be_called_like_any_action,
            a_restarted_proxy_goes_on_behind_the_last_event,
            an_event_outlives_a_proxy_that_is_killed,
        ]
    )
}

fn message(kind: &str, fields: &Value) -> Value {
    any(&format!("cloudstate.tck.model.eventlogeventing.{kind}"), fields)
}

fn says(text: &str) -> Value {
    json!({"reply": {"message": text}})
}

fn event_one(step: &Value) -> Value {
    message("EventOne", &json!({"step": step}))
}

fn response(id: &str, text: &str) -> Value {
    json!({"reply": reply(message("Response", &json!({"id": id, "message": text})))["reply"]})
}

/// Has an entity of the first log persist an event.
async fn emit(host: &Host, id: &str, event: &Value) -> Result<(), String> {
    let mut asked = json!({"id": id});
    if let (Some(asked), Some(event)) = (asked.as_object_mut(), event.as_object()) {
        asked.extend(event.clone());
    }
    host.client.answers(&format!("/{ONE}/EmitEvent"), &asked, &json!({})).await
}

/// The same, of one that is activated by it.
async fn emit_first(host: &Host, id: &str, event: &Value) -> Result<(), String> {
    emit(host, id, event).await?;
    host.activation(HANDLE, ONE, id).await.map(drop)
}

/// The text of an entry of metadata. Not by way of JSON: a payload may be of a type that nobody knows.
fn entry(first: &DynamicMessage, key: &str) -> Option<String> {
    let metadata = first.get_field_by_name("metadata")?;
    let entries = metadata.as_message()?.get_field_by_name("entries")?.into_owned();
    let mut entries = entries.as_list()?.iter().filter_map(prost_reflect::Value::as_message);
    let found = entries.find(|entry| crate::site::text(entry, "key") == key)?;
    Some(crate::site::text(found, "string_value"))
}

/// The call of the subscriber's method with an event of this entity.
async fn given(host: &Host, path: &str, name: &str, id: &str) -> Result<Cursor, String> {
    let found = host.call(path, |first| {
        crate::site::text(first, "service_name") == SUBSCRIBER
            && crate::site::text(first, "name") == name
            && entry(first, "ce-subject").as_deref() == Some(id)
    });
    found.await.map_err(|said| format!("{name} of {id}: {said}"))
}

fn command(name: &str, payload: &Value) -> Value {
    json!({"serviceName": SUBSCRIBER, "name": name, "payload": payload})
}

async fn an_event_reaches_its_subscriber_as_a_cloud_event(host: &Host) -> Result<(), String> {
    emit_first(host, "one", &json!({"eventOne": {"step": says("hello")}})).await?;
    let mut call = given(host, UNARY, "ProcessEventOne", "one").await?;
    let first = call.message_in().await?;
    let kind = "type.googleapis.com/cloudstate.tck.model.eventlogeventing.EventOne";
    for (key, expected) in [
        ("ce-source", "eventlogeventing-one"),
        ("ce-specversion", "1.0"),
        ("ce-type", kind),
        ("Content-Type", "application/vnd.cloudstate.protobuf.any"),
    ] {
        let found = entry(&first, key);
        if found.as_deref() != Some(expected) {
            return Err(format!("{key} is {found:?}, not {expected:?}"));
        }
    }
    if entry(&first, "ce-id").is_none_or(|id| id.is_empty()) {
        return Err("there is no ce-id".into());
    }
    call.is_answered(&response("one", "hello")).await
}

async fn events_of_an_entity_reach_their_subscriber_in_order(host: &Host) -> Result<(), String> {
    emit_first(host, "order", &json!({"eventOne": {"step": says("0")}})).await?;
    for number in 1..5 {
        emit(host, "order", &json!({"eventOne": {"step": says(&number.to_string())}})).await?;
    }
    for number in 0..5 {
        let mut call = given(host, UNARY, "ProcessEventOne", "order").await?;
        call.goes_in(&command("ProcessEventOne", &event_one(&says(&number.to_string())))).await?;
    }
    Ok(())
}

async fn a_subscriber_hands_an_event_on(host: &Host) -> Result<(), String> {
    let step = json!({"forward": {"message": "on"}});
    emit_first(host, "forward", &json!({"eventOne": {"step": step}})).await?;
    let mut call = given(host, UNARY, "ProcessEventOne", "forward").await?;
    call.goes_in(&command("ProcessEventOne", &event_one(&step))).await?;
    let request = message("EffectRequest", &json!({"id": "forward", "message": "on"}));
    call.is_answered(&json!({"forward": forward(SUBSCRIBER, "Effect", request.clone())["forward"]})).await?;
    let mut second = effect(host).await?;
    second.goes_in(&command("Effect", &request)).await?;
    second.is_answered(&response("forward", "on")).await
}

async fn effect(host: &Host) -> Result<Cursor, String> {
    let found = host.call(UNARY, |first| {
        crate::site::text(first, "service_name") == SUBSCRIBER && crate::site::text(first, "name") == "Effect"
    });
    found.await
}

async fn a_subscriber_streams_what_it_makes_of_an_event(host: &Host) -> Result<(), String> {
    let steps = json!([says("a"), says("b")]);
    emit_first(host, "stream", &json!({"eventTwo": {"step": steps}})).await?;
    let mut call = given(host, STREAMED, "ProcessEventTwo", "stream").await?;
    call.goes_in(&command("ProcessEventTwo", &message("EventTwo", &json!({"step": steps})))).await?;
    Ok(())
}

async fn an_event_of_json_reaches_the_method_for_any(host: &Host) -> Result<(), String> {
    let asked = json!({"id": "json", "message": "in JSON"});
    host.client.answers(&format!("/{TWO}/EmitJsonEvent"), &asked, &json!({})).await?;
    host.activation(HANDLE, TWO, "json").await?;
    let mut call = given(host, UNARY, "ProcessAnyEvent", "json").await?;
    let first = call.message_in().await?;
    if entry(&first, "ce-type").as_deref() != Some("json.cloudstate.io/JsonEvent") {
        return Err(format!("its type is {:?}", entry(&first, "ce-type")));
    }
    call.is_answered(&response("json", "in JSON")).await
}

async fn a_subscriber_can_be_called_like_any_action(host: &Host) -> Result<(), String> {
    let asked = json!({"step": says("called")});
    host.client.answers(&format!("/{SUBSCRIBER}/ProcessEventOne"), &asked, &json!({"message": "called"})).await?;
    let found = host.call(UNARY, |first| {
        crate::site::text(first, "name") == "ProcessEventOne" && entry(first, "ce-subject").is_none()
    });
    found.await.map(drop)
}

async fn restart(host: &Host, told: bool) -> Result<(), String> {
    host.end(Part::Proxy, told).await?;
    host.begin(Part::Proxy).await
}

/// One that was told to end has noted what it gave: nothing of it is given again, as the last scenario of all sees.
async fn a_restarted_proxy_goes_on_behind_the_last_event(host: &Host) -> Result<(), String> {
    emit_first(host, RESTARTED, &json!({"eventOne": {"step": says("before")}})).await?;
    let mut call = given(host, UNARY, "ProcessEventOne", RESTARTED).await?;
    call.goes_in(&command("ProcessEventOne", &event_one(&says("before")))).await?;
    call.is_answered(&response(RESTARTED, "before")).await?;
    restart(host, true).await?;
    emit_first(host, RESTARTED, &json!({"eventOne": {"step": says("after")}})).await?;
    let mut call = given(host, UNARY, "ProcessEventOne", RESTARTED).await?;
    call.goes_in(&command("ProcessEventOne", &event_one(&says("after")))).await
}

/// One that was killed gives what it may not have noted once more, and in order. The entity is that of the scenario
/// before, so that whatever is given again comes before what is written last.
async fn an_event_outlives_a_proxy_that_is_killed(host: &Host) -> Result<(), String> {
    emit(host, RESTARTED, &json!({"eventOne": {"step": says("killed")}})).await?;
    restart(host, false).await?;
    emit_first(host, RESTARTED, &json!({"eventOne": {"step": says("last")}})).await?;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "last") {
        let mut call = given(host, UNARY, "ProcessEventOne", RESTARTED).await?;
        let first = serde_json::to_value(call.message_in().await?).map_err(|error| error.to_string())?;
        seen.push(first["payload"]["step"]["reply"]["message"].as_str().unwrap_or_default().to_owned());
    }
    // What was under way or just answered when it was killed comes twice.
    let mut once = seen.clone();
    let mut known = std::collections::BTreeSet::new();
    once.retain(|message| message != "after" && known.insert(message.clone()));
    if once == ["killed", "last"] { Ok(()) } else { Err(format!("it was given {seen:?}")) }
}
