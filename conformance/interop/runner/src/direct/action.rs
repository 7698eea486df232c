// SPDX-License-Identifier: Apache-2.0
//! Actions in all four shapes: reply, forward, refusal and nothing, each with effects.

use serde_json::{Value, json};

use crate::grpc::Call;
use crate::scenario::{Scenario, scenarios};
use crate::site::{Sdk, Site};
use crate::words::{any, effect, forward, reply, with};

const MODEL: &str = "cloudstate.tck.model.action.ActionTckModel";
const TWO: &str = "cloudstate.tck.model.action.ActionTwo";
const UNARY: &str = "/cloudstate.action.ActionProtocol/handleUnary";

pub(super) fn scenarios() -> Vec<Scenario<Site>> {
    let mut all = scenarios!(
        MODEL,
        [
            one_command_has_one_answer_of_each_kind,
            every_kind_of_answer_carries_effects,
            metadata_of_a_command_comes_back_with_the_reply,
            a_stream_in_is_answered_when_it_ends,
            a_stream_in_without_messages_is_answered,
            effects_of_a_stream_in_add_up,
            a_stream_out_answers_group_by_group,
            a_stream_out_of_no_groups_ends_well,
            a_stream_both_ways_answers_as_it_goes,
            a_stream_both_ways_ends_when_it_is_closed,
        ]
    );
    all.extend(scenarios!(TWO, [the_second_action_answers_nothing]));
    all
}

fn request(groups: &[Vec<Value>]) -> Value {
    let groups: Vec<Value> = groups.iter().map(|steps| json!({"steps": steps})).collect();
    any("cloudstate.tck.model.action.Request", &json!({"groups": groups}))
}

fn response(message: &str) -> Value {
    reply(any("cloudstate.tck.model.action.Response", &json!({"message": message})))
}

fn other(id: &str) -> Value {
    any("cloudstate.tck.model.action.OtherRequest", &json!({"id": id}))
}

fn says(message: &str) -> Value {
    json!({"reply": {"message": message}})
}

fn hands_on(id: &str) -> Value {
    json!({"forward": {"id": id}})
}

fn refuses(message: &str) -> Value {
    json!({"fail": {"message": message}})
}

fn also(id: &str, synchronous: bool) -> Value {
    json!({"effect": {"id": id, "synchronous": synchronous}})
}

fn effects(of: &[(&str, bool)]) -> Value {
    json!({"sideEffects": of.iter().map(|(id, now)| effect(TWO, "Call", other(id), *now)).collect::<Vec<_>>()})
}

fn refusal(message: &str) -> Value {
    json!({"failure": {"description": message}})
}

/// A whole command.
fn command(name: &str, groups: &[Vec<Value>]) -> Value {
    json!({"serviceName": MODEL, "name": name, "payload": request(groups)})
}

/// The first message of a stream: it names the command and carries nothing.
fn first(name: &str) -> Value {
    json!({"serviceName": MODEL, "name": name})
}

/// A later message: it carries something and names nothing.
fn later(groups: &[Vec<Value>]) -> Value {
    json!({"payload": request(groups), "metadata": {}})
}

async fn unary(site: &Site, groups: &[Vec<Value>], told: &Value) -> Result<(), String> {
    site.client.answers(UNARY, &command("ProcessUnary", groups), told).await
}

async fn one_command_has_one_answer_of_each_kind(site: &Site) -> Result<(), String> {
    unary(site, &[vec![says("one")]], &response("one")).await?;
    unary(site, &[vec![hands_on("id")]], &forward(TWO, "Call", other("id"))).await?;
    unary(site, &[vec![refuses("no")]], &refusal("no")).await?;
    unary(site, &[], &json!({})).await?;
    unary(site, &[vec![says("one")], vec![says("two")]], &response("two")).await
}

async fn every_kind_of_answer_carries_effects(site: &Site) -> Result<(), String> {
    let two = [("a", false), ("b", true)];
    let steps = |last: Option<Value>| [vec![also("a", false), also("b", true)], last.into_iter().collect()].concat();
    unary(site, &[steps(None)], &effects(&two)).await?;
    unary(site, &[steps(Some(says("one")))], &with(response("one"), &effects(&two))).await?;
    unary(site, &[steps(Some(hands_on("c")))], &with(forward(TWO, "Call", other("c")), &effects(&two))).await?;
    // To adjoin a command that fails has changed nothing, and asked for nothing.
    let kept = if site.sdk == Sdk::Python { json!({}) } else { effects(&two) };
    unary(site, &[steps(Some(refuses("no")))], &with(refusal("no"), &kept)).await
}

async fn metadata_of_a_command_comes_back_with_the_reply(site: &Site) -> Result<(), String> {
    let metadata = json!({"entries": [{"key": "x-one", "stringValue": "1"}, {"key": "x-one", "stringValue": "2"}]});
    let asked = with(command("ProcessUnary", &[vec![says("one")]]), &json!({"metadata": metadata}));
    // The other SDK does that by itself, adjoin's not.
    let back = if site.sdk == Sdk::Python { json!({}) } else { json!({"metadata": metadata}) };
    let payload = any("cloudstate.tck.model.action.Response", &json!({"message": "one"}));
    site.client.answers(UNARY, &asked, &json!({"reply": with(json!({"payload": payload}), &back)})).await
}

async fn stream(site: &Site, shape: &str, asked: &[Value]) -> Result<Call, String> {
    let mut call = site.client.call(&format!("/cloudstate.action.ActionProtocol/{shape}"))?;
    for message in asked {
        call.send(message).await?;
    }
    Ok(call)
}

/// Everything is sent, and the stream closed, before the first answer is looked at.
async fn streamed(site: &Site, shape: &str, asked: &[Value], told: &[Value]) -> Result<(), String> {
    let mut call = stream(site, shape, asked).await?;
    call.close();
    for message in told {
        call.tells(message).await?;
    }
    call.ended().await
}

async fn a_stream_in_is_answered_when_it_ends(site: &Site) -> Result<(), String> {
    let begun = first("ProcessStreamedIn");
    let asked = [begun.clone(), later(&[]), later(&[vec![says("one")]]), later(&[])];
    streamed(site, "handleStreamedIn", &asked, &[response("one")]).await?;
    let asked = [begun.clone(), later(&[vec![says("one")]]), later(&[vec![hands_on("id")]])];
    streamed(site, "handleStreamedIn", &asked, &[forward(TWO, "Call", other("id"))]).await?;
    streamed(site, "handleStreamedIn", &[begun, later(&[vec![refuses("no")]])], &[refusal("no")]).await
}

async fn a_stream_in_without_messages_is_answered(site: &Site) -> Result<(), String> {
    streamed(site, "handleStreamedIn", &[first("ProcessStreamedIn")], &[json!({})]).await
}

async fn effects_of_a_stream_in_add_up(site: &Site) -> Result<(), String> {
    let asked = [
        first("ProcessStreamedIn"),
        later(&[vec![also("a", false)]]),
        later(&[vec![also("b", true), also("c", false)]]),
        later(&[vec![says("one")]]),
        later(&[vec![also("d", false)]]),
    ];
    let told = effects(&[("a", false), ("b", true), ("c", false), ("d", false)]);
    streamed(site, "handleStreamedIn", &asked, &[with(response("one"), &told)]).await
}

/// A part of a streamed reply that hands the call on. An element of adjoin's is a message, and its service answers itself.
fn part(site: &Site, id: &str) -> Value {
    if site.sdk == Sdk::Python { response("") } else { forward(TWO, "Call", other(id)) }
}

/// A part that says nothing: to adjoin, an empty message.
fn silence(site: &Site) -> Value {
    if site.sdk == Sdk::Python { response("") } else { json!({}) }
}

async fn a_stream_out_answers_group_by_group(site: &Site) -> Result<(), String> {
    let groups = [
        vec![says("one")],
        vec![also("a", true), hands_on("b")],
        vec![],
        vec![also("c", false)],
        vec![refuses("no")],
        vec![says("last")],
    ];
    let mut told = vec![
        response("one"),
        with(part(site, "b"), &effects(&[("a", true)])),
        silence(site),
        with(silence(site), &effects(&[("c", false)])),
        refusal("no"),
    ];
    // With adjoin's a refusal ends the stream.
    told.extend((site.sdk != Sdk::Python).then(|| response("last")));
    streamed(site, "handleStreamedOut", &[command("ProcessStreamedOut", &groups)], &told).await
}

async fn a_stream_out_of_no_groups_ends_well(site: &Site) -> Result<(), String> {
    streamed(site, "handleStreamedOut", &[command("ProcessStreamedOut", &[])], &[]).await
}

async fn a_stream_both_ways_answers_as_it_goes(site: &Site) -> Result<(), String> {
    let mut call = stream(site, "handleStreamed", &[first("ProcessStreamed")]).await?;
    call.send(&later(&[vec![says("one")]])).await?;
    call.tells(&response("one")).await?;
    call.send(&later(&[vec![says("two")], vec![also("a", true), says("three")]])).await?;
    call.tells(&response("two")).await?;
    call.tells(&with(response("three"), &effects(&[("a", true)]))).await?;
    call.send(&later(&[vec![hands_on("id")]])).await?;
    call.tells(&part(site, "id")).await?;
    call.send(&later(&[vec![refuses("no")]])).await?;
    call.tells(&refusal("no")).await?;
    call.close();
    call.ended().await
}

async fn a_stream_both_ways_ends_when_it_is_closed(site: &Site) -> Result<(), String> {
    streamed(site, "handleStreamed", &[first("ProcessStreamed")], &[]).await
}

async fn the_second_action_answers_nothing(site: &Site) -> Result<(), String> {
    let asked = json!({"serviceName": TWO, "name": "Call", "payload": other("id")});
    site.client.answers(UNARY, &asked, &response("")).await
}
