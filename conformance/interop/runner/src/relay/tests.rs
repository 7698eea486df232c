// SPDX-License-Identifier: Apache-2.0
//! The relay between a client and a function of three lines: it must see what passes, and what does not.

use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::grpc;
use crate::schema::Schema;

const PATH: &str = "/test.Echo/echo";

/// Echoes every message, and ends well when its stream does.
async fn echo(listener: TcpListener) {
    while let Ok((connection, _)) = listener.accept().await {
        let service = service_fn(|request: Request<Incoming>| async move {
            let (sender, receiver) = tokio::sync::mpsc::channel(4);
            tokio::spawn(async move {
                let mut body = request.into_body();
                while let Some(Ok(frame)) = body.frame().await {
                    if let Ok(data) = frame.into_data() {
                        let _ = sender.send(Ok::<_, std::convert::Infallible>(Frame::data(data))).await;
                    }
                }
                let trailers = http::HeaderMap::from_iter([(
                    http::HeaderName::from_static("grpc-status"),
                    http::HeaderValue::from_static("0"),
                )]);
                let _ = sender.send(Ok(Frame::trailers(trailers))).await;
            });
            let answer = Response::builder().header("content-type", "application/grpc");
            answer.body(StreamBody::new(ReceiverStream::new(receiver)))
        });
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
            let _ = builder.serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

/// A schema with one service that echoes.
fn schema() -> (tempfile::TempDir, Schema) {
    let folder = tempfile::tempdir().expect("folder");
    let text = "syntax = \"proto3\"; package test; message Text { string text = 1; }\n\
                service Echo { rpc echo(stream Text) returns (stream Text); }";
    std::fs::write(folder.path().join("echo.proto"), text).expect("written");
    let schema = Schema::of(&["echo.proto"], &[folder.path().to_path_buf()]).expect("compiled");
    (folder, schema)
}

async fn relayed() -> (tempfile::TempDir, Schema, Relay, grpc::Client) {
    let (folder, schema) = schema();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let function = listener.local_addr().expect("bound");
    tokio::spawn(echo(listener));
    let relay = Relay::start(function).await.expect("started");
    let client = grpc::Client::new(relay.address, schema.clone()).expect("made");
    (folder, schema, relay, client)
}

#[tokio::test]
async fn what_passes_is_seen_in_order_up_to_the_end() {
    let (_folder, schema, relay, client) = relayed().await;
    let mut call = client.call(PATH).expect("known");
    for text in ["a", "b"] {
        call.send(&json!({"text": text})).await.expect("sent");
        call.tells(&json!({"text": text})).await.expect("echoed");
    }
    call.close();
    call.ended().await.expect("ended");
    let mut seen = relay.calls.find(&schema, PATH, |_| true).await.expect("seen");
    for text in ["a", "b"] {
        seen.goes_in(&json!({"text": text})).await.expect("in");
        seen.comes_out(&json!({"text": text})).await.expect("out");
    }
    seen.ends().await.expect("a clean end");
    assert!(relay.calls.unseen_paths().is_empty());
}

#[tokio::test]
async fn what_differs_is_told() {
    let (_folder, schema, relay, client) = relayed().await;
    let mut call = client.call(PATH).expect("known");
    call.send(&json!({"text": "a"})).await.expect("sent");
    assert!(call.tells(&json!({"text": "b"})).await.expect_err("differs").contains("\"a\""));
    let unseen = relay.calls.unseen_paths();
    assert_eq!(unseen.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), [PATH]);
    let mut seen = relay.calls.find(&schema, PATH, |_| true).await.expect("seen");
    assert!(seen.goes_in(&json!({"text": "b"})).await.expect_err("differs").contains("\"a\""));
    assert!(seen.goes_in(&json!({"text": "a"})).await.expect_err("an answer came").contains("Out"));
}

#[tokio::test]
async fn a_call_that_is_dropped_is_no_clean_end() {
    let (_folder, schema, relay, client) = relayed().await;
    let mut call = client.call(PATH).expect("known");
    call.send(&json!({"text": "a"})).await.expect("sent");
    call.tells(&json!({"text": "a"})).await.expect("echoed");
    call.cancel();
    let mut seen = relay.calls.find(&schema, PATH, |_| true).await.expect("seen");
    seen.goes_in(&json!({"text": "a"})).await.expect("in");
    seen.comes_out(&json!({"text": "a"})).await.expect("out");
    assert!(seen.ends().await.expect_err("cancelled").contains("Broken"));
}
