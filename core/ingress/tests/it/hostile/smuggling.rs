// SPDX-License-Identifier: Apache-2.0
//! Requests whose end two readers would see at different places (RFC 9112, sections 6 and 11.2).

use crate::host::host;
use crate::wire::Wire;

const BOOK: &str = r#"{"product":"p1","name":"Book"}"#;

/// What hides behind the request: it would change the entity `smuggled`.
fn hidden() -> String {
    let head =
        format!("POST /shop.Cart/smuggled/addItem HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", BOOK.len());
    head + BOOK
}

/// Sends a head with a body and a hidden request behind it; the answers, and whether the hidden one ran.
async fn sent(fields: &str, body: &str) -> (String, bool) {
    let host = host().await;
    let mut wire = Wire::to(&host).await;
    let head = format!("POST /shop.Cart/ada/addItem HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
    wire.send(format!("{head}{body}{}", hidden()).as_bytes()).await;
    let said = wire.rest().await;
    let ran = host.get("/shop.Cart/smuggled/contents").await.header("etag") != "\"0\"";
    (said, ran)
}

#[tokio::test]
async fn two_framings_are_never_two_requests() {
    let chunked = format!("{:x}\r\n{BOOK}\r\n0\r\n\r\n", BOOK.len());
    for fields in [
        "content-length: 500\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "transfer-encoding: chunked\r\n",
    ] {
        let (said, ran) = sent(fields, &chunked).await;
        assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("connection: close\r\n"), "{fields}: {said}");
        assert_eq!((said.matches("HTTP/1.1 ").count(), ran), (1, false), "{fields}");
    }
}

#[tokio::test]
async fn a_framing_that_is_not_clear_is_refused() {
    let length = BOOK.len();
    for fields in [
        format!("content-length: {length}\r\ncontent-length: 0\r\n"),
        format!("content-length: {length}, 0\r\n"),
        format!("content-length: +{length}\r\n"),
        "content-length: 0x10\r\n".into(),
        "content-length: -1\r\n".into(),
        "content-length: 99999999999999999999999\r\n".into(),
        format!("content-length : {length}\r\n"),
        "transfer-encoding: chunked, identity\r\n".into(),
        "transfer-encoding: xchunked\r\n".into(),
        "transfer-encoding : chunked\r\n".into(),
        "transfer-encoding:\r\n chunked\r\n".into(),
        "x: y\r\n folded: z\r\n".into(),
        "x: y\rcontent-length: 3\r\n".into(),
    ] {
        let (said, ran) = sent(&fields, BOOK).await;
        assert!(said.starts_with("HTTP/1.1 400 "), "{fields:?}: {said}");
        assert_eq!((said.matches("HTTP/1.1 ").count(), ran), (1, false), "{fields:?}");
    }
}

#[tokio::test]
async fn chunks_that_are_not_clear_end_the_connection() {
    let length = BOOK.len();
    for body in [
        format!("{length:x}\n{BOOK}\r\n0\r\n\r\n"),
        format!("{length:x}\r\n{BOOK}0\r\n\r\n"),
        format!("+{length:x}\r\n{BOOK}\r\n0\r\n\r\n"),
        "ffffffffffffffffffff\r\n".into(),
        "\r\n".into(),
    ] {
        let (said, ran) = sent("transfer-encoding: chunked\r\n", &body).await;
        assert!(!said.starts_with("HTTP/1.1 2"), "{body:?}: {said}");
        assert!(!ran && said.matches("HTTP/1.1 ").count() <= 1, "{body:?}: {said}");
    }
}

#[tokio::test]
async fn a_body_that_was_refused_unread_is_no_request() {
    let body = hidden();
    let fields = format!("content-length: {}\r\ncontent-encoding: gzip\r\n", body.len() + 100_000);
    let (said, ran) = sent(&fields, &(body + &" ".repeat(100_000))).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 415 "), "{said}");
    assert!(!ran);
}
