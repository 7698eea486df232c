// SPDX-License-Identifier: Apache-2.0
//! Commands and queries by HTTP.

use adjoin_model::{Error, Kind, Outcome};
use http::Method;
use serde_json::json;

use crate::host::{host, request};

const BOOK: &str = r#"{"product":"p1","name":"Book","qty":2}"#;

#[tokio::test]
async fn a_command_is_answered_with_its_result_and_sequence() {
    let host = host().await;
    let added = host.post("/shop.Cart/ada/addItem", BOOK).await;
    assert_eq!((added.status, &added.body[..]), (200, &b"1"[..]));
    assert_eq!((added.header("content-type"), added.header("etag")), ("application/json", "\"1\""));
    let contents = host.get("/shop.Cart/ada/contents").await;
    assert_eq!(contents.json(), json!([{"product": "p1", "name": "Book", "qty": 2}]));
    assert_eq!((contents.header("etag"), contents.header("cache-control")), ("\"1\"", "no-store"));
    let removed = host.post("/shop.Cart/ada/removeItem", "\"p1\"").await;
    assert_eq!((removed.status, &removed.body[..], removed.header("etag")), (200, &b"null"[..], "\"2\""));
    assert_eq!(host.post("/shop.Cart/ada/contents", "").await.json(), json!([]));
}

#[tokio::test]
async fn a_command_without_body_runs() {
    let host = host().await;
    let out = host.post("/shop.Cart/ada/checkOut", "").await;
    assert_eq!((out.status, &out.body[..]), (200, &b"0"[..]));
}

#[tokio::test]
async fn every_kind_of_error_has_its_status_and_problem() {
    let host = host().await;
    for kind in Kind::ALL {
        // A handler cannot say Fenced or Corrupt for the host: what it says counts as its failure.
        let answer = host.post("/shop.Cart/ada/fail", &format!("\"{}/none\"", kind.name())).await;
        let said = answer.json();
        let told = Kind::from_name(said["kind"].as_str().expect("a kind")).expect("a known kind");
        assert_eq!(u64::from(answer.status), said["status"].as_u64().expect("a status"), "{said}");
        assert_eq!(answer.status, Error::new(told, Outcome::None, "").http_status(), "{said}");
        assert_eq!(said["type"], format!("urn:adjoin:problem:{}", told.name()));
        assert!(said["detail"].is_string() && said["outcome"].is_string() && said["context"].is_object(), "{said}");
    }
    let rejected = host.post("/shop.Cart/ada/addItem", r#"{"product":"p","name":"n","qty":0}"#).await;
    assert_eq!((rejected.status, rejected.kind().as_str()), (400, "Rejected"));
    assert_eq!(rejected.json()["code"], "FAILED_PRECONDITION");
    let missing = host.post("/shop.Cart/ada/removeItem", "\"p9\"").await;
    assert_eq!((missing.status, missing.json()["code"].as_str()), (404, Some("NOT_FOUND")));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let host = host().await;
    for path in ["/shop.Nope/ada/addItem", "/shop.Cart/ada/nope", "/shop.Cart/ada", "/x", "/shop.Cart/ada/addItem/x"] {
        let answer = host.post(path, "").await;
        assert_eq!((answer.status, answer.kind().as_str()), (404, "NotFound"), "{path}");
    }
}

#[tokio::test]
async fn a_command_by_get_is_told_to_post() {
    let host = host().await;
    let answer = host.get("/shop.Cart/ada/addItem").await;
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
    let answer = host.send(request(Method::DELETE, "/shop.Cart/ada/contents", &[], "")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD, POST"));
}

#[tokio::test]
async fn parameters_of_a_query_stand_in_the_address() {
    let host = host().await;
    host.post("/shop.Cart/ada/addItem", BOOK).await;
    assert_eq!(host.get("/shop.Cart/ada/find?name=Book&least=2").await.json().as_array().map(Vec::len), Some(1));
    assert_eq!(host.get("/shop.Cart/ada/find?name=Book&least=3").await.json(), json!([]));
    let by_post = host.post("/shop.Cart/ada/find", r#"{"name":"Book"}"#).await;
    assert_eq!(by_post.json().as_array().map(Vec::len), Some(1));
    for wrong in ["least=x", "colour=red", "name=a&name=b", "name=%zz"] {
        let answer = host.get(&format!("/shop.Cart/ada/find?{wrong}")).await;
        assert_eq!((answer.status, answer.kind().as_str()), (400, "Invalid"), "{wrong}");
    }
}

#[tokio::test]
async fn a_key_may_hold_anything_encoded() {
    let host = host().await;
    host.post("/shop.Cart/a%2Fb%00%20%C3%BC/addItem", BOOK).await;
    assert_eq!(host.get("/shop.Cart/a%2Fb%00%20%C3%BC/contents").await.header("etag"), "\"1\"");
    assert_eq!(host.get("/shop.Cart/a/contents").await.header("etag"), "\"0\"");
    assert_eq!(host.get("/shop.Cart/a%ff/contents").await.kind(), "Invalid");
    let long = format!("/shop.Cart/{}/contents", "k".repeat(1025));
    assert_eq!(host.get(&long).await.kind(), "Invalid");
}

#[tokio::test]
async fn if_match_holds_a_command_to_a_sequence() {
    let host = host().await;
    let add = |tag: &'static str| request(Method::POST, "/shop.Cart/ada/addItem", &[("if-match", tag)], BOOK);
    assert_eq!(host.send(add("\"0\"")).await.status, 200);
    let differs = host.send(add("\"0\"")).await;
    assert_eq!(
        (differs.status, differs.kind().as_str(), differs.json()["code"].as_str()),
        (412, "Conflict", Some("ABORTED"))
    );
    assert_eq!(host.send(add("\"1\"")).await.status, 200);
    assert_eq!(host.send(add("*")).await.status, 400);
    let action = request(Method::POST, "/shop.Mailer/all/welcome", &[("if-match", "\"0\"")], "\"a@b\"");
    assert_eq!(host.send(action).await.kind(), "Invalid");
}

#[tokio::test]
async fn an_idempotency_key_makes_sending_again_safe() {
    let host = host().await;
    let add = |body| request(Method::POST, "/shop.Cart/ada/addItem", &[("idempotency-key", "k1")], body);
    let first = host.send(add(BOOK)).await;
    let again = host.send(add(BOOK)).await;
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!((first.body, first.headers["etag"].clone()), (again.body, again.headers["etag"].clone()));
    let other = host.send(add(r#"{"product":"p2","name":"Pen"}"#)).await;
    assert_eq!((other.status, other.kind().as_str()), (409, "Conflict"));
}

#[tokio::test]
async fn a_deadline_ends_the_wait() {
    let host = host().await;
    let hang = request(Method::POST, "/shop.Cart/ada/hang", &[("request-timeout", "0.05")], "");
    let answer = host.send(hang).await;
    assert_eq!(
        (answer.status, answer.kind().as_str(), answer.json()["outcome"].as_str()),
        (504, "Expired", Some("unknown"))
    );
    let hang = request(Method::POST, "/shop.Cart/eve/hang", &[("grpc-timeout", "50m")], "");
    assert_eq!(host.send(hang).await.status, 504);
    let wrong = request(Method::POST, "/shop.Cart/ada/checkOut", &[("request-timeout", "soon")], "");
    assert_eq!(host.send(wrong).await.kind(), "Invalid");
}

#[tokio::test]
async fn metadata_and_deadline_reach_the_handler() {
    let host = host().await;
    let headers =
        [("x-adjoin-tenant", "t1"), ("traceparent", "00-0af7-b7ad-01"), ("cookie", "secret"), ("request-timeout", "9")];
    let seen = host.send(request(Method::POST, "/shop.Cart/ada/inspect", &headers, " {\"a\": 1}")).await.json();
    assert_eq!(seen["metadata"], json!({"x-adjoin-tenant": "t1", "traceparent": "00-0af7-b7ad-01"}));
    assert_eq!(
        (seen["body"].as_str(), seen["type"].as_str(), seen["caller"].as_str()),
        (Some(" {\"a\": 1}"), Some("json"), Some(""))
    );
    assert!((8000..=9000).contains(&seen["remainingMs"].as_u64().expect("a number")), "{seen}");
}

#[tokio::test]
async fn the_index_lists_types_and_handlers() {
    let host = host().await;
    let index = host.get("/").await.json();
    assert_eq!(index["types"][0]["name"], "shop.Cart");
    assert_eq!(index["types"][0]["queries"], json!(["contents", "find", "echo"]));
    assert_eq!(index["types"][1]["kind"], "action");
    assert_eq!(host.post("/", "").await.status, 405);
}
