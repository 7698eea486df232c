// SPDX-License-Identifier: Apache-2.0
//! Actions through the proxy, in all four shapes.

use serde_json::{Value, json};
use tonic::Code;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::host::Host;
use crate::relay::Cursor;
use crate::scenario::{Scenario, scenarios};
use crate::site::Sdk;
use crate::words::any;

const MODEL: &str = "cloudstate.tck.model.action.ActionTckModel";
const TWO: &str = "cloudstate.tck.model.action.ActionTwo";

pub(super) fn scenarios(sdk: Sdk) -> Vec<Scenario<Host>> {
    let mut all = scenarios!(
        MODEL,
        [
            an_action_answers_one_command,
            an_action_is_reached_by_its_route,
            an_action_hands_on_to_the_second,
            effects_of_an_action_reach_the_second_whatever_it_answers,
            an_action_refuses_with_its_description,
            a_client_streams_into_an_action,
            an_action_streams_out,
            an_action_streams_out_as_lines_of_json,
            an_action_streams_both_ways,
            a_refusal_ends_the_stream_of_an_action,
            metadata_of_a_call_reaches_an_action,
        ]
    );
    if sdk == Sdk::Go {
        all.extend(scenarios!(MODEL, [metadata_of_a_reply_comes_back_as_headers]));
    }
    all
}

fn path(name: &str) -> String {
    format!("/{MODEL}/{name}")
}

fn groups(groups: &[Vec<Value>]) -> Value {
    json!({"groups": groups.iter().map(|steps| json!({"steps": steps})).collect::<Vec<_>>()})
}

fn payload(asked: &[Vec<Value>]) -> Value {
    any("cloudstate.tck.model.action.Request", &groups(asked))
}

fn says(message: &str) -> Value {
    json!({"reply": {"message": message}})
}

fn hands_on(id: &str) -> Value {
    json!({"forward": {"id": id}})
}

fn also(id: &str, synchronous: bool) -> Value {
    json!({"effect": {"id": id, "synchronous": synchronous}})
}

fn refuses(message: &str) -> Value {
    json!({"fail": {"message": message}})
}

fn message(text: &str) -> Value {
    json!({"message": text})
}

/// The call to the function for this command.
async fn call(host: &Host, shape: &str, service: &str, name: &str) -> Result<Cursor, String> {
    let path = format!("/cloudstate.action.ActionProtocol/{shape}");
    let found = host.call(&path, |first| {
        crate::site::text(first, "service_name") == service && crate::site::text(first, "name") == name
    });
    found.await
}

/// A whole command, as it reaches the function.
async fn unary_reaches(host: &Host, asked: &[Vec<Value>]) -> Result<(), String> {
    let mut call = call(host, "handleUnary", MODEL, "ProcessUnary").await?;
    call.goes_in(&json!({"serviceName": MODEL, "name": "ProcessUnary", "payload": payload(asked)})).await?;
    Ok(())
}

async fn second_is_called(host: &Host, id: &str) -> Result<(), String> {
    let mut call = call(host, "handleUnary", TWO, "Call").await?;
    let other = any("cloudstate.tck.model.action.OtherRequest", &json!({"id": id}));
    call.goes_in(&json!({"serviceName": TWO, "name": "Call", "payload": other})).await
}

async fn ask(host: &Host, asked: &[Vec<Value>], answer: &str) -> Result<(), String> {
    host.client.answers(&path("ProcessUnary"), &groups(asked), &message(answer)).await?;
    unary_reaches(host, asked).await
}

async fn an_action_answers_one_command(host: &Host) -> Result<(), String> {
    ask(host, &[vec![says("one")]], "one").await
}

async fn an_action_is_reached_by_its_route(host: &Host) -> Result<(), String> {
    let asked = [vec![says("one")]];
    host.http.answers("POST /tck/model/action/unary", Some(&groups(&asked)), &message("one")).await?;
    unary_reaches(host, &asked).await
}

async fn an_action_hands_on_to_the_second(host: &Host) -> Result<(), String> {
    ask(host, &[vec![hands_on("other")]], "").await?;
    second_is_called(host, "other").await
}

async fn effects_of_an_action_reach_the_second_whatever_it_answers(host: &Host) -> Result<(), String> {
    ask(host, &[vec![also("a", false), also("b", true), says("one")]], "one").await?;
    // One does not wait for the other.
    let mut seen = vec![effect_target(host).await?, effect_target(host).await?];
    seen.sort();
    if seen != ["a", "b"] {
        return Err(format!("effects reached {seen:?}"));
    }
    let asked = [vec![also("c", true), refuses("no")]];
    host.client.refuses(&path("ProcessUnary"), &groups(&asked), Code::Unknown, "no").await?;
    unary_reaches(host, &asked).await?;
    // To adjoin a command that fails has asked for nothing; the last scenario of all sees that nothing came.
    if host.sdk == Sdk::Python { Ok(()) } else { second_is_called(host, "c").await }
}

async fn effect_target(host: &Host) -> Result<String, String> {
    let mut call = call(host, "handleUnary", TWO, "Call").await?;
    let first = call.message_in().await?;
    let payload = serde_json::to_value(&first).map_err(|error| error.to_string())?;
    Ok(payload["payload"]["id"].as_str().unwrap_or_default().to_owned())
}

async fn an_action_refuses_with_its_description(host: &Host) -> Result<(), String> {
    let asked = [vec![refuses("expected failure")]];
    host.client.refuses(&path("ProcessUnary"), &groups(&asked), Code::Unknown, "expected failure").await?;
    unary_reaches(host, &asked).await?;
    host.http.refuses("POST /tck/model/action/unary", Some(&groups(&asked)), "expected failure").await?;
    unary_reaches(host, &asked).await
}

/// The first message names the command and carries nothing; later ones carry something and name nothing.
async fn stream_reaches(host: &Host, shape: &str, name: &str, asked: &[&[Vec<Value>]]) -> Result<Cursor, String> {
    let mut call = call(host, shape, MODEL, name).await?;
    call.goes_in(&json!({"serviceName": MODEL, "name": name})).await?;
    for asked in asked {
        call.goes_in(&json!({"payload": payload(asked)})).await?;
    }
    Ok(call)
}

async fn a_client_streams_into_an_action(host: &Host) -> Result<(), String> {
    let asked = [[vec![says("one")]], [vec![says("two")]]];
    let mut client = host.client.call(&path("ProcessStreamedIn"))?;
    for asked in &asked {
        client.send(&groups(asked)).await?;
    }
    client.close();
    client.tells(&message("two")).await?;
    client.ended().await?;
    stream_reaches(host, "handleStreamedIn", "ProcessStreamedIn", &[&asked[0], &asked[1]]).await.map(drop)
}

async fn an_action_streams_out(host: &Host) -> Result<(), String> {
    let asked = [vec![says("one")], vec![], vec![hands_on("streamed")], vec![says("three")]];
    let mut client = host.client.call(&path("ProcessStreamedOut"))?;
    client.send(&groups(&asked)).await?;
    client.close();
    // A group that answers nothing is nothing to the client; adjoin's elements are messages all.
    let answers: &[&str] = if host.sdk == Sdk::Python { &["one", "", "", "three"] } else { &["one", "", "three"] };
    for answer in answers {
        client.tells(&message(answer)).await?;
    }
    client.ended().await?;
    let mut call = call(host, "handleStreamedOut", MODEL, "ProcessStreamedOut").await?;
    call.goes_in(&json!({"serviceName": MODEL, "name": "ProcessStreamedOut", "payload": payload(&asked)})).await?;
    if host.sdk == Sdk::Python { Ok(()) } else { second_is_called(host, "streamed").await }
}

async fn an_action_streams_out_as_lines_of_json(host: &Host) -> Result<(), String> {
    let asked = groups(&[vec![says("one")], vec![says("two")]]);
    let answer = host.http.ask(&format!("POST {}", path("ProcessStreamedOut")), Some(&asked)).await?;
    let lines: Vec<Value> = answer.body.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if answer.status != 200 || lines != [message("one"), message("two")] {
        return Err(format!("was answered with {answer:?}"));
    }
    call(host, "handleStreamedOut", MODEL, "ProcessStreamedOut").await.map(drop)
}

async fn an_action_streams_both_ways(host: &Host) -> Result<(), String> {
    let asked = [[vec![says("one")]], [vec![says("two")]]];
    let mut client = host.client.call(&path("ProcessStreamed"))?;
    client.send(&groups(&asked[0])).await?;
    client.tells(&message("one")).await?;
    client.send(&groups(&asked[1])).await?;
    client.tells(&message("two")).await?;
    client.close();
    client.ended().await?;
    let mut call = call(host, "handleStreamed", MODEL, "ProcessStreamed").await?;
    call.goes_in(&json!({"serviceName": MODEL, "name": "ProcessStreamed"})).await?;
    call.goes_in(&json!({"payload": payload(&asked[0])})).await?;
    call.answers().await?;
    call.goes_in(&json!({"payload": payload(&asked[1])})).await?;
    call.answers().await?;
    call.ends().await
}

async fn a_refusal_ends_the_stream_of_an_action(host: &Host) -> Result<(), String> {
    let asked = [vec![says("one")], vec![refuses("no more")], vec![says("lost")]];
    let mut client = host.client.call(&path("ProcessStreamedOut"))?;
    client.send(&groups(&asked)).await?;
    client.close();
    client.tells(&message("one")).await?;
    client.fails(Code::Unknown, "no more").await?;
    call(host, "handleStreamedOut", MODEL, "ProcessStreamedOut").await.map(drop)
}

/// Asks with one entry of metadata; gives what the answer began with.
async fn carried(host: &Host) -> Result<Option<MetadataMap>, String> {
    let mut metadata = MetadataMap::new();
    metadata.insert("x-interop", MetadataValue::from_static("carried"));
    let mut client = host.client.call_with(&path("ProcessUnary"), metadata)?;
    client.send(&groups(&[vec![says("one")]])).await?;
    client.close();
    client.tells(&message("one")).await?;
    let back = client.headers().cloned();
    client.ended().await?;
    Ok(back)
}

async fn metadata_of_a_call_reaches_an_action(host: &Host) -> Result<(), String> {
    carried(host).await?;
    let mut call = call(host, "handleUnary", MODEL, "ProcessUnary").await?;
    let first = serde_json::to_value(call.message_in().await?).map_err(|error| error.to_string())?;
    let entries = first["metadata"]["entries"].as_array().cloned().unwrap_or_default();
    let wanted = json!({"key": "x-interop", "stringValue": "carried"});
    if entries.contains(&wanted) { Ok(()) } else { Err(format!("the function was told {entries:?}")) }
}

/// The SDK answers with the metadata of the call.
async fn metadata_of_a_reply_comes_back_as_headers(host: &Host) -> Result<(), String> {
    let back = carried(host).await?;
    unary_reaches(host, &[vec![says("one")]]).await?;
    let value = back.as_ref().and_then(|headers| headers.get("x-interop")?.to_str().ok());
    if value == Some("carried") { Ok(()) } else { Err(format!("the answer began with {back:?}")) }
}
