// SPDX-License-Identifier: Apache-2.0
//! Value entities through the proxy.

use serde_json::{Value, json};
use tonic::Code;

use crate::host::Host;
use crate::scenario::{Scenario, scenarios};
use crate::words::{any, reply, with};

const MODEL: &str = "cloudstate.tck.model.valueentity.ValueEntityTckModel";
const TWO: &str = "cloudstate.tck.model.valueentity.ValueEntityTwo";
const CONFIGURED: &str = "cloudstate.tck.model.valueentity.ValueEntityConfigured";
const HANDLE: &str = "/cloudstate.valueentity.ValueEntity/handle";
pub(super) const PROCESS: &str = "/cloudstate.tck.model.valueentity.ValueEntityTckModel/Process";

pub(super) fn scenarios() -> Vec<Scenario<Host>> {
    let mut all = scenarios!(
        MODEL,
        [
            a_value_is_updated_and_deleted_over_one_stream,
            http_and_grpc_reach_the_same_value,
            a_forward_of_a_value_is_answered_by_the_second,
            effects_of_a_value_reach_the_second,
            a_refusal_leaves_the_value_as_it_was,
        ]
    );
    all.extend(scenarios!(CONFIGURED, [the_configured_value_leaves_soon_by_a_clean_half_close]));
    all
}

fn request(id: &str, actions: &[Value]) -> Value {
    any("cloudstate.tck.model.valueentity.Request", &json!({"id": id, "actions": actions}))
}

fn update(value: &str) -> Value {
    json!({"update": {"value": value}})
}

fn response(message: &str) -> Value {
    reply(any("cloudstate.tck.model.valueentity.Response", &json!({"message": message})))
}

/// The state is there, without a value.
fn init(service: &str, id: &str) -> Value {
    json!({"init": {"serviceName": service, "entityId": id, "state": {}}})
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

async fn second_is_called(host: &Host, id: &str) -> Result<(), String> {
    let mut two = host.activation(HANDLE, TWO, id).await?;
    two.goes_in(&init(TWO, id)).await?;
    two.goes_in(&command(id, 1, "Call", &[])).await?;
    two.comes_out(&replied(1, &response(""), &json!({}))).await
}

async fn a_value_is_updated_and_deleted_over_one_stream(host: &Host) -> Result<(), String> {
    let id = "exact";
    let delete = json!({"delete": {}});
    ask(host, id, &[], "").await?;
    ask(host, id, &[update("one")], "one").await?;
    ask(host, id, std::slice::from_ref(&delete), "").await?;
    ask(host, id, &[], "").await?;
    ask(host, id, &[update("two"), update("three")], "three").await?;
    let mut stream = host.activation(HANDLE, MODEL, id).await?;
    stream.goes_in(&init(MODEL, id)).await?;
    stream.goes_in(&command(id, 1, "Process", &[])).await?;
    stream.comes_out(&replied(1, &response(""), &json!({}))).await?;
    stream.goes_in(&command(id, 2, "Process", &[update("one")])).await?;
    stream.answers().await?;
    stream.goes_in(&command(id, 3, "Process", &[delete])).await?;
    stream.comes_out(&replied(3, &response(""), &json!({"stateAction": {"delete": {}}}))).await?;
    stream.goes_in(&command(id, 4, "Process", &[])).await
}

async fn http_and_grpc_reach_the_same_value(host: &Host) -> Result<(), String> {
    let id = "http";
    let line = format!("POST /tck/model/entity/{id}");
    host.http.answers(&line, Some(&json!({"actions": [update("x")]})), &json!({"message": "x"})).await?;
    ask(host, id, &[], "x").await?;
    host.http.answers(&line, Some(&json!({"actions": [{"delete": {}}]})), &json!({"message": ""})).await?;
    host.activation(HANDLE, MODEL, id).await.map(drop)
}

async fn a_forward_of_a_value_is_answered_by_the_second(host: &Host) -> Result<(), String> {
    let id = "forward";
    ask(host, id, &[update("kept"), json!({"forward": {"id": "forward-other"}})], "").await?;
    ask(host, id, &[], "kept").await?;
    host.activation(HANDLE, MODEL, id).await?;
    second_is_called(host, "forward-other").await
}

async fn effects_of_a_value_reach_the_second(host: &Host) -> Result<(), String> {
    let id = "effects";
    let effects = [json!({"effect": {"id": "later"}}), json!({"effect": {"id": "now", "synchronous": true}})];
    ask(host, id, &[&effects[..], &[update("v")]].concat(), "v").await?;
    host.activation(HANDLE, MODEL, id).await?;
    second_is_called(host, "later").await?;
    second_is_called(host, "now").await
}

async fn a_refusal_leaves_the_value_as_it_was(host: &Host) -> Result<(), String> {
    let id = "refused";
    ask(host, id, &[update("kept")], "kept").await?;
    let asked = json!([update("lost"), {"fail": {"message": "no such value"}}]);
    host.client.refuses(PROCESS, &json!({"id": id, "actions": asked}), Code::Unknown, "no such value").await?;
    let line = format!("POST /tck/model/entity/{id}");
    host.http.refuses(&line, Some(&json!({"actions": asked})), "no such value").await?;
    ask(host, id, &[], "kept").await?;
    host.activation(HANDLE, MODEL, id).await.map(drop)
}

async fn the_configured_value_leaves_soon_by_a_clean_half_close(host: &Host) -> Result<(), String> {
    for _ in 0..2 {
        let path = format!("/{CONFIGURED}/Call");
        host.client.answers(&path, &json!({"id": "soon"}), &json!({"message": ""})).await?;
        let mut stream = host.activation(HANDLE, CONFIGURED, "soon").await?;
        stream.goes_in(&init(CONFIGURED, "soon")).await?;
        stream.goes_in(&command("soon", 1, "Call", &[])).await?;
        stream.comes_out(&replied(1, &response(""), &json!({}))).await?;
        stream.ends().await?;
    }
    Ok(())
}
