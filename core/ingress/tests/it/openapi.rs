// SPDX-License-Identifier: Apache-2.0
//! `/openapi.json` is a sound OpenAPI 3.1 document, and says what the ingress does.

use serde_json::Value;

use crate::host::host;

#[tokio::test]
async fn the_document_is_valid_and_its_references_lead_somewhere() {
    let host = host().await;
    let answer = host.get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let document = answer.json();
    if let Some(file) = std::env::var_os("ADJOIN_OPENAPI_OUT") {
        std::fs::write(file, &answer.body).expect("written");
    }
    check(&document);
}

/// Whether a document is sound.
pub(crate) fn check(document: &Value) {
    // From https://spec.openapis.org/oas/3.1/schema/2022-10-07, Apache-2.0.
    let schema: Value = serde_json::from_str(include_str!("openapi-3.1.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let problems: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    check_references(document, document);
    for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
        assert!(jsonschema::meta::is_valid(schema), "{name}");
    }
}

fn check_references(document: &Value, node: &Value) {
    match node {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = reference.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some_and(|target| !target.is_null()), "{reference}");
            }
            fields.values().for_each(|field| check_references(document, field));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(document, item)),
        _ => {}
    }
}

#[tokio::test]
async fn handlers_are_described_as_they_answer() {
    let document = host().await.get("/openapi.json").await.json();
    let add = &document["paths"]["/shop.Cart/{key}/addItem"];
    assert!(add["get"].is_null());
    assert_eq!(
        add["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/Item"
    );
    assert_eq!(add["post"]["summary"], "addItem of the shop");
    let find = &document["paths"]["/shop.Cart/{key}/find"]["get"]["parameters"];
    let named: Vec<(&str, bool)> = find
        .as_array()
        .expect("parameters")
        .iter()
        .filter_map(|parameter| Some((parameter["name"].as_str()?, parameter["required"].as_bool()?)))
        .collect();
    assert_eq!(named, [("name", true), ("least", false)]);
    assert!(document["paths"]["/shop.Cart/{key}/checkOut"]["post"]["requestBody"].is_null());
    let digest = &document["paths"]["/shop.Mailer/{key}/digest"]["post"]["responses"]["200"]["content"];
    assert_eq!(digest["application/x-ndjson"]["schema"]["type"], "string");
}
