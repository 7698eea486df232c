// SPDX-License-Identifier: Apache-2.0
//! Time: what a peer may take for a preface, a head, a body, and for nothing at all.

use adjoin_ingress::Settings;

use super::short;
use crate::host::host_with;
use crate::wire::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, Wire, fields, frame, hello, query};

#[tokio::test]
async fn a_head_that_drips_is_cut_off() {
    let host = host_with(short()).await;
    let mut wire = Wire::to(&host).await;
    wire.send(b"GET /shop.Cart/ada/contents HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
    assert_eq!(wire.drip(b'a').await, "", "no request, no answer");
    host.serves().await;
}

#[tokio::test]
async fn a_head_that_drips_after_a_served_request_is_cut_off() {
    let host = host_with(short()).await;
    let mut wire = Wire::to(&host).await;
    wire.send(b"GET /shop.Cart/ada/contents HTTP/1.1\r\nhost: a\r\n\r\nGET /").await;
    assert!(wire.drip(b'a').await.ends_with("\r\n\r\n[]"), "the first is answered, the second is not");
}

#[tokio::test]
async fn a_body_that_drips_is_told_408_and_cut_off() {
    for framing in ["content-length: 100000", "transfer-encoding: chunked\r\n\r\n8000"] {
        let host = host_with(short()).await;
        let mut wire = Wire::to(&host).await;
        let head = format!("POST /shop.Cart/ada/addItem HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n");
        wire.send(head.replace("8000\r\n\r\n", "8000\r\n").as_bytes()).await;
        let said = wire.drip(b' ').await;
        assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("\"kind\":\"Expired\""), "{framing}: {said}");
        host.serves().await;
    }
}

#[tokio::test]
async fn a_preface_that_stays_half_is_cut_off() {
    for begun in [&b""[..], &PREFACE[..1], &PREFACE[..PREFACE.len() - 1]] {
        let host = host_with(Settings { handshake_ms: 150, ..Settings::default() }).await;
        let mut wire = Wire::to(&host).await;
        wire.send(begun).await;
        assert_eq!(wire.rest().await, "");
        host.serves().await;
    }
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed() {
    let settings = Settings { idle_ms: 150, ..Settings::default() };
    let host = host_with(settings).await;
    let mut first = Wire::to(&host).await;
    first.send(b"GET /shop.Cart/ada/contents HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(first.rest().await.ends_with("[]"), "answered, then closed");
    let mut second = Wire::to(&host).await;
    second.send(&[hello(), frame(HEADERS, END_HEADERS | END_STREAM, 1, &query())].concat()).await;
    let goaway = second.frame_of(GOAWAY).await.expect("told");
    assert_eq!(goaway.code(), 0, "in peace");
    while second.frame().await.is_some() {}
}

#[tokio::test]
async fn a_request_that_never_gets_its_head_whole_is_closed_on_http_2() {
    let host = host_with(Settings { idle_ms: 150, ..Settings::default() }).await;
    let mut wire = Wire::to(&host).await;
    wire.send(&[hello(), frame(HEADERS, END_STREAM, 1, &query())].concat()).await;
    while wire.frame().await.is_some() {}
    host.serves().await;
}

#[tokio::test]
async fn a_grpc_message_that_does_not_come_or_drips_ends_the_call() {
    let host = host_with(Settings { body_ms: 150, ..Settings::default() }).await;
    for path in ["/adjoin.client.v1.Entities/Call", "/grpc.health.v1.Health/Check", "/shop.Cart/AddItem"] {
        for drops in [0, 5] {
            let head = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", path)];
            let kind = [("content-type", "application/grpc"), ("te", "trailers")];
            let block = fields(&[head.as_slice(), &kind].concat());
            let drip: Vec<u8> = (0..drops).flat_map(|_| frame(DATA, 0, 1, &[0])).collect();
            let mut wire = Wire::to(&host).await;
            wire.send(&[hello(), frame(HEADERS, END_HEADERS, 1, &block), drip].concat()).await;
            let answer = wire.frame_of(HEADERS).await.expect("an answer");
            assert_eq!(answer.stream, 1, "{path}");
        }
    }
}

#[tokio::test]
async fn a_connection_with_a_request_under_way_is_not_idle() {
    let host = host_with(Settings { idle_ms: 20, ..Settings::default() }).await;
    let mut wire = Wire::to(&host).await;
    wire.send(b"POST /shop.Cart/ada/hang HTTP/1.1\r\nhost: a\r\nrequest-timeout: 0.3\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(wire.answer().await.starts_with("HTTP/1.1 504 "), "the deadline of the call ended it");
}
