// SPDX-License-Identifier: Apache-2.0
//! Derived services, called as a client with the exported `.proto` would.

use std::sync::Arc;

use adjoin_entity::spec::EntityType;
use adjoin_ingress::Settings;
use adjoin_ingress::schema::{Lock, export, lock};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage};
use serde_json::{Value, json};
use tokio_stream::StreamExt;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::host::{Host, LONG, host, host_with};
use crate::shop::spec;

fn types() -> Vec<Arc<EntityType>> {
    spec().types.into_iter().map(Arc::new).collect()
}

/// What a user of the exported files has after compiling them.
fn pool(lock: &Lock) -> DescriptorPool {
    let types = types();
    let folder = tempfile::tempdir().expect("a folder");
    let files = export(&types, lock);
    for file in &files {
        let path = folder.path().join(&file.path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, &file.text).expect("written");
    }
    let set = protox::compile(files.iter().map(|file| &file.path), [folder.path()]).expect("sound .proto files");
    DescriptorPool::from_file_descriptor_set(set).expect("sound descriptors")
}

struct Client {
    pool: DescriptorPool,
    grpc: tonic::client::Grpc<Channel>,
}

type Call = (http::uri::PathAndQuery, Json);

impl Client {
    async fn of(host: &Host) -> Self {
        Self::with(host, &Lock::default()).await
    }

    async fn with(host: &Host, lock: &Lock) -> Self {
        let mut grpc = tonic::client::Grpc::new(host.channel().await);
        grpc.ready().await.expect("ready");
        Self { pool: pool(lock), grpc }
    }

    fn call(&self, service: &str, method: &str) -> (Call, MessageDescriptor) {
        let described = self.pool.get_service_by_name(service).expect("a service");
        let described = described.methods().find(|other| other.name() == method).expect("a method");
        let path = format!("/{service}/{method}").parse().expect("a path");
        ((path, Json(described.output())), described.input())
    }

    async fn unary(&mut self, service: &str, method: &str, request: Value) -> Result<Value, Status> {
        let ((path, codec), input) = self.call(service, method);
        self.grpc.ready().await.expect("ready");
        let request = message(&input, request);
        self.grpc.unary(tonic::Request::new(request), path, codec).await.map(|response| shown(&response.into_inner()))
    }
}

fn message(of: &MessageDescriptor, json: Value) -> DynamicMessage {
    DynamicMessage::deserialize(of.clone(), json).expect("a message")
}

fn shown(message: &DynamicMessage) -> Value {
    let options = prost_reflect::SerializeOptions::new().stringify_64_bit_integers(false).skip_default_fields(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).expect("JSON")
}

/// Messages of a descriptor, by the wire's own form.
#[derive(Clone)]
struct Json(MessageDescriptor);

impl Codec for Json {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        self.clone()
    }
    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Json {
    type Item = DynamicMessage;
    type Error = Status;
    fn encode(&mut self, item: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::Message::encode(&item, buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Json {
    type Item = DynamicMessage;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.clone(), buffer).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

#[tokio::test]
async fn a_typed_call_and_a_json_call_are_the_same() {
    let host = host().await;
    let mut client = Client::of(&host).await;
    let item = json!({"product": "p1", "name": "Book", "qty": 2});
    let added = client.unary("shop.Cart", "AddItem", json!({"key": "ada", "item": item})).await.expect("added");
    assert_eq!(added, json!({"value": 1}));
    assert_eq!(host.get("/shop.Cart/ada/contents").await.json(), json!([item]));
    let without = json!({"key": "ada", "item": {"product": "p2", "name": "Pen"}});
    client.unary("shop.Cart", "AddItem", without).await.expect("added");
    let contents = client.unary("shop.Cart", "Contents", json!({"key": "ada"})).await.expect("asked");
    assert_eq!(contents["value"][1], json!({"product": "p2", "name": "Pen"}), "what is left out stays left out");
    let found =
        client.unary("shop.Cart", "Find", json!({"key": "ada", "name": "Book", "least": 2})).await.expect("asked");
    assert_eq!(found["value"], json!([item]));
    let removed =
        client.unary("shop.Cart", "RemoveItem", json!({"key": "ada", "product": "p1"})).await.expect("removed");
    assert_eq!(removed, json!({}));
    let echoed =
        client.unary("shop.Cart", "Echo", json!({"key": "ada", "body": {"x": [1, null]}})).await.expect("asked");
    assert_eq!(echoed, json!({"value": {"x": [1.0, null]}}));
}

#[tokio::test]
async fn refusals_have_their_code_and_details() {
    let host = host().await;
    let mut client = Client::of(&host).await;
    let missing =
        client.unary("shop.Cart", "RemoveItem", json!({"key": "ada", "product": "p9"})).await.expect_err("refused");
    assert_eq!(missing.code(), Code::NotFound);
    let keyless = client.unary("shop.Cart", "CheckOut", json!({})).await.expect_err("no key");
    assert_eq!(keyless.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_query_has_a_method_that_watches() {
    let host = host().await;
    let mut client = Client::of(&host).await;
    let ((path, codec), input) = client.call("shop.Cart", "WatchContents");
    let request = tonic::Request::new(message(&input, json!({"key": "ada"})));
    let mut elements = client.grpc.server_streaming(request, path, codec).await.expect("watched").into_inner();
    let first = shown(&elements.next().await.expect("an element").expect("well"));
    assert_eq!(first, json!({"value": [], "sequence": 0}));
    host.post("/shop.Cart/ada/addItem", r#"{"product":"p1","name":"Book"}"#).await;
    let second = shown(&elements.next().await.expect("an element").expect("well"));
    assert_eq!((&second["sequence"], &second["value"][0]["name"]), (&json!(1), &json!("Book")));
}

#[tokio::test]
async fn an_upload_that_its_client_drops_is_cancelled() {
    let host = host().await;
    let client = Client::of(&host).await;
    let ((path, codec), input) = client.call("shop.Mailer", "Total");
    let (sender, numbers) = tokio::sync::mpsc::channel(4);
    sender.send(message(&input, json!({"key": "all", "n": 1}))).await.expect("sent");
    let stream = tonic::Request::new(tokio_stream::wrappers::ReceiverStream::new(numbers));
    let mut grpc = client.grpc;
    let call = tokio::spawn(async move { grpc.client_streaming(stream, path, codec).await });
    assert_eq!(crate::cancelled::of_shop(&host, 1).await, "b");
    call.abort();
    assert_eq!(crate::cancelled::of_shop(&host, 2).await, "bc");
    drop(sender);
}

#[tokio::test]
async fn streams_go_both_ways() {
    let host = host().await;
    let mut client = Client::of(&host).await;
    let ((path, codec), input) = client.call("shop.Mailer", "Total");
    let numbers: Vec<DynamicMessage> = (1..=100).map(|n| message(&input, json!({"key": "all", "n": n}))).collect();
    let total = client
        .grpc
        .client_streaming(tonic::Request::new(tokio_stream::iter(numbers)), path, codec)
        .await
        .expect("summed");
    assert_eq!(shown(total.get_ref()), json!({"value": 5050}));
    let ((path, codec), input) = client.call("shop.Mailer", "Doubled");
    let numbers: Vec<DynamicMessage> = (1..=40).map(|n| message(&input, json!({"key": "all", "n": n}))).collect();
    client.grpc.ready().await.expect("ready");
    let doubled =
        client.grpc.streaming(tonic::Request::new(tokio_stream::iter(numbers)), path, codec).await.expect("opened");
    let doubled: Vec<Value> =
        doubled.into_inner().map(|element| shown(&element.expect("well"))["value"].clone()).collect().await;
    assert_eq!((doubled.len(), &doubled[39]), (40, &json!(80)));
    let ((path, codec), input) = client.call("shop.Mailer", "Digest");
    client.grpc.ready().await.expect("ready");
    let request = tonic::Request::new(message(&input, json!({"key": "all", "days": 3})));
    let days = client.grpc.server_streaming(request, path, codec).await.expect("streamed").into_inner();
    assert_eq!(days.collect::<Vec<_>>().await.len(), 3);
}

#[tokio::test]
async fn a_message_that_is_none_is_invalid_and_not_repeated() {
    let host = host().await;
    let mut client = Client::of(&host).await;
    let ((path, codec), _) = client.call("shop.Cart", "AddItem");
    // A request of another type: its field 2 is a text where a message is expected.
    let (_, other) = client.call("shop.Cart", "RemoveItem");
    let request = message(&other, json!({"key": "ada", "product": "secret"}));
    assert!(request.descriptor().name().starts_with("RemoveItem"));
    let status = client.grpc.unary(tonic::Request::new(request), path, codec).await.expect_err("no AddItemRequest");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(!status.message().contains("secret"), "{status:?}");
}

#[tokio::test]
async fn a_message_that_is_none_amid_a_stream_ends_the_call() {
    let host = host().await;
    let mut client = Client::of(&host).await;
    let (_, other) = client.call("shop.Cart", "RemoveItem");
    for method in ["Total", "Doubled"] {
        let ((path, codec), input) = client.call("shop.Mailer", method);
        let good = message(&input, json!({"key": "all", "n": 1}));
        // Its field 2 is a text where a number is expected. The stream stays open behind it.
        let bad = message(&other, json!({"key": "all", "product": "secret"}));
        let stream = tokio_stream::iter([good, bad]).chain(tokio_stream::pending());
        client.grpc.ready().await.expect("ready");
        let ended = async {
            let mut replies = client.grpc.streaming(tonic::Request::new(stream), path, codec).await?.into_inner();
            while replies.message().await?.is_some() {}
            Ok::<_, tonic::Status>(())
        };
        let status = tokio::time::timeout(LONG, ended).await.expect("it does not hang").expect_err("broken");
        assert_eq!(status.code(), Code::InvalidArgument, "{method}: {status:?}");
        assert!(!status.message().contains("secret"), "{status:?}");
    }
}

#[tokio::test]
async fn what_came_before_a_number_that_json_cannot_hold_may_have_had_an_effect() {
    let host = host().await;
    let mut client = Client::of(&host).await;
    let ((path, codec), input) = client.call("shop.Mailer", "Weighed");
    let weight = |kilos: Value| message(&input, json!({"key": "all", "kilos": kilos}));
    let stream = tokio_stream::iter([weight(json!(1.5)), weight(json!("NaN"))]).chain(tokio_stream::pending());
    let weighed = client.grpc.client_streaming(tonic::Request::new(stream), path, codec);
    let status = tokio::time::timeout(LONG, weighed).await.expect("in time").expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(status.get_details_error_info().expect("an ErrorInfo").metadata["outcome"], "unknown");
}

#[tokio::test]
async fn only_a_reply_of_an_entity_names_a_sequence() {
    let host = host().await;
    let mut client = Client::of(&host).await;
    for (service, method, request, tag) in [
        ("shop.Cart", "CheckOut", json!({"key": "ada"}), Some("\"1\"")),
        ("shop.Mailer", "Welcome", json!({"key": "all", "email": "a@b"}), None),
    ] {
        let ((path, codec), input) = client.call(service, method);
        client.grpc.ready().await.expect("ready");
        let request = tonic::Request::new(message(&input, request));
        let response = client.grpc.unary(request, path, codec).await.expect("answered");
        assert_eq!(response.metadata().get("etag").map(|tag| tag.to_str().expect("text")), tag, "{service}");
    }
}

/// The fields of an item stand in the spec as product, name, qty.
#[tokio::test]
async fn numbers_of_a_lock_hold_whatever_the_order_of_declaration_is() {
    let fresh = lock(&types(), &Lock::default()).lock.text();
    let mut text: Value = serde_json::from_str(&fresh).expect("JSON");
    let item = text.pointer_mut("/messages/shop.Item").and_then(Value::as_object_mut).expect("an item");
    for (field, number) in [("product", 7), ("name", 5), ("qty", 6)] {
        assert!(item.insert(field.into(), number.into()).is_some(), "{fresh}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shop.lock.json");
    std::fs::write(&file, text.to_string()).expect("written");
    let host = host_with(Settings { lock_file: Some(file), ..Settings::default() }).await;
    let mut client = Client::with(&host, &Lock::parse(&text.to_string()).expect("a lock")).await;

    let item = json!({"product": "p1", "name": "Book", "qty": 2});
    let request = json!({"key": "ada", "item": item});
    let (_, input) = client.call("shop.Cart", "AddItem");
    let bytes = prost::Message::encode_to_vec(&message(&input, request.clone()));
    assert_eq!(bytes, b"\x0a\x03ada\x12\x0c\x2a\x04Book\x30\x02\x3a\x02p1", "the wire holds the lock's numbers");
    assert_eq!(client.unary("shop.Cart", "AddItem", request).await.expect("added"), json!({"value": 1}));
    assert_eq!(host.get("/shop.Cart/ada/contents").await.json(), json!([item]));
}
