// SPDX-License-Identifier: Apache-2.0
//! Replies, rules and requests of every form over HTTP, compared byte by byte where bytes are the promise.

use std::collections::HashMap;

use adjoin_entity::spec::Answers;
use adjoin_ingress::Settings;
use adjoin_model::Metadata;
use http::Method;
use http_body_util::BodyExt;
use prost::Message;
use serde_json::{Value, json};

use crate::forms::{self, Replies, encoded, reply};
use crate::host::{Answer, Host, LONG, request};
use crate::openapi;

const EVERYTHING: &str = "forms.Everything";

async fn text(host: &Host, path: &str) -> String {
    let answer = host.get(path).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{path}: {answer:?}");
    String::from_utf8(answer.body.to_vec()).expect("text")
}

fn cart() -> Value {
    json!({"items": [{"productId": "A1", "name": "Deluxe", "quantity": 7}, {"productId": "B", "name": "Pen"}],
        "item": {"name": "Deluxe", "productId": "A1"}, "counts": {"b": 2, "a": 1}, "ratio": 0.1, "raw": "w6k=",
        "big": "12345678", "colour": "COLOUR_RED"})
}

#[tokio::test]
async fn a_response_body_is_its_fields_json_as_of_a_whole_message() {
    let host = forms::host(Answers::Adjoin, reply("Show", EVERYTHING, &cart())).await;
    let items = r#"[{"productId":"A1","name":"Deluxe","quantity":7},{"productId":"B","name":"Pen","quantity":0}]"#;
    assert_eq!(text(&host, "/forms/items").await, items);
    assert_eq!(text(&host, "/forms/item").await, r#"{"productId":"A1","name":"Deluxe","quantity":0}"#);
    assert_eq!(text(&host, "/forms/counts").await, r#"{"a":1,"b":2}"#);
    assert_eq!(text(&host, "/forms/ratio").await, "0.1");
    assert_eq!(text(&host, "/forms/raw").await, r#""w6k=""#);
    assert_eq!(text(&host, "/forms/big").await, r#""12345678""#);
    assert_eq!(text(&host, "/forms/colour").await, r#""COLOUR_RED""#);
    let none = forms::host(Answers::Adjoin, reply("Show", EVERYTHING, &json!({}))).await;
    assert_eq!(text(&none, "/forms/item").await, "null");
    assert_eq!(text(&none, "/forms/items").await, "[]");
}

#[tokio::test]
async fn of_a_cloudstate_function_it_is_what_its_proxy_makes_of_it() {
    let host = forms::host(Answers::Cloudstate, reply("Show", EVERYTHING, &cart())).await;
    let items = r#"[{"productId":"A1","name":"Deluxe","quantity":7.0},{"productId":"B","name":"Pen"}]"#;
    assert_eq!(text(&host, "/forms/items").await, items);
    assert_eq!(text(&host, "/forms/item").await, r#"{"productId":"A1","name":"Deluxe","quantity":0}"#, "a message");
    assert_eq!(text(&host, "/forms/counts").await, r#"[{"key":"a","value":1.0},{"key":"b","value":2.0}]"#);
    assert_eq!(text(&host, "/forms/ratio").await, "0.10000000149011612");
    assert_eq!(text(&host, "/forms/raw").await, "\"é\"");
    assert_eq!(text(&host, "/forms/big").await, "1.2345678E7");
    assert_eq!(text(&host, "/forms/colour").await, r#""COLOUR_RED""#);
    let none = forms::host(Answers::Cloudstate, reply("Show", EVERYTHING, &json!({}))).await;
    assert_eq!(text(&none, "/forms/item").await, r#"{"productId":"","name":"","quantity":0}"#);
    assert_eq!(text(&none, "/forms/items").await, "[]");
}

#[tokio::test]
async fn equal_replies_are_equal_texts() {
    let counts: serde_json::Map<String, Value> = (0..50).map(|n| (format!("k{n}"), json!(n))).collect();
    let shown = json!({"counts": counts, "open": counts});
    let mut texts = Vec::new();
    for _ in 0..2 {
        let host = forms::host(Answers::Adjoin, reply("Show", EVERYTHING, &shown)).await;
        texts.push(text(&host, "/forms").await);
    }
    assert_eq!(texts[0], texts[1]);
    assert!(texts[0].contains(r#""k0":0,"k1":1,"k10":10,"#), "{}", texts[0]);
    assert_eq!(serde_json::from_str::<Value>(&texts[0]).expect("JSON")["counts"], json!(counts));
}

/// An `Everything` whose `Any` is set and empty.
fn with_empty_any() -> Vec<u8> {
    [&encoded(EVERYTHING, &json!({"maybe": "NaN"}))[..], &[9 << 3 | 2, 0]].concat()
}

#[tokio::test]
async fn what_json_has_no_number_for_and_an_empty_any_are_shown() {
    for answers in [Answers::Adjoin, Answers::Cloudstate] {
        let replies = HashMap::from([("Show", vec![(with_empty_any(), Metadata::new())])]);
        let shown = forms::host(answers, replies).await.get("/forms").await.json();
        assert_eq!((&shown["maybe"], &shown["any"]), (&json!("NaN"), &json!({})));
    }
    let held = json!({"any": {"@type": "type.googleapis.com/forms.Item", "name": "a"},
        "maybe": 1.5, "open": {"a": [1, null, {"b": true}]}});
    let host = forms::host(Answers::Adjoin, reply("Show", EVERYTHING, &held)).await;
    let shown = host.get("/forms").await.json();
    let item = json!({"@type": "type.googleapis.com/forms.Item", "productId": "", "name": "a", "quantity": 0});
    assert_eq!((&shown["any"], &shown["maybe"]), (&item, &json!(1.5)));
    assert_eq!(shown["open"], json!({"a": [1.0, null, {"b": true}]}));
    let spans = json!({"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.500s"}});
    let host = forms::host(Answers::Adjoin, reply("Show", EVERYTHING, &spans)).await;
    assert_eq!(host.get("/forms").await.json()["any"], spans["any"]);
}

#[tokio::test]
async fn an_any_within_many_others_is_refused() {
    let url = b"type.googleapis.com/google.protobuf.Any";
    let wrap = |inner: Vec<u8>| {
        let mut made = vec![1 << 3 | 2, url.len() as u8];
        made.extend_from_slice(url);
        prost::encoding::bytes::encode(2, &inner, &mut made);
        made
    };
    let deep = (0..1000).fold(Vec::new(), |inner, _| wrap(inner));
    let mut everything = Vec::new();
    prost::encoding::bytes::encode(9, &deep, &mut everything);
    let host = forms::host(Answers::Adjoin, HashMap::from([("Show", vec![(everything, Metadata::new())])])).await;
    assert_eq!((host.get("/forms").await.status, host.get("/forms/ratio").await.status), (502, 200));
    // What decoding takes is shown: a list in a list is four messages in each other.
    let lists = (0..23).fold(json!([]), |inner, _| json!([inner]));
    let host = forms::host(Answers::Adjoin, reply("Show", EVERYTHING, &json!({"open": {"a": lists}}))).await;
    assert_eq!(host.get("/forms").await.json()["open"]["a"], lists);
}

#[tokio::test]
async fn a_field_that_is_a_body_is_the_body() {
    let file = json!({"file": {"contentType": "text/csv", "data": "MSwyCjM="}});
    let host = forms::host(Answers::Adjoin, reply("Show", EVERYTHING, &file)).await;
    let answer = host.get("/forms/file").await;
    assert_eq!((answer.header("content-type"), &answer.body[..]), ("text/csv", &b"1,2\n3"[..]));
    let host = forms::host(Answers::Cloudstate, reply("Show", EVERYTHING, &file)).await;
    let shown = r#"{"contentType":"text/csv","data":"MSwyCjM=","extensions":[]}"#;
    assert_eq!(text(&host, "/forms/file").await, shown);
}

fn bodies(parts: &[(&str, &str)], beside: &str) -> Replies {
    let body = |(kind, data): &(&str, &str)| {
        let message = crate::post::HttpBody { content_type: (*kind).into(), data: data.to_string().into() };
        (message.encode_to_vec(), vec![("content-type".to_owned(), beside.to_owned())])
    };
    HashMap::from([("Files", parts.iter().map(body).collect())])
}

#[tokio::test]
async fn streamed_bodies_have_the_type_that_the_first_one_says() {
    let parts = [("text/csv", "1,2\n"), ("text/other", "3")];
    let host = forms::host(Answers::Adjoin, bodies(&parts, "text/beside")).await;
    let files = host.get("/forms/files").await;
    assert_eq!((files.header("content-type"), &files.body[..]), ("text/csv", &b"1,2\n3"[..]));
    let host = forms::host(Answers::Cloudstate, bodies(&parts, "text/beside")).await;
    let files = host.get("/forms/files").await;
    assert_eq!((files.header("content-type"), &files.body[..]), ("text/beside", &b"1,2\n3"[..]));
    let host = forms::host(Answers::Adjoin, bodies(&[("", "x")], "text/beside")).await;
    assert_eq!(host.get("/forms/files").await.header("content-type"), "application/octet-stream");
}

/// The type of what answers, and what of it comes within two keep-alives.
async fn beginning(host: &Host, accept: &str) -> (String, String) {
    let response = host.open(request(Method::GET, "/forms/slow", &[("accept", accept)], "")).await;
    let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
    let mut body = response.into_body();
    let first = tokio::time::timeout(LONG, body.frame()).await.expect("in time").expect("one").expect("well");
    let mut said = String::from_utf8(first.into_data().expect("data").to_vec()).expect("text");
    let silence = std::time::Duration::from_millis(150);
    if let Ok(Some(Ok(frame))) = tokio::time::timeout(silence, body.frame()).await {
        said += std::str::from_utf8(&frame.into_data().expect("data")).expect("text");
    }
    (kind, said)
}

#[tokio::test]
async fn each_accept_has_its_form_and_its_silence() {
    let slow = || reply("Slow", "forms.Item", &json!({"name": "a"}));
    let settings = || Settings { keep_alive_ms: 50, ..Settings::default() };
    let item = r#"{"productId":"","name":"a","quantity":0}"#;
    let host = forms::host_with(forms::spec(Answers::Adjoin), slow(), settings()).await;
    for (accept, kind, said) in [
        ("application/json", "application/json", format!("{item}\n\n")),
        ("application/x-ndjson", "application/x-ndjson", format!("{item}\n\n")),
        ("text/event-stream, application/json", "text/event-stream", format!("data: {item}\n\n: keep-alive\n\n")),
        ("*/*", "text/event-stream", format!("data: {item}\n\n: keep-alive\n\n")),
    ] {
        assert_eq!(beginning(&host, accept).await, (kind.to_owned(), said), "{accept}");
    }
    let host = forms::host_with(forms::spec(Answers::Cloudstate), slow(), settings()).await;
    assert_eq!(beginning(&host, "*/*").await, ("application/json".into(), format!("{item}\n")), "nothing else");
}

async fn probe(host: &Host, path: &str, asked: &str) -> (u16, String) {
    let answer = host.send(request(Method::GET, path, &[("k-network-probe", asked)], "")).await;
    (answer.status, String::from_utf8(answer.body.to_vec()).expect("text"))
}

#[tokio::test]
async fn a_probe_of_knative_is_answered_where_nothing_else_is() {
    for answers in [Answers::Adjoin, Answers::Cloudstate] {
        let host = forms::host(answers, Replies::new()).await;
        for path in ["/", "/healthz", "/forms/none/of/it"] {
            assert_eq!(probe(&host, path, "queue").await, (200, "queue".into()), "{path}");
        }
        assert_eq!(probe(&host, "/", "activator").await.0, 400);
        assert!(probe(&host, "/back?text=hi", "queue").await.1.contains("hi"), "a rule comes first");
    }
}

fn short(answer: &Answer) -> (u16, &str, &str) {
    (answer.status, answer.header("content-type"), std::str::from_utf8(&answer.body).expect("text"))
}

#[tokio::test]
async fn what_a_cloudstate_function_has_not_is_refused_in_its_proxys_words() {
    let host = forms::host(Answers::Cloudstate, Replies::new()).await;
    let text = "text/plain; charset=UTF-8";
    let wrong = host.send(request(Method::DELETE, "/back", &[], "")).await;
    assert_eq!((short(&wrong), wrong.header("allow")), ((404, text, "Not Found"), ""));
    assert_eq!(short(&host.get("/nowhere").await), (404, text, "Not Found"));
    assert_eq!(short(&host.get("/a/%zz").await), (400, text, "Bad Request"));
    let host = forms::host(Answers::Adjoin, Replies::new()).await;
    assert_eq!(host.send(request(Method::DELETE, "/back", &[], "")).await.header("allow"), "GET, POST");
}

#[tokio::test]
async fn fields_of_the_head_are_the_functions_own() {
    let headers =
        [("if-match", "*"), ("request-timeout", "soon"), ("idempotency-key", ""), ("content-type", "application/json")];
    let host = crate::post::host(Answers::Cloudstate).await;
    let echoed = host.send(request(Method::POST, "/post.Mailer/Echo", &headers, r#"{"text":"a"}"#)).await;
    let metadata = &echoed.json()["metadata"];
    assert_eq!((&metadata["if-match"], &metadata["request-timeout"]), (&json!("*"), &json!("soon")));
    let stale = [("if-match", "\"9\""), ("content-type", "application/json")];
    let sent = host.send(request(Method::POST, "/boxes/ada/letters", &stale, r#"{"text":"a"}"#)).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let host = crate::post::host(Answers::Adjoin).await;
    assert_eq!(host.send(request(Method::POST, "/post.Mailer/Echo", &headers, "{}")).await.status, 400);
}

#[tokio::test]
async fn a_rule_for_head_is_met_beside_one_for_get() {
    let said = |who: &str| vec![(Vec::new(), vec![("x-who".to_owned(), who.to_owned())])];
    let host = forms::host(Answers::Adjoin, HashMap::from([("Got", said("get")), ("Headed", said("head"))])).await;
    assert_eq!(host.get("/heads").await.header("x-who"), "get");
    assert_eq!(host.send(request(Method::HEAD, "/heads", &[], "")).await.header("x-who"), "head");
}

#[tokio::test]
async fn a_body_that_a_rule_does_not_take_is_passed_over() {
    let settings = Settings { body_bytes: 64, ..Settings::default() };
    let host = forms::host_with(forms::spec(Answers::Adjoin), Replies::new(), settings).await;
    let headers = [("content-encoding", "br"), ("content-type", "application/x-what")];
    let answer = host.send(request(Method::POST, "/back?text=a", &headers, &"x".repeat(100))).await;
    assert_eq!((answer.status, &answer.json()["text"]), (200, &json!("a")), "{answer:?}");
}

#[tokio::test]
async fn texts_of_numbers_and_bytes_are_those_of_proto3_json() {
    let host = forms::host(Answers::Adjoin, Replies::new()).await;
    let asked = host.get("/back?seal=+/8&n=-5&x=1e3").await.json();
    assert_eq!((&asked["seal"], &asked["n"], &asked["x"]), (&json!("+/8="), &json!(-5), &json!(1000.0)));
    for (path, shown) in [("/back?x=NaN", "NaN"), ("/back?x=-Infinity", "-Infinity")] {
        assert_eq!(host.get(path).await.json()["x"], json!(shown));
    }
    for path in ["/back?n=%2B5", "/back?x=inf", "/back?x=nan", "/back?x=%2B1", "/back?x=infinity", "/back?n=0x5"] {
        assert_eq!(host.get(path).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn of_two_types_with_one_path_the_one_declared_last_counts() {
    let said = |who: &str| vec![(Vec::new(), vec![("x-who".to_owned(), who.to_owned())])];
    let host = forms::host(Answers::Adjoin, HashMap::from([("Graze", said("zebra")), ("March", said("ant"))])).await;
    assert_eq!(host.get("/same").await.header("x-who"), "ant");
}

#[tokio::test]
async fn scripts_may_read_what_a_function_says_and_ask_for_options() {
    let origin = ("origin", "https://a.example");
    let said = vec![(encoded(EVERYTHING, &cart()), vec![("x-shade".to_owned(), "blue".to_owned())])];
    let settings = Settings { cors_origins: vec!["https://a.example".into()], ..Settings::default() };
    let host = forms::host_with(forms::spec(Answers::Adjoin), HashMap::from([("Show", said)]), settings).await;
    let shown = host.send(request(Method::GET, "/forms", &[origin], "")).await;
    assert_eq!((shown.header("access-control-expose-headers"), shown.header("x-shade")), ("*", "blue"));
    let asked = host.send(request(Method::OPTIONS, "/forms", &[origin], "")).await;
    assert_eq!((asked.header("x-shade"), asked.header("access-control-allow-origin")), ("blue", origin.1), "{asked:?}");
    let preflight = [origin, ("access-control-request-method", "GET")];
    let asked = host.send(request(Method::OPTIONS, "/forms", &preflight, "")).await;
    assert_eq!((asked.header("x-shade"), asked.header("access-control-allow-methods")), ("", "GET"), "{asked:?}");
}

async fn document(answers: Answers) -> Value {
    let document = forms::host(answers, Replies::new()).await.get("/openapi.json").await.json();
    openapi::check(&document);
    document
}

#[tokio::test]
async fn every_rule_has_an_operation_of_its_own() {
    for answers in [Answers::Adjoin, Answers::Cloudstate] {
        let document = document(answers).await;
        let names = |path: &str, verb: &str| -> Vec<String> {
            let operation = &document["paths"][path][verb];
            assert!(
                operation["operationId"].as_str().is_some_and(|id| id.starts_with("forms.Forms.Back")),
                "{path} {verb}"
            );
            let parameters = operation["parameters"].as_array().expect("parameters").iter();
            parameters
                .filter(|one| one["in"] == "path")
                .map(|one| one["name"].as_str().expect("a name").into())
                .collect()
        };
        assert_eq!(names("/v1/shelves/{text}", "get"), ["text"]);
        assert_eq!(names("/v1/shelves/{text.1}/books/{text.2}", "get"), ["text.1", "text.2"]);
        // Paths that differ in names only would be one: the first one's names are the names of both.
        assert_eq!((names("/a/{n}", "get"), names("/a/{n}", "post")), (vec!["n".into()], vec!["n".into()]));
        assert_eq!(document["paths"]["/a/{n}"]["post"]["parameters"][0]["schema"]["type"], "integer");
        assert_eq!(document["paths"]["/a/{n}"]["get"]["parameters"][0]["schema"]["type"], "string");
        assert_eq!(names("/all/{text}", "get"), ["text"]);
        assert_eq!(names("/all/{text}/{more1}", "get"), ["text", "more1"]);
        for verb in ["get", "put", "post", "delete", "patch"] {
            assert_eq!(names("/any/{text}", verb), ["text"]);
        }
        unlike(&document);
    }
}

/// No two paths are the same but for the names of their parameters, and no two operations have one id.
fn unlike(document: &Value) {
    let paths = document["paths"].as_object().expect("paths");
    let form = |path: &String| {
        path.split('/').map(|one| if one.starts_with('{') { "{}" } else { one }).collect::<Vec<_>>().join("/")
    };
    let mut forms: Vec<String> = paths.keys().map(form).collect();
    let mut ids: Vec<&Value> = paths
        .values()
        .flat_map(|item| item.as_object().expect("operations").values())
        .map(|one| &one["operationId"])
        .collect();
    let (all, operations) = (forms.len(), ids.len());
    forms.sort();
    forms.dedup();
    ids.sort_by_key(|id| id.as_str());
    ids.dedup();
    assert_eq!((forms.len(), ids.len()), (all, operations));
}

#[tokio::test]
async fn well_known_messages_are_described_as_they_are_written() {
    let document = document(Answers::Adjoin).await;
    for (method, schema) in [
        ("OfAny", json!({"type": "object"})),
        ("OfBool", json!({"type": "boolean"})),
        ("OfDuration", json!({"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$"})),
        ("OfEmpty", json!({"type": "object"})),
        ("OfEnum", json!({"$ref": "#/components/schemas/google.protobuf.EnumValue"})),
        ("OfInt64", json!({"type": "string", "format": "int64"})),
        ("OfList", json!({"type": "array", "items": {}})),
        ("OfMask", json!({"type": "string"})),
        ("OfStruct", json!({"type": "object"})),
        ("OfTime", json!({"type": "string", "format": "date-time"})),
        ("OfValue", json!({})),
    ] {
        let operation = &document["paths"][format!("/forms.Forms/{method}")]["post"];
        assert_eq!(operation["requestBody"]["content"]["application/json"]["schema"], schema, "{method}");
        assert_eq!(operation["responses"]["200"]["content"]["application/json"]["schema"], schema, "{method}");
    }
}
