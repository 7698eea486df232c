// SPDX-License-Identifier: Apache-2.0
//! Event-sourced entities: replay, events, snapshots, forwards, effects, failures.

use serde_json::{Value, json};

use crate::grpc::Call;
use crate::scenario::{Scenario, scenarios};
use crate::site::{Sdk, Site};
use crate::words::{any, effect, forward, reply, with};

const MODEL: &str = "cloudstate.tck.model.EventSourcedTckModel";
const TWO: &str = "cloudstate.tck.model.EventSourcedTwo";
const CONFIGURED: &str = "cloudstate.tck.model.EventSourcedConfigured";
const HANDLE: &str = "/cloudstate.eventsourced.EventSourced/handle";

pub(super) fn scenarios() -> Vec<Scenario<Site>> {
    let mut all = scenarios!(
        MODEL,
        [
            a_new_entity_answers_from_nothing,
            events_are_told_and_applied_at_once,
            events_that_were_persisted_are_replayed,
            every_fifth_event_brings_a_snapshot,
            a_batch_that_crosses_a_fifth_brings_one_snapshot_of_all_of_it,
            an_entity_begins_with_its_snapshot,
            a_forward_carries_the_events_with_it,
            effects_are_told_in_order,
            forward_and_effects_go_together,
            a_refusal_carries_neither_events_nor_effects,
            a_refusal_leaves_the_entity_as_it_was,
            a_stream_that_is_closed_ends_well,
            many_entities_live_beside_each_other,
            a_command_before_init_fails_the_stream,
            a_second_init_fails_the_stream,
        ]
    );
    all.extend(scenarios!(TWO, [the_second_answers_nothing]));
    all.extend(scenarios!(CONFIGURED, [the_configured_answers_nothing]));
    all
}

/// One activation of an entity.
pub(super) struct Entity {
    call: Call,
    id: String,
    commands: i64,
}

impl Entity {
    /// Opens its stream.
    pub(super) async fn new(site: &Site, service: &str, id: &str, snapshot: Option<Value>) -> Result<Self, String> {
        let mut call = site.client.call(HANDLE)?;
        let init = json!({"serviceName": service, "entityId": id});
        let init = with(init, &snapshot.map_or_else(|| json!({}), |snapshot| json!({"snapshot": snapshot})));
        call.send(&json!({"init": init})).await?;
        Ok(Self { call, id: id.to_owned(), commands: 0 })
    }

    /// Replays an event.
    pub(super) async fn event(&mut self, sequence: i64, payload: Value) -> Result<(), String> {
        self.call.send(&json!({"event": {"sequence": sequence, "payload": payload}})).await
    }

    /// Sends a command, numbered as a proxy numbers them.
    pub(super) async fn command(&mut self, name: &str, payload: Value) -> Result<(), String> {
        self.commands += 1;
        let command = json!({"entityId": self.id, "id": self.commands, "name": name, "payload": payload});
        self.call.send(&json!({"command": command})).await
    }

    /// Awaits exactly this reply to the last command.
    pub(super) async fn replies(&mut self, action: &Value, rest: &Value) -> Result<(), String> {
        let reply = with(json!({"commandId": self.commands, "clientAction": action}), rest);
        self.call.tells(&json!({"reply": reply})).await
    }

    /// Awaits a refusal of the last command; whether it asks for a restart is the SDK's.
    pub(super) async fn refuses(&mut self, said: &str, restart: bool) -> Result<(), String> {
        let failure = json!({"commandId": self.commands, "description": said, "restart": restart});
        self.replies(&json!({"failure": failure}), &json!({})).await
    }

    /// Awaits that the last command fails the stream, and that this ends it.
    pub(super) async fn breaks(mut self) -> Result<(), String> {
        let told = self.call.message().await?;
        let failure = told.get_field_by_name("failure").and_then(|value| value.as_message().cloned());
        let failure = failure.filter(|_| told.has_field_by_name("failure")).ok_or("no failure was told")?;
        let command = failure.get_field_by_name("command_id").and_then(|value| value.as_i64());
        if command != Some(self.commands) {
            return Err(format!("the failure is of command {command:?}, not of {}", self.commands));
        }
        self.call.over().await
    }

    /// Half-closes, and awaits a good end.
    pub(super) async fn leaves(mut self) -> Result<(), String> {
        self.call.close();
        self.call.ended().await
    }
}

fn request(id: &str, actions: &[Value]) -> Value {
    any("cloudstate.tck.model.Request", &json!({"id": id, "actions": actions}))
}

fn response(message: &str) -> Value {
    reply(any("cloudstate.tck.model.Response", &json!({"message": message})))
}

fn persisted(value: &str) -> Value {
    any("cloudstate.tck.model.Persisted", &json!({"value": value}))
}

fn emit(value: &str) -> Value {
    json!({"emit": {"value": value}})
}

fn events(values: &[&str]) -> Value {
    json!({"events": values.iter().map(|value| persisted(value)).collect::<Vec<_>>()})
}

/// These effects on the second; the Java SDK forgets them.
fn effects(site: &Site, of: &[(&str, bool)]) -> Value {
    let told = of.iter().map(|(id, synchronous)| effect(TWO, "Call", request(id, &[]), *synchronous));
    json!({"sideEffects": told.filter(|_| site.sdk != Sdk::Java).collect::<Vec<_>>()})
}

async fn model(site: &Site, id: &str) -> Result<Entity, String> {
    Entity::new(site, MODEL, id, None).await
}

async fn a_new_entity_answers_from_nothing(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "new").await?;
    entity.command("Process", request("new", &[])).await?;
    entity.replies(&response(""), &json!({})).await?;
    entity.leaves().await
}

async fn events_are_told_and_applied_at_once(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "emits").await?;
    entity.command("Process", request("emits", &[emit("A")])).await?;
    entity.replies(&response("A"), &events(&["A"])).await?;
    entity.command("Process", request("emits", &[emit("B"), emit("C")])).await?;
    entity.replies(&response("ABC"), &events(&["B", "C"])).await?;
    entity.command("Process", request("emits", &[])).await?;
    entity.replies(&response("ABC"), &json!({})).await?;
    entity.leaves().await
}

async fn events_that_were_persisted_are_replayed(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "replayed").await?;
    for (sequence, value) in [(1, "A"), (2, "B"), (3, "C")] {
        entity.event(sequence, persisted(value)).await?;
    }
    entity.command("Process", request("replayed", &[emit("D")])).await?;
    entity.replies(&response("ABCD"), &events(&["D"])).await?;
    entity.command("Process", request("replayed", &[emit("E")])).await?;
    entity.replies(&response("ABCDE"), &with(events(&["E"]), &json!({"snapshot": persisted("ABCDE")}))).await?;
    entity.leaves().await
}

async fn every_fifth_event_brings_a_snapshot(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "fifth").await?;
    let mut text = String::new();
    for number in 1..=10 {
        let value = number.to_string();
        text.push_str(&value);
        let snapshot = if number % 5 == 0 { json!({"snapshot": persisted(&text)}) } else { json!({}) };
        entity.command("Process", request("fifth", &[emit(&value)])).await?;
        entity.replies(&response(&text), &with(events(&[&value]), &snapshot)).await?;
    }
    entity.leaves().await
}

async fn a_batch_that_crosses_a_fifth_brings_one_snapshot_of_all_of_it(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "batch").await?;
    entity.command("Process", request("batch", &[emit("A"), emit("B"), emit("C")])).await?;
    entity.replies(&response("ABC"), &events(&["A", "B", "C"])).await?;
    let many = ["D", "E", "F"];
    entity.command("Process", request("batch", &many.map(emit))).await?;
    entity.replies(&response("ABCDEF"), &with(events(&many), &json!({"snapshot": persisted("ABCDEF")}))).await?;
    entity.leaves().await
}

async fn an_entity_begins_with_its_snapshot(site: &Site) -> Result<(), String> {
    let snapshot = json!({"snapshotSequence": 8, "snapshot": persisted("12345678")});
    let mut entity = Entity::new(site, MODEL, "snapshot", Some(snapshot)).await?;
    entity.event(9, persisted("9")).await?;
    entity.command("Process", request("snapshot", &[emit("0")])).await?;
    let told = with(events(&["0"]), &json!({"snapshot": persisted("1234567890")}));
    entity.replies(&response("1234567890"), &told).await?;
    entity.leaves().await
}

async fn a_forward_carries_the_events_with_it(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "forwards").await?;
    let asked = [json!({"forward": {"id": "other"}}), emit("A")];
    entity.command("Process", request("forwards", &asked)).await?;
    entity.replies(&forward(TWO, "Call", request("other", &[])), &events(&["A"])).await?;
    entity.leaves().await
}

async fn effects_are_told_in_order(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "effects").await?;
    let asked =
        [json!({"effect": {"id": "a", "synchronous": false}}), json!({"effect": {"id": "b", "synchronous": true}})];
    entity.command("Process", request("effects", &[&asked[..], &[emit("A")]].concat())).await?;
    let told = effects(site, &[("a", false), ("b", true)]);
    entity.replies(&response("A"), &with(events(&["A"]), &told)).await?;
    entity.leaves().await
}

async fn forward_and_effects_go_together(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "both").await?;
    let asked = [json!({"effect": {"id": "a", "synchronous": true}}), json!({"forward": {"id": "b"}})];
    entity.command("Process", request("both", &asked)).await?;
    entity.replies(&forward(TWO, "Call", request("b", &[])), &effects(site, &[("a", true)])).await?;
    entity.leaves().await
}

async fn a_refusal_carries_neither_events_nor_effects(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "refused").await?;
    let asked = [emit("A"), json!({"effect": {"id": "a"}}), json!({"fail": {"message": "no"}})];
    entity.command("Process", request("refused", &asked)).await?;
    // Go has applied the event by now, and asks to be begun anew. Java applies events after the handler, adjoin takes
    // them back.
    entity.refuses("no", site.sdk == Sdk::Go).await?;
    entity.leaves().await
}

async fn a_refusal_leaves_the_entity_as_it_was(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "again").await?;
    entity.command("Process", request("again", &[emit("A")])).await?;
    entity.replies(&response("A"), &events(&["A"])).await?;
    entity.command("Process", request("again", &[json!({"fail": {"message": "not now"}})])).await?;
    entity.refuses("not now", false).await?;
    entity.command("Process", request("again", &[emit("B")])).await?;
    entity.replies(&response("AB"), &events(&["B"])).await?;
    entity.leaves().await
}

async fn a_stream_that_is_closed_ends_well(site: &Site) -> Result<(), String> {
    let entity = model(site, "closed").await?;
    entity.leaves().await
}

async fn many_entities_live_beside_each_other(site: &Site) -> Result<(), String> {
    let mut entities = Vec::new();
    for number in 0..20 {
        entities.push(model(site, &format!("beside-{number}")).await?);
    }
    for (number, entity) in entities.iter_mut().enumerate() {
        entity.command("Process", request(&format!("beside-{number}"), &[emit(&number.to_string())])).await?;
    }
    for (number, mut entity) in entities.into_iter().enumerate() {
        let value = number.to_string();
        entity.replies(&response(&value), &events(&[&value])).await?;
        entity.leaves().await?;
    }
    Ok(())
}

/// Awaits a failure of the stream, whatever it says, and its end.
async fn fails(mut call: Call) -> Result<(), String> {
    let told = call.message().await?;
    if told.has_field_by_name("failure") { call.over().await } else { Err(format!("told {told:?}, to fail")) }
}

async fn a_command_before_init_fails_the_stream(site: &Site) -> Result<(), String> {
    let mut call = site.client.call(HANDLE)?;
    call.send(&json!({"command": {"entityId": "x", "id": 1, "name": "Process", "payload": request("x", &[])}})).await?;
    fails(call).await
}

async fn a_second_init_fails_the_stream(site: &Site) -> Result<(), String> {
    let mut entity = model(site, "twice").await?;
    entity.call.send(&json!({"init": {"serviceName": MODEL, "entityId": "twice"}})).await?;
    fails(entity.call).await
}

async fn answers_nothing(site: &Site, service: &str) -> Result<(), String> {
    let mut entity = Entity::new(site, service, "silent", None).await?;
    for _ in 0..2 {
        entity.command("Call", request("silent", &[])).await?;
        entity.replies(&response(""), &json!({})).await?;
    }
    entity.leaves().await
}

async fn the_second_answers_nothing(site: &Site) -> Result<(), String> {
    answers_nothing(site, TWO).await
}

async fn the_configured_answers_nothing(site: &Site) -> Result<(), String> {
    answers_nothing(site, CONFIGURED).await
}
