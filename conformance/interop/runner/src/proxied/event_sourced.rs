// SPDX-License-Identifier: Apache-2.0
//! Event-sourced entities through the proxy.

use serde_json::{Value, json};
use tonic::Code;

use crate::host::Host;
use crate::relay::Cursor;
use crate::scenario::{Scenario, scenarios};
use crate::site::Sdk;
use crate::words::{any, effect, forward, reply, with};

const MODEL: &str = "cloudstate.tck.model.EventSourcedTckModel";
const TWO: &str = "cloudstate.tck.model.EventSourcedTwo";
const CONFIGURED: &str = "cloudstate.tck.model.EventSourcedConfigured";
pub(super) const HANDLE: &str = "/cloudstate.eventsourced.EventSourced/handle";
const PROCESS: &str = "/cloudstate.tck.model.EventSourcedTckModel/Process";

pub(super) fn scenarios(sdk: Sdk) -> Vec<Scenario<Host>> {
    let mut all = scenarios!(
        MODEL,
        [
            one_stream_carries_an_entity_and_its_commands_in_order,
            http_and_grpc_reach_the_same_entity,
            a_forward_is_answered_by_the_second,
            a_refusal_is_told_with_its_description,
            what_a_refused_command_emitted_is_gone,
        ]
    );
    if sdk == Sdk::Java {
        all.extend(scenarios!(MODEL, [a_command_whose_effects_the_sdk_forgets_is_as_good_as_without]));
        all.extend(scenarios!(CONFIGURED, [the_configured_answers]));
        return all;
    }
    all.extend(scenarios!(MODEL, [effects_reach_the_second]));
    if sdk == Sdk::Go {
        // The others never ask for one: their entities are as they were after a refusal.
        all.extend(scenarios!(MODEL, [a_restart_begins_with_snapshot_and_later_events]));
    }
    all.extend(scenarios!(
        CONFIGURED,
        [the_configured_leaves_soon_by_a_clean_half_close, the_configured_is_activated_again]
    ));
    all
}

fn request(id: &str, actions: &[Value]) -> Value {
    any("cloudstate.tck.model.Request", &json!({"id": id, "actions": actions}))
}

fn emit(value: &str) -> Value {
    json!({"emit": {"value": value}})
}

fn persisted(value: &str) -> Value {
    any("cloudstate.tck.model.Persisted", &json!({"value": value}))
}

fn response(message: &str) -> Value {
    reply(any("cloudstate.tck.model.Response", &json!({"message": message})))
}

/// The first message of an activation.
fn init(service: &str, id: &str) -> Value {
    json!({"init": {"serviceName": service, "entityId": id}})
}

fn command(id: &str, number: i64, name: &str, actions: &[Value]) -> Value {
    json!({"command": {"entityId": id, "id": number, "name": name, "payload": request(id, actions)}})
}

fn replied(number: i64, action: &Value, rest: &Value) -> Value {
    json!({"reply": with(json!({"commandId": number, "clientAction": action}), rest)})
}

async fn ask(host: &Host, id: &str, actions: &[Value], message: &str) -> Result<(), String> {
    host.client.answers(PROCESS, &json!({"id": id, "actions": actions}), &json!({"message": message})).await
}

/// The one call that a forward or an effect makes of the second.
async fn second_is_called(host: &Host, id: &str) -> Result<(), String> {
    let mut two = host.activation(HANDLE, TWO, id).await?;
    two.goes_in(&init(TWO, id)).await?;
    two.goes_in(&command(id, 1, "Call", &[])).await?;
    two.comes_out(&replied(1, &response(""), &json!({}))).await
}

async fn one_stream_carries_an_entity_and_its_commands_in_order(host: &Host) -> Result<(), String> {
    let id = "exact";
    ask(host, id, &[], "").await?;
    ask(host, id, &[emit("A")], "A").await?;
    ask(host, id, &[emit("B"), emit("C")], "ABC").await?;
    let mut stream = host.activation(HANDLE, MODEL, id).await?;
    stream.goes_in(&init(MODEL, id)).await?;
    stream.goes_in(&command(id, 1, "Process", &[])).await?;
    stream.comes_out(&replied(1, &response(""), &json!({}))).await?;
    stream.goes_in(&command(id, 2, "Process", &[emit("A")])).await?;
    stream.comes_out(&replied(2, &response("A"), &json!({"events": [persisted("A")]}))).await?;
    stream.goes_in(&command(id, 3, "Process", &[emit("B"), emit("C")])).await?;
    stream.comes_out(&replied(3, &response("ABC"), &json!({"events": [persisted("B"), persisted("C")]}))).await
}

async fn http_and_grpc_reach_the_same_entity(host: &Host) -> Result<(), String> {
    let id = "http";
    let line = format!("POST /tck/model/eventsourced/{id}");
    host.http.answers(&line, Some(&json!({})), &json!({"message": ""})).await?;
    host.http.answers(&line, Some(&json!({"actions": [emit("x")]})), &json!({"message": "x"})).await?;
    ask(host, id, &[emit("y")], "xy").await?;
    host.http.answers(&line, Some(&json!({"actions": []})), &json!({"message": "xy"})).await?;
    let mut stream = host.activation(HANDLE, MODEL, id).await?;
    stream.goes_in(&init(MODEL, id)).await?;
    stream.goes_in(&command(id, 1, "Process", &[])).await
}

async fn a_forward_is_answered_by_the_second(host: &Host) -> Result<(), String> {
    let (id, other) = ("forward", "forward-other");
    let asked = [emit("A"), json!({"forward": {"id": other}})];
    ask(host, id, &asked, "").await?;
    let mut stream = host.activation(HANDLE, MODEL, id).await?;
    stream.goes_in(&init(MODEL, id)).await?;
    stream.goes_in(&command(id, 1, "Process", &asked)).await?;
    let told = forward(TWO, "Call", request(other, &[]));
    stream.comes_out(&replied(1, &told, &json!({"events": [persisted("A")]}))).await?;
    second_is_called(host, other).await?;
    ask(host, id, &[], "A").await
}

async fn effects_reach_the_second(host: &Host) -> Result<(), String> {
    let id = "effects";
    let asked = [
        emit("A"),
        json!({"effect": {"id": "effect-later"}}),
        json!({"effect": {"id": "effect-now", "synchronous": true}}),
    ];
    ask(host, id, &asked, "A").await?;
    let mut stream = host.activation(HANDLE, MODEL, id).await?;
    stream.goes_in(&init(MODEL, id)).await?;
    stream.goes_in(&command(id, 1, "Process", &asked)).await?;
    let told = [("effect-later", false), ("effect-now", true)];
    let told = told.map(|(id, synchronous)| effect(TWO, "Call", request(id, &[]), synchronous));
    stream.comes_out(&replied(1, &response("A"), &json!({"events": [persisted("A")], "sideEffects": told}))).await?;
    second_is_called(host, "effect-later").await?;
    second_is_called(host, "effect-now").await
}

/// Version 0.5.2 of the Java SDK loses them before they are sent.
async fn a_command_whose_effects_the_sdk_forgets_is_as_good_as_without(host: &Host) -> Result<(), String> {
    let asked = [emit("A"), json!({"effect": {"id": "lost"}})];
    ask(host, "effects", &asked, "A").await?;
    let mut stream = host.activation(HANDLE, MODEL, "effects").await?;
    stream.goes_in(&init(MODEL, "effects")).await?;
    stream.goes_in(&command("effects", 1, "Process", &asked)).await?;
    stream.comes_out(&replied(1, &response("A"), &json!({"events": [persisted("A")]}))).await
}

async fn a_refusal_is_told_with_its_description(host: &Host) -> Result<(), String> {
    let id = "refused";
    ask(host, id, &[emit("A")], "A").await?;
    let fail = json!([{"fail": {"message": "expected failure"}}]);
    host.client.refuses(PROCESS, &json!({"id": id, "actions": fail}), Code::Unknown, "expected failure").await?;
    let line = format!("POST /tck/model/eventsourced/{id}");
    host.http.refuses(&line, Some(&json!({"actions": fail})), "expected failure").await?;
    ask(host, id, &[emit("B")], "AB").await?;
    // A refusal alone keeps the stream.
    let mut stream = host.activation(HANDLE, MODEL, id).await?;
    stream.goes_in(&init(MODEL, id)).await?;
    for number in 1..=4 {
        let asked = [vec![emit("A")], vec![fail[0].clone()], vec![fail[0].clone()], vec![emit("B")]];
        stream.goes_in(&command(id, number, "Process", &asked[number as usize - 1])).await?;
        stream.answers().await?;
    }
    Ok(())
}

async fn what_a_refused_command_emitted_is_gone(host: &Host) -> Result<(), String> {
    let id = "gone";
    ask(host, id, &[emit("A")], "A").await?;
    let asked = json!([emit("lost"), {"effect": {"id": "gone-effect"}}, {"fail": {"message": "not that"}}]);
    host.client.refuses(PROCESS, &json!({"id": id, "actions": asked}), Code::Unknown, "not that").await?;
    ask(host, id, &[emit("B")], "AB").await?;
    host.activation(HANDLE, MODEL, id).await?;
    if host.sdk == Sdk::Go {
        // It asked to be begun anew.
        let mut again = host.activation(HANDLE, MODEL, id).await?;
        again.goes_in(&init(MODEL, id)).await?;
        again.goes_in(&json!({"event": {"sequence": 1, "payload": persisted("A")}})).await?;
        again.goes_in(&command(id, 1, "Process", &[emit("B")])).await?;
    }
    Ok(())
}

async fn a_restart_begins_with_snapshot_and_later_events(host: &Host) -> Result<(), String> {
    let id = "snapshot";
    ask(host, id, &[emit("1"), emit("2"), emit("3")], "123").await?;
    ask(host, id, &[emit("4"), emit("5"), emit("6")], "123456").await?;
    ask(host, id, &[emit("7")], "1234567").await?;
    let mut stream = host.activation(HANDLE, MODEL, id).await?;
    let asked = json!([emit("lost"), {"fail": {"message": "begin anew"}}]);
    host.client.refuses(PROCESS, &json!({"id": id, "actions": asked}), Code::Unknown, "begin anew").await?;
    ask(host, id, &[], "1234567").await?;
    stream.goes_in(&init(MODEL, id)).await?;
    let mut again = host.activation(HANDLE, MODEL, id).await?;
    let snapshot = json!({"snapshotSequence": 6, "snapshot": persisted("123456")});
    again.goes_in(&json!({"init": {"serviceName": MODEL, "entityId": id, "snapshot": snapshot}})).await?;
    again.goes_in(&json!({"event": {"sequence": 7, "payload": persisted("7")}})).await?;
    again.goes_in(&command(id, 1, "Process", &[])).await
}

async fn configured(host: &Host, id: &str) -> Result<Cursor, String> {
    let path = format!("/{CONFIGURED}/Call");
    host.client.answers(&path, &json!({"id": id}), &json!({"message": ""})).await?;
    let mut stream = host.activation(HANDLE, CONFIGURED, id).await?;
    stream.goes_in(&init(CONFIGURED, id)).await?;
    stream.goes_in(&command(id, 1, "Call", &[])).await?;
    stream.comes_out(&replied(1, &response(""), &json!({}))).await?;
    Ok(stream)
}

async fn the_configured_leaves_soon_by_a_clean_half_close(host: &Host) -> Result<(), String> {
    configured(host, "soon").await?.ends().await
}

async fn the_configured_is_activated_again(host: &Host) -> Result<(), String> {
    configured(host, "again").await?.ends().await?;
    configured(host, "again").await?.ends().await
}

/// Java has no word for the time; the default is longer than anyone wants to wait here.
async fn the_configured_answers(host: &Host) -> Result<(), String> {
    configured(host, "soon").await.map(drop)
}
