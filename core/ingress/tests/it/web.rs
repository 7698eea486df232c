// SPDX-License-Identifier: Apache-2.0
//! Browsers: gRPC-Web over HTTP/1.1 and HTTP/2, and scripts of other origins.

use adjoin_entity::spec::Answers;
use adjoin_ingress::Settings;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::host::{Host, LONG, request};
use crate::post::{self, Letter, Line, Receipt};

const ORIGIN: &str = "https://shop.example";

/// A message as it stands in a body.
fn frame(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
    [&[0], &length[..], &bytes].concat()
}

/// The last frame of a call that has ended well.
fn ended_well() -> Vec<u8> {
    let text = b"grpc-status:0\r\n";
    [&[0x80, 0, 0, 0, text.len() as u8], &text[..]].concat()
}

/// Sends bytes over HTTP/1.1 and reads until the host closes.
async fn raw(host: &Host, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = host.stream().await;
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.expect("written");
    let mut answer = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("in time").expect("read");
    answer
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn letter(text: &str) -> Letter {
    Letter { r#box: "ada".into(), text: text.into(), sender: None }
}

fn receipt(letters: i64, text: &str) -> Receipt {
    Receipt { letters, last_text: text.into(), sender: None }
}

#[tokio::test]
async fn grpc_web_in_binary_is_answered_over_http_1() {
    let host = post::host(Answers::Adjoin).await;
    let answer =
        raw(&host, "/post.Box/Send", "content-type: application/grpc-web+proto\r\n", &frame(&letter("hi"))).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
    assert!(contains(&answer, b"content-type: application/grpc-web+proto\r\n"));
    assert!(contains(&answer, &frame(&receipt(1, "hi"))) && contains(&answer, &ended_well()), "{answer:?}");
    let refused =
        raw(&host, "/post.Box/Send", "content-type: application/grpc-web\r\n", &frame(&letter("refuse"))).await;
    let refused = String::from_utf8_lossy(&refused);
    assert!(refused.contains("grpc-status:9") || refused.contains("grpc-status: 9"), "{refused}");
    let days = frame(&Line { text: String::new(), count: 3 });
    let streamed = raw(&host, "/post.Mailer/Digest", "content-type: application/grpc-web\r\n", &days).await;
    for count in 0..3 {
        assert!(contains(&streamed, &frame(&Line { text: format!("day {count}"), count })));
    }
    assert!(contains(&streamed, &ended_well()));
}

#[tokio::test]
async fn grpc_web_in_text_is_base64_both_ways() {
    let host = post::host(Answers::Adjoin).await;
    let body = BASE64_STANDARD.encode(frame(&letter("hi")));
    let kind = "application/grpc-web-text";
    let sent = request(Method::POST, "/post.Box/Send", &[("content-type", kind), ("accept", kind)], &body);
    let answer = host.send(sent).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with(kind), "{answer:?}");
    // Each chunk is encoded by itself, padding included.
    let text = std::str::from_utf8(&answer.body).expect("text");
    let mut decoded = Vec::new();
    for group in text.as_bytes().chunks(4) {
        decoded.extend(BASE64_STANDARD.decode(group).expect("base64"));
    }
    assert_eq!(decoded, [frame(&receipt(1, "hi")), ended_well()].concat());
}

#[tokio::test]
async fn text_comes_in_pieces_of_any_kind() {
    let host = post::host(Answers::Adjoin).await;
    let kind = "content-type: application/grpc-web-text+proto; charset=utf-8\r\n";
    let message = frame(&letter("hello"));
    // One write of two pieces, each with padding of its own.
    let (first, second) = message.split_at(4);
    let pieces = [BASE64_STANDARD.encode(first), BASE64_STANDARD.encode(second)];
    assert!(pieces.iter().all(|piece| piece.ends_with('=')), "{pieces:?}");
    let answer = raw(&host, "/post.Box/Send", kind, pieces.concat().as_bytes()).await;
    assert!(contains(&answer, &frame(&receipt(1, "hello"))), "{}", String::from_utf8_lossy(&answer));
    // Chunks of one byte.
    let chunks: String = pieces.concat().chars().map(|one| format!("1\r\n{one}\r\n")).collect();
    let head = "POST /post.Box/Send HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n";
    let mut stream = host.stream().await;
    stream.write_all(format!("{head}{kind}\r\n{chunks}0\r\n\r\n").as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.expect("in time").expect("read");
    assert!(contains(&answer, &frame(&receipt(2, "hello"))), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn grpc_web_is_answered_over_http_2_and_for_code_first_services() {
    let (host, _shop) = post::host_beside_the_shop().await;
    let io = TokioIo::new(host.stream().await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("a connection");
    tokio::spawn(connection);
    for (path, body) in [
        ("/post.Box/Send", frame(&letter("hi"))),
        // Its key.
        ("/shop.Cart/CheckOut", frame(&Letter { r#box: "ada".into(), ..Letter::default() })),
    ] {
        let request = Request::post(format!("http://a{path}")).header("content-type", "application/grpc-web");
        let response = client.send_request(request.body(Full::new(Bytes::from(body))).expect("a request")).await;
        let body = response.expect("answered").into_body().collect().await.expect("a body").to_bytes();
        assert!(contains(&body, &ended_well()), "{path}: {body:?}");
    }
}

async fn open(origins: &[&str]) -> Host {
    let cors_origins = origins.iter().map(|origin| (*origin).into()).collect();
    post::host_with(Answers::Adjoin, Settings { cors_origins, ..Settings::default() }).await
}

fn preflight(origin: &str) -> Request<Full<Bytes>> {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-grpc-web"),
    ];
    request(Method::OPTIONS, "/post.Box/Send", &headers, "")
}

#[tokio::test]
async fn scripts_of_allowed_origins_may_call() {
    let host = open(&[ORIGIN]).await;
    let asked = host.send(preflight(ORIGIN)).await;
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (200, ORIGIN));
    assert_eq!(asked.header("access-control-allow-headers"), "content-type,x-grpc-web");
    assert_eq!(asked.header("access-control-allow-methods"), "POST");
    let headers = [("origin", ORIGIN), ("content-type", "application/json")];
    let sent = host.send(request(Method::POST, "/boxes/ada/letters", &headers, "{}")).await;
    assert_eq!((sent.status, sent.header("access-control-allow-origin")), (200, ORIGIN));
    assert_eq!(sent.header("access-control-expose-headers"), "*", "{sent:?}");
    assert!(sent.header("vary").contains("origin"), "{sent:?}");
    let refused = host.send(request(Method::POST, "/boxes/ada/letters", &headers, "[]")).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (400, ORIGIN));
    let other = host.send(preflight("https://evil.example")).await;
    assert_eq!(other.header("access-control-allow-origin"), "");
    let any = open(&["*"]).await;
    assert_eq!(any.send(preflight("https://evil.example")).await.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn without_the_setting_browsers_are_told_nothing() {
    let host = open(&[]).await;
    let asked = host.send(preflight(ORIGIN)).await;
    assert!(asked.status >= 400 && asked.header("access-control-allow-origin").is_empty(), "{asked:?}");
    let headers = [("origin", ORIGIN), ("content-type", "application/json")];
    let sent = host.send(request(Method::POST, "/boxes/ada/letters", &headers, "{}")).await;
    assert_eq!((sent.status, sent.header("access-control-allow-origin")), (200, ""));
}
