// SPDX-License-Identifier: Apache-2.0
//! A client that takes back what it streams: the handler must not take the half for the whole.

use std::time::Instant;

use adjoin_entity::spec::Answers;
use adjoin_wire::client::exchange_request::Part;
use adjoin_wire::client::{CallRequest, ExchangeRequest};
use http::Method;
use prost::Message;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;

use crate::host::{Host, LONG, host, request};
use crate::post::{self, Line, Report};
use crate::wire::{DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Wire, fields, frame, hello};

const CANCEL: u32 = 8;
const NO_ERROR: u32 = 0;

/// What became of the streams of a function, once it is so much.
async fn ends(host: &Host, path: &str, body: &str, length: usize) -> String {
    let until = Instant::now() + LONG;
    loop {
        let json = [("content-type", "application/json")];
        let said = host.send(request(Method::POST, path, &json, body)).await.json();
        let said = said.as_str().or(said["text"].as_str()).expect("a text").to_owned();
        if said.len() >= length {
            return said;
        }
        assert!(Instant::now() < until, "only {said:?} in time");
    }
}

async fn of_post(host: &Host, length: usize) -> String {
    ends(host, "/post.Mailer/Echo", r#"{"text":"ends"}"#, length).await
}

pub(crate) async fn of_shop(host: &Host, length: usize) -> String {
    ends(host, "/shop.Cart/ada/echo", r#""ends""#, length).await
}

fn head(path: &str, kind: &str) -> Vec<u8> {
    head_with(path, kind, &[])
}

fn head_with(path: &str, kind: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let block = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", path),
        ("content-type", kind),
        ("te", "trailers"),
    ];
    frame(HEADERS, END_HEADERS, 1, &fields(&[&block, more].concat()))
}

/// A message as gRPC frames it.
fn framed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
    [&[0][..], &length, &bytes].concat()
}

fn reset(code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, 1, &code.to_be_bytes())
}

#[tokio::test]
async fn a_reset_upload_of_a_contract_is_cancelled_and_never_complete() {
    for (method, code) in [("Sum", CANCEL), ("Sum", NO_ERROR), ("Double", CANCEL)] {
        let host = post::host(Answers::Adjoin).await;
        let mut wire = Wire::to(&host).await;
        let message = framed(&Line { text: String::new(), count: 1 });
        let sent = [head(&format!("/post.Mailer/{method}"), "application/grpc"), frame(DATA, 0, 1, &message)].concat();
        assert!(wire.send(&[hello(), sent].concat()).await);
        assert_eq!(of_post(&host, 1).await, "b");
        assert!(wire.send(&reset(code)).await);
        assert_eq!(of_post(&host, 2).await, "bc", "{method} reset by {code}");
    }
}

#[tokio::test]
async fn an_upload_that_its_client_has_ended_is_complete() {
    let host = post::host(Answers::Adjoin).await;
    let mut wire = Wire::to(&host).await;
    let message = framed(&Line { text: String::new(), count: 1 });
    let sent = [head("/post.Mailer/Sum", "application/grpc"), frame(DATA, END_STREAM, 1, &message)].concat();
    assert!(wire.send(&[hello(), sent].concat()).await);
    assert_eq!(of_post(&host, 2).await, "be");
}

#[tokio::test]
async fn a_reset_upload_of_lines_is_cancelled() {
    let host = host().await;
    let mut wire = Wire::to(&host).await;
    let sent = [head("/shop.Mailer/all/total", "application/x-ndjson"), frame(DATA, 0, 1, b"1\n2\n")].concat();
    assert!(wire.send(&[hello(), sent].concat()).await);
    assert_eq!(of_shop(&host, 1).await, "b");
    assert!(wire.send(&reset(CANCEL)).await);
    assert_eq!(of_shop(&host, 2).await, "bc");
}

#[tokio::test]
async fn a_call_that_a_grpc_client_drops_is_cancelled() {
    let host = post::host(Answers::Cloudstate).await;
    let mut client = tonic::client::Grpc::new(host.channel().await);
    client.ready().await.expect("ready");
    let (sender, lines) = tokio::sync::mpsc::channel(4);
    sender.send(Line { text: String::new(), count: 1 }).await.expect("sent");
    let call = tokio::spawn(async move {
        let path = http::uri::PathAndQuery::from_static("/post.Mailer/Sum");
        let codec = tonic_prost::ProstCodec::<Line, Report>::default();
        client.client_streaming(Request::new(ReceiverStream::new(lines)), path, codec).await
    });
    assert_eq!(of_post(&host, 1).await, "b");
    call.abort();
    assert_eq!(of_post(&host, 2).await, "bc");
    drop(sender);
}

/// The host lets go of the rest of a request by a reset without an error (RFC 9113, section 8.1).
#[tokio::test]
async fn a_call_that_is_over_waits_for_no_more_of_its_client() {
    let (host, _shop) = post::host_beside_the_shop().await;
    let call = CallRequest {
        entity_type: "post.Mailer".into(),
        entity_key: "-".into(),
        command: "Double".into(),
        body: bytes::Bytes::new(),
        if_sequence: None,
    };
    // The key, which is the first field of a derived request.
    let keyed = framed(&Line { text: "all".into(), count: 1 });
    let named = framed(&ExchangeRequest { part: Some(Part::Call(call)) });
    let paths = [
        ("/post.Mailer/Double", "application/grpc", vec![]),
        ("/post.Mailer/Sum", "application/grpc", vec![]),
        ("/shop.Mailer/Doubled", "application/grpc", keyed),
        ("/adjoin.client.v1.Entities/Exchange", "application/grpc", named),
        ("/shop.Mailer/all/doubled", "application/x-ndjson", vec![]),
    ];
    for (path, kind, begun) in paths {
        let mut wire = Wire::to(&host).await;
        let head = head_with(path, kind, &[("request-timeout", "0.05")]);
        // Silent from here on, and not at its end.
        assert!(wire.send(&[hello(), head, frame(DATA, 0, 1, &begun)].concat()).await);
        let reset = wire.frame_of(RST_STREAM).await.unwrap_or_else(|| panic!("{path}: the connection has ended"));
        assert_eq!((reset.stream, reset.code()), (1, NO_ERROR), "{path}");
    }
}
