// SPDX-License-Identifier: Apache-2.0
//! Events on their way to an action, as a proxy hands them over.

use serde_json::{Value, json};

use crate::scenario::{Scenario, scenarios};
use crate::site::{Sdk, Site};
use crate::words::{any, forward, reply, with};

const SUBSCRIBER: &str = "cloudstate.tck.model.eventlogeventing.EventLogSubscriberModel";

pub(super) fn scenarios() -> Vec<Scenario<Site>> {
    scenarios!(
        SUBSCRIBER,
        [
            an_event_tells_its_entity,
            an_event_is_handed_on,
            an_event_of_many_steps_is_streamed,
            an_event_of_json_is_read
        ]
    )
}

fn message(kind: &str, fields: &Value) -> Value {
    any(&format!("cloudstate.tck.model.eventlogeventing.{kind}"), fields)
}

/// An event of entity `e` as a command, with the metadata of a CloudEvent.
fn command(name: &str, payload: &Value, kind: &str) -> Value {
    json!({"serviceName": SUBSCRIBER, "name": name, "payload": payload, "metadata": metadata(kind)})
}

fn metadata(kind: &str) -> Value {
    let entries = [
        ("ce-id", "1"),
        ("ce-source", "eventlogeventing-one"),
        ("ce-specversion", "1.0"),
        ("ce-type", kind),
        ("ce-subject", "e"),
        ("Content-Type", "application/vnd.cloudstate.protobuf.any"),
    ];
    json!({"entries": entries.map(|(key, value)| json!({"key": key, "stringValue": value}))})
}

fn response(site: &Site, text: &str, kind: &str) -> Value {
    let answer = reply(message("Response", &json!({"id": "e", "message": text})));
    json!({"reply": with(answer["reply"].clone(), &back(site, kind))})
}

/// What comes back of the metadata: the other SDK gives all of it, adjoin's what the handler says.
fn back(site: &Site, kind: &str) -> Value {
    if site.sdk == Sdk::Python { json!({}) } else { json!({"metadata": metadata(kind)}) }
}

const UNARY: &str = "/cloudstate.action.ActionProtocol/handleUnary";
const ONE: &str = "type.googleapis.com/cloudstate.tck.model.eventlogeventing.EventOne";
const TWO: &str = "type.googleapis.com/cloudstate.tck.model.eventlogeventing.EventTwo";

async fn an_event_tells_its_entity(site: &Site) -> Result<(), String> {
    let event = message("EventOne", &json!({"step": {"reply": {"message": "hello"}}}));
    site.client.answers(UNARY, &command("ProcessEventOne", &event, ONE), &response(site, "hello", ONE)).await
}

async fn an_event_is_handed_on(site: &Site) -> Result<(), String> {
    let event = message("EventOne", &json!({"step": {"forward": {"message": "on"}}}));
    let effect = message("EffectRequest", &json!({"id": "e", "message": "on"}));
    let told = forward(SUBSCRIBER, "Effect", effect);
    let told = json!({"forward": with(told["forward"].clone(), &back(site, ONE))});
    site.client.answers(UNARY, &command("ProcessEventOne", &event, ONE), &told).await
}

async fn an_event_of_many_steps_is_streamed(site: &Site) -> Result<(), String> {
    let steps = json!([{"reply": {"message": "a"}}, {"reply": {"message": "b"}}]);
    let mut call = site.client.call("/cloudstate.action.ActionProtocol/handleStreamedOut")?;
    call.send(&command("ProcessEventTwo", &message("EventTwo", &json!({"step": steps})), TWO)).await?;
    call.close();
    call.tells(&response(site, "a", TWO)).await?;
    call.tells(&response(site, "b", TWO)).await?;
    call.ended().await
}

async fn an_event_of_json_is_read(site: &Site) -> Result<(), String> {
    let kind = "json.cloudstate.io/JsonEvent";
    let json = br#"{"id":"e","message":"in JSON"}"#;
    // Field 1, length-delimited.
    let value = [&[0x0a, json.len() as u8], &json[..]].concat();
    let mut call = site.client.call(UNARY)?;
    call.send_with_payload(&command("ProcessAnyEvent", &Value::Null, kind), kind, value).await?;
    call.close();
    call.tells(&response(site, "in JSON", kind)).await?;
    call.ended().await
}
