// SPDX-License-Identifier: Apache-2.0
//! Contract-first services over HTTP: rules of `google.api.http`, proto3 JSON, streams, and what goes wrong.

use adjoin_entity::spec::{Answers, Spec};
use adjoin_model::Kind;
use http::Method;
use serde_json::{Value, json};

use crate::host::{Answer, Host, request};
use crate::post;

const JSON: (&str, &str) = ("content-type", "application/json");

async fn send(host: &Host, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    host.send(request(method, path, headers, body)).await
}

async fn adjoin() -> Host {
    post::host(Answers::Adjoin).await
}

#[tokio::test]
async fn a_rule_takes_body_and_path() {
    let host = adjoin().await;
    let body = r#"{"text":"hello","stamps":"7","size":"SIZE_LARGE","tags":["a","b"],"extras":{"b":2,"a":1},
        "writtenAt":"2024-05-06T07:08:09Z","seal":"AP8=","sender":{"name":"bob"}}"#;
    let sent = send(&host, "POST", "/boxes/shelves%2F1%2Fboxes%2F2/letters", &[JSON], body).await;
    assert_eq!((sent.status, sent.header("etag"), sent.header("content-type")), (200, "\"1\"", "application/json"));
    assert_eq!(sent.body, r#"{"letters":"1","lastText":"hello","sender":{"name":"bob","age":0}}"#);
    let seen = host.get("/v1/shelves/1/boxes/2").await;
    assert_eq!(seen.header("cache-control"), "no-store");
    let letter = json!({"box": "shelves/1/boxes/2", "text": "hello", "stamps": "7", "size": "SIZE_LARGE",
        "tags": ["a", "b"], "sender": {"name": "bob", "age": 0}, "writtenAt": "2024-05-06T07:08:09Z",
        "extras": {"a": 1, "b": 2}, "seal": "AP8="});
    assert_eq!(seen.json(), json!({"letters": [letter]}));
    let inner = host.get("/all/shelves/1/boxes/2").await;
    assert_eq!(inner.json(), json!([letter]), "response_body");
}

#[tokio::test]
async fn a_field_is_the_body_and_the_query_fills_the_rest() {
    let host = adjoin().await;
    let put = send(&host, "PUT", "/boxes/ada/from/bob?text=hi&tags=a&tags=b&size=1", &[JSON], r#"{"age":7}"#).await;
    assert_eq!(put.json(), json!({"letters": "1", "lastText": "hi", "sender": {"name": "bob", "age": 7}}));
    let path = "/boxes/ada/put?text=a%20b+c&stamps=-3&sender.age=5&writtenAt=2024-05-06T07:08:09Z&seal=AP8%3D";
    let got = host.get(path).await;
    assert_eq!(got.json()["sender"], json!({"name": "", "age": 5}));
    let linked = send(&host, "LINK", "/boxes/ada:link?text=linked", &[], "").await;
    assert_eq!(linked.json()["lastText"], "linked");
    let all = host.get("/all/ada").await.json();
    let first = json!({"box": "ada", "text": "hi", "stamps": "0", "size": "SIZE_LARGE", "tags": ["a", "b"],
        "sender": {"name": "bob", "age": 7}, "extras": {}, "seal": ""});
    assert_eq!(all[0], first);
    assert_eq!((&all[1]["text"], &all[1]["stamps"], &all[1]["seal"]), (&json!("a b c"), &json!("-3"), &json!("AP8=")));
}

#[tokio::test]
async fn a_method_without_a_rule_has_the_path_of_its_call() {
    let host = adjoin().await;
    let sent = send(&host, "POST", "/post.Box/Plain", &[JSON], r#"{"box":"ada","text":"x"}"#).await;
    assert_eq!(sent.json(), json!({"letters": "1", "lastText": "x"}));
    let hidden = send(&host, "POST", "/post.Box/Send", &[JSON], r#"{"box":"ada"}"#).await;
    assert_eq!(hidden.status, 404, "a method with a rule has none");
    let other = host.get("/post.Box/Plain").await;
    assert_eq!((other.status, other.header("allow")), (405, "POST"));
    let echoed = send(&host, "POST", "/post.Mailer/Echo", &[JSON, ("x-shade", "blue")], r#"{"text":"hi"}"#).await;
    assert_eq!((&echoed.json()["text"], &echoed.json()["metadata"]["x-shade"]), (&json!("hi"), &json!("blue")));
}

#[tokio::test]
async fn what_a_message_cannot_hold_is_a_problem() {
    let host = adjoin().await;
    let cases = [
        ("POST", "/boxes/ada/letters", r#"{"texts":"x"}"#, "texts"),
        ("POST", "/boxes/ada/letters", r#"{"text":7}"#, "post.Letter"),
        ("POST", "/boxes/ada/letters", r#"{"text":"#, "JSON"),
        ("POST", "/boxes/ada/letters", "[]", "post.Letter"),
        ("PUT", "/boxes/ada/from/bob", r#"{},"text":{}"#, "JSON"),
        ("GET", "/boxes/ada/put?nothing=1", "", "nothing"),
        ("GET", "/boxes/ada/put?stamps=x", "", "stamps is to be an integer"),
        ("GET", "/boxes/ada/put?stamps=1&stamps=2", "", "twice"),
        ("GET", "/boxes/ada/put?extras=1", "", "extras is set in the body only"),
        ("GET", "/boxes/ada/put?size=HUGE", "", "one of its names"),
        ("GET", "/digest/many", "", "count is to be an integer"),
    ];
    for (method, path, body, part) in cases {
        let answer = send(&host, method, path, &[JSON], body).await;
        assert_eq!((answer.status, answer.kind().as_str()), (400, "Invalid"), "{path} {body}");
        assert!(answer.json()["detail"].as_str().expect("a text").contains(part), "{path} {body}: {answer:?}");
    }
    let refused = send(&host, "POST", "/boxes/ada/letters", &[JSON], r#"{"text":"refuse"}"#).await;
    assert_eq!((refused.status, refused.kind().as_str()), (400, "Rejected"));
    let stale = send(&host, "POST", "/boxes/ada/letters", &[JSON, ("if-match", "\"9\"")], "{}").await;
    assert_eq!(stale.status, 412);
    let wrong = send(&host, "POST", "/post.Mailer/Wrong", &[JSON], "{}").await;
    assert_eq!((wrong.status, wrong.kind().as_str()), (502, "Protocol"));
}

#[tokio::test]
async fn a_parameter_goes_into_a_bounded_number_of_messages() {
    let host = adjoin().await;
    // The sender and so many sponsors, then a name.
    let nested = |sponsors: usize| format!("/boxes/ada/put?sender.{}name=x", "sponsor.".repeat(sponsors));
    assert_eq!(host.get(&nested(62)).await.status, 200);
    for sponsors in [63, 900] {
        let answer = host.get(&nested(sponsors)).await;
        assert_eq!((answer.status, answer.kind().as_str()), (400, "Invalid"), "{sponsors}");
        assert!(answer.json()["detail"].as_str().expect("a text").contains("at most 64 fields deep"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_repetition_of_a_message_with_a_map_is_the_same_payload() {
    let host = adjoin().await;
    let entries = |range: Vec<u32>| range.iter().map(|n| format!("\"{n}\":{n}")).collect::<Vec<_>>().join(",");
    let there = format!(r#"{{"text":"x","extras":{{{}}}}}"#, entries((0..50).collect()));
    let back = format!(r#"{{"extras":{{{}}},"text":"x"}}"#, entries((0..50).rev().collect()));
    for (at, body) in [there, back].iter().enumerate() {
        let headers = [JSON, ("idempotency-key", "k")];
        let sent = send(&host, "POST", "/boxes/ada/letters", &headers, body).await;
        assert_eq!((sent.status, sent.header("idempotency-replayed") == "true"), (200, at == 1), "{sent:?}");
    }
}

#[tokio::test]
async fn bodies_of_any_kind_pass_both_ways() {
    let host = adjoin().await;
    let page = host.get("/pages/hello").await;
    assert_eq!((page.header("content-type"), &page.body[..]), ("text/html", &b"<h1>hello</h1>"[..]));
    let kept = send(&host, "POST", "/files/a.csv?total=3", &[("content-type", "text/csv")], "1,2\n3").await;
    let file = json!({"contentType": "text/csv", "data": "MSwyCjM=", "extensions": []});
    assert_eq!(kept.json(), json!({"text": "a.csv", "metadata": {}, "file": file, "total": 3}));
}

#[tokio::test]
async fn streams_are_events_or_lines() {
    let host = adjoin().await;
    let events = send(&host, "GET", "/digest/2", &[], "").await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    let expected =
        "data: {\"text\":\"day 0\",\"count\":0}\n\ndata: {\"text\":\"day 1\",\"count\":1}\n\nevent: end\ndata:\n\n";
    assert_eq!(events.body, expected);
    let lines = send(&host, "GET", "/digest/2", &[("accept", "application/x-ndjson")], "").await;
    assert_eq!(lines.body, "{\"text\":\"day 0\",\"count\":0}\n{\"text\":\"day 1\",\"count\":1}\n");
    let failed = send(&host, "GET", "/digest/-2", &[("accept", "application/x-ndjson")], "").await;
    let last: Value =
        serde_json::from_slice(failed.body.split(|byte| *byte == b'\n').nth(1).expect("a line")).expect("JSON");
    assert_eq!(last["$error"]["kind"], "Rejected");
    assert_eq!(send(&host, "GET", "/digest/-1", &[], "").await.kind(), "Rejected");
    let numbers: String = (0..100).map(|n| format!("{{\"count\":{n}}}\n")).collect();
    let summed = send(&host, "POST", "/post.Mailer/Sum", &[], &numbers).await;
    assert_eq!(summed.json()["total"], 4950);
    let one = send(&host, "POST", "/post.Mailer/Sum", &[JSON], "{\n\"count\":\n5}").await;
    assert_eq!(one.json()["total"], 5);
    let shouted = ("content-type", "Application/JSON; charset=utf-8");
    let one = send(&host, "POST", "/post.Mailer/Sum", &[shouted], "{\n\"count\":\n5}").await;
    assert_eq!(one.json()["total"], 5, "types of content have no case");
    let doubled = send(&host, "POST", "/post.Mailer/Double", &[("accept", "application/x-ndjson")], &numbers).await;
    assert_eq!(doubled.body.split(|byte| *byte == b'\n').count(), 101);
    let broken = send(&host, "POST", "/post.Mailer/Sum", &[], "{\"count\":1}\n{\"count\":\"x\"}\n").await;
    assert_eq!((broken.status, broken.kind().as_str()), (400, "Invalid"));
}

#[tokio::test]
async fn clients_of_a_cloudstate_function_are_answered_as_its_proxy_does() {
    let host = post::host(Answers::Cloudstate).await;
    let sent = send(&host, "POST", "/boxes/ada/letters", &[JSON], r#"{"text":"x"}"#).await;
    assert_eq!(sent.body, r#"{"letters":"1","lastText":"x"}"#);
    let refused = send(&host, "POST", "/boxes/ada/letters", &[JSON], r#"{"text":"refuse"}"#).await;
    assert_eq!((refused.status, &refused.body[..]), (500, &b"no more room"[..]));
    assert!(refused.header("content-type").starts_with("text/plain"));
    for (kind, body) in [("application/json", r#"{"texts":"x"}"#), ("text/plain", r#"{"text":"x"}"#)] {
        let bad = send(&host, "POST", "/boxes/ada/letters", &[("content-type", kind)], body).await;
        assert_eq!((bad.status, &bad.body[..]), (400, &b"Bad Request"[..]));
    }
    assert_eq!(send(&host, "POST", "/post.Mailer/Nothing", &[JSON], "{}").await.status, 500);
    let lines = send(&host, "GET", "/digest/2", &[], "").await;
    assert_eq!(lines.header("content-type"), "application/json");
    assert_eq!(lines.body, "{\"text\":\"day 0\",\"count\":0}\n{\"text\":\"day 1\",\"count\":1}\n");
    let events = send(&host, "GET", "/digest/1", &[("accept", "text/event-stream")], "").await;
    assert_eq!(events.body, "data: {\"text\":\"day 0\",\"count\":0}\n\n");
    let echoed = send(&host, "POST", "/post.Mailer/Echo", &[JSON, ("x-shade", "blue")], "{}").await.json();
    assert_eq!(
        (&echoed["metadata"]["x-shade"], &echoed["metadata"]["grpc-accept-encoding"]),
        (&json!("blue"), &json!("identity"))
    );
    let summed = send(&host, "POST", "/post.Mailer/Sum", &[JSON], r#"{"count":5}"#).await;
    assert_eq!(summed.json()["total"], 5);
    assert_eq!(send(&host, "GET", "/all/a%2Fb+c", &[], "").await.json(), json!([]));
}

#[test]
fn a_rule_that_does_not_fit_refuses_the_spec() {
    let mut spec = post::spec(Answers::Adjoin);
    assert_eq!(adjoin_ingress::check(&spec), Ok(()));
    assert_eq!(adjoin_ingress::check(&Spec::new("code first", vec![])), Ok(()));
    // A variable that no field of the message has.
    let place = spec.descriptors.windows(14).position(|bytes| bytes == b"/digest/{count").expect("the rule");
    let mut broken = spec.descriptors.to_vec();
    broken[place + 9..place + 14].copy_from_slice(b"never");
    spec.descriptors = broken.into();
    let error = adjoin_ingress::check(&spec).expect_err("refused");
    assert_eq!(error.kind, Kind::Invalid);
    assert!(error.message.contains("/digest/{never}") && error.message.contains("post.Mailer/Digest"), "{error}");
}
