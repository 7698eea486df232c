// SPDX-License-Identifier: Apache-2.0
//! Value entities: the state of their beginning, update and delete, forwards, effects, refusals.

use serde_json::{Value, json};

use crate::grpc::Call;
use crate::scenario::{Scenario, scenarios};
use crate::site::{Sdk, Site};
use crate::words::{any, effect, forward, reply, with};

const MODEL: &str = "cloudstate.tck.model.valueentity.ValueEntityTckModel";
const TWO: &str = "cloudstate.tck.model.valueentity.ValueEntityTwo";
const CONFIGURED: &str = "cloudstate.tck.model.valueentity.ValueEntityConfigured";

pub(super) fn scenarios() -> Vec<Scenario<Site>> {
    let mut all = scenarios!(
        MODEL,
        [
            a_new_value_is_empty,
            a_value_begins_with_what_was_stored,
            an_update_is_told_and_answered,
            a_delete_is_told_and_answered,
            the_last_of_many_changes_counts,
            a_forward_carries_the_update_with_it,
            effects_of_a_value_are_told_in_order,
            a_refusal_changes_no_value,
            a_value_stream_that_is_closed_ends_well,
            a_value_command_before_init_ends_the_stream,
        ]
    );
    all.extend(scenarios!(TWO, [the_second_value_answers_nothing]));
    all.extend(scenarios!(CONFIGURED, [the_configured_value_answers_nothing]));
    all
}

/// One activation.
struct Entity {
    call: Call,
    id: String,
    commands: i64,
}

impl Entity {
    async fn new(site: &Site, service: &str, id: &str, stored: Option<&str>) -> Result<Self, String> {
        let mut call = site.client.call("/cloudstate.valueentity.ValueEntity/handle")?;
        // The state is there even when it holds no value.
        let state = stored.map_or_else(|| json!({}), |value| json!({"value": persisted(value)}));
        call.send(&json!({"init": {"serviceName": service, "entityId": id, "state": state}})).await?;
        Ok(Self { call, id: id.to_owned(), commands: 0 })
    }

    async fn command(&mut self, name: &str, actions: &[Value]) -> Result<(), String> {
        self.commands += 1;
        let payload = request(&self.id, actions);
        let command = json!({"entityId": self.id, "id": self.commands, "name": name, "payload": payload});
        self.call.send(&json!({"command": command})).await
    }

    async fn replies(&mut self, action: &Value, rest: &Value) -> Result<(), String> {
        let reply = with(json!({"commandId": self.commands, "clientAction": action}), rest);
        self.call.tells(&json!({"reply": reply})).await
    }

    async fn asked(&mut self, actions: &[Value], action: &Value, rest: &Value) -> Result<(), String> {
        self.command("Process", actions).await?;
        self.replies(action, rest).await
    }

    async fn leaves(mut self) -> Result<(), String> {
        self.call.close();
        self.call.ended().await
    }
}

fn request(id: &str, actions: &[Value]) -> Value {
    any("cloudstate.tck.model.valueentity.Request", &json!({"id": id, "actions": actions}))
}

fn response(message: &str) -> Value {
    reply(any("cloudstate.tck.model.valueentity.Response", &json!({"message": message})))
}

fn persisted(value: &str) -> Value {
    any("cloudstate.tck.model.valueentity.Persisted", &json!({"value": value}))
}

fn update(value: &str) -> Value {
    json!({"update": {"value": value}})
}

fn delete() -> Value {
    json!({"delete": {}})
}

fn updated(value: &str) -> Value {
    json!({"stateAction": {"update": {"value": persisted(value)}}})
}

fn deleted() -> Value {
    json!({"stateAction": {"delete": {}}})
}

async fn a_new_value_is_empty(site: &Site) -> Result<(), String> {
    let mut entity = Entity::new(site, MODEL, "new", None).await?;
    entity.asked(&[], &response(""), &json!({})).await?;
    entity.leaves().await
}

async fn a_value_begins_with_what_was_stored(site: &Site) -> Result<(), String> {
    let mut entity = Entity::new(site, MODEL, "stored", Some("kept")).await?;
    entity.asked(&[], &response("kept"), &json!({})).await?;
    entity.asked(&[update("new")], &response("new"), &updated("new")).await?;
    entity.leaves().await
}

async fn an_update_is_told_and_answered(site: &Site) -> Result<(), String> {
    let mut entity = Entity::new(site, MODEL, "update", None).await?;
    entity.asked(&[update("one")], &response("one"), &updated("one")).await?;
    entity.asked(&[], &response("one"), &json!({})).await?;
    entity.asked(&[update("two")], &response("two"), &updated("two")).await?;
    entity.leaves().await
}

async fn a_delete_is_told_and_answered(site: &Site) -> Result<(), String> {
    let mut entity = Entity::new(site, MODEL, "delete", Some("one")).await?;
    entity.asked(&[delete()], &response(""), &deleted()).await?;
    entity.asked(&[], &response(""), &json!({})).await?;
    entity.asked(&[update("two")], &response("two"), &updated("two")).await?;
    entity.leaves().await
}

async fn the_last_of_many_changes_counts(site: &Site) -> Result<(), String> {
    let mut entity = Entity::new(site, MODEL, "many", None).await?;
    entity.asked(&[update("a"), update("b"), update("c")], &response("c"), &updated("c")).await?;
    entity.asked(&[update("d"), delete()], &response(""), &deleted()).await?;
    entity.asked(&[delete(), update("e")], &response("e"), &updated("e")).await?;
    entity.leaves().await
}

async fn a_forward_carries_the_update_with_it(site: &Site) -> Result<(), String> {
    let mut entity = Entity::new(site, MODEL, "forward", None).await?;
    let handed_on = forward(TWO, "Call", request("other", &[]));
    entity.asked(&[json!({"forward": {"id": "other"}})], &handed_on, &json!({})).await?;
    entity.asked(&[update("a"), json!({"forward": {"id": "other"}})], &handed_on, &updated("a")).await?;
    entity.leaves().await
}

async fn effects_of_a_value_are_told_in_order(site: &Site) -> Result<(), String> {
    let mut entity = Entity::new(site, MODEL, "effects", None).await?;
    let asked = [json!({"effect": {"id": "a"}}), json!({"effect": {"id": "b", "synchronous": true}}), update("v")];
    let told = json!([effect(TWO, "Call", request("a", &[]), false), effect(TWO, "Call", request("b", &[]), true)]);
    entity.asked(&asked, &response("v"), &with(updated("v"), &json!({"sideEffects": told}))).await?;
    entity.asked(&[], &response("v"), &json!({})).await?;
    entity.leaves().await
}

async fn a_refusal_changes_no_value(site: &Site) -> Result<(), String> {
    let mut entity = Entity::new(site, MODEL, "refused", Some("kept")).await?;
    let asked = [update("lost"), json!({"effect": {"id": "a"}}), json!({"fail": {"message": "not that"}})];
    let refused = json!({"failure": {"commandId": 1, "description": "not that"}});
    entity.asked(&asked, &refused, &json!({})).await?;
    entity.asked(&[], &response("kept"), &json!({})).await?;
    entity.leaves().await
}

async fn a_value_stream_that_is_closed_ends_well(site: &Site) -> Result<(), String> {
    Entity::new(site, MODEL, "closed", None).await?.leaves().await
}

async fn a_value_command_before_init_ends_the_stream(site: &Site) -> Result<(), String> {
    let mut call = site.client.call("/cloudstate.valueentity.ValueEntity/handle")?;
    call.send(&json!({"command": {"entityId": "x", "id": 1, "name": "Process", "payload": request("x", &[])}})).await?;
    if site.sdk == Sdk::Python {
        let told = call.message().await?;
        if !told.has_field_by_name("failure") {
            return Err(format!("told {told:?}, to fail"));
        }
    }
    // The Go SDK fails the call itself, without a message before.
    call.over().await
}

async fn answers_nothing(site: &Site, service: &str) -> Result<(), String> {
    let mut entity = Entity::new(site, service, "silent", None).await?;
    entity.command("Call", &[]).await?;
    entity.replies(&response(""), &json!({})).await?;
    entity.leaves().await
}

async fn the_second_value_answers_nothing(site: &Site) -> Result<(), String> {
    answers_nothing(site, TWO).await
}

async fn the_configured_value_answers_nothing(site: &Site) -> Result<(), String> {
    answers_nothing(site, CONFIGURED).await
}
