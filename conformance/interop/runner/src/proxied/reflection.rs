// SPDX-License-Identifier: Apache-2.0
//! Reflection: what tools see of the function's services.

use serde_json::{Value, json};

use crate::host::Host;
use crate::scenario::{Scenario, scenarios};

const INFO: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

pub(super) fn scenarios() -> Vec<Scenario<Host>> {
    scenarios!(
        "",
        [
            reflection_lists_itself_and_the_services_in_order,
            reflection_knows_the_files_of_a_service,
            reflection_answers_an_unknown_symbol_with_no_files,
        ]
    )
}

async fn ask(host: &Host, question: &Value) -> Result<Value, String> {
    let mut call = host.client.call(INFO)?;
    call.send(question).await?;
    let answer = call.message().await?;
    call.close();
    call.ended().await?;
    serde_json::to_value(&answer).map_err(|error| error.to_string())
}

async fn reflection_lists_itself_and_the_services_in_order(host: &Host) -> Result<(), String> {
    let answer = ask(host, &json!({"host": "anyone", "listServices": ""})).await?;
    let services = answer["listServicesResponse"]["service"].as_array().cloned().unwrap_or_default();
    let found: Vec<&str> = services.iter().filter_map(|service| service["name"].as_str()).collect();
    let mut expected: Vec<&str> = host.services().collect();
    expected.sort_unstable();
    expected.insert(0, "grpc.reflection.v1alpha.ServerReflection");
    if found == expected { Ok(()) } else { Err(format!("listed {found:?}, not {expected:?}")) }
}

async fn files(host: &Host, symbol: &str) -> Result<usize, String> {
    let answer = ask(host, &json!({"fileContainingSymbol": symbol})).await?;
    let files = answer.get("fileDescriptorResponse").ok_or_else(|| format!("{symbol}: {answer}"))?;
    Ok(files["fileDescriptorProto"].as_array().map_or(0, Vec::len))
}

async fn reflection_knows_the_files_of_a_service(host: &Host) -> Result<(), String> {
    match files(host, "cloudstate.tck.model.EventSourcedTckModel").await? {
        0 => Err("no files".into()),
        _ => Ok(()),
    }
}

async fn reflection_answers_an_unknown_symbol_with_no_files(host: &Host) -> Result<(), String> {
    match files(host, "there.is.no.Such").await? {
        0 => Ok(()),
        count => Err(format!("{count} files")),
    }
}
