// SPDX-License-Identifier: Apache-2.0
//! What health, reflection and the bounds of messages say to clients of contract-first services.

use std::time::Duration;

use adjoin_entity::spec::{Answers, Spec};
use adjoin_ingress::{Settings, serve};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use prost_types::FileDescriptorProto;
use tokio::net::TcpListener;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_client::ServerReflectionClient};

use crate::forms::{self, Replies};
use crate::host::{Host, LONG, engine};
use crate::post::{self, Letter, Line};

/// The post, its mailboxes stored under a short name.
fn renamed(answers: Answers) -> Spec {
    let mut spec = post::spec(answers);
    spec.types[0].name = "box".into();
    spec
}

fn named(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

fn is(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tokio::test]
async fn health_is_asked_by_the_name_of_a_service_too() {
    let mut host = forms::host_with(renamed(Answers::Cloudstate), Replies::new(), Settings::default()).await;
    let mut client = HealthClient::new(host.channel().await);
    let mut watch = client.watch(named("post.Box")).await.expect("watched").into_inner();
    let mut until = async |wanted: ServingStatus| {
        let seen = async { while watch.message().await.expect("well").expect("open") != is(wanted) {} };
        tokio::time::timeout(LONG, seen).await.expect("in time");
    };
    until(ServingStatus::Serving).await;
    for name in ["", "box", "post.Box", "post.Mailer"] {
        assert_eq!(client.check(named(name)).await.expect("known").into_inner(), is(ServingStatus::Serving), "{name}");
    }
    assert_eq!(client.check(named("post.Nothing")).await.expect_err("unknown").code(), Code::NotFound);
    host.function = None;
    until(ServingStatus::NotServing).await;
}

#[tokio::test]
async fn a_name_that_may_come_is_watched() {
    let engine = engine().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let ingress = serve(engine.clone(), Settings::default(), listener).expect("served");
    let mut host = Host { ingress, function: None };
    let mut client = HealthClient::new(host.channel().await);
    let mut watch = client.watch(named("post.Box")).await.expect("watched").into_inner();
    let next = watch.message().await.expect("well").expect("at once");
    assert_eq!(next, is(ServingStatus::ServiceUnknown));
    host.function = Some(forms::connect(&engine, renamed(Answers::Adjoin), Replies::new()));
    let next = tokio::time::timeout(LONG, watch.message()).await.expect("in time").expect("well").expect("news");
    assert_eq!(next, is(ServingStatus::Serving));
}

async fn ask(host: &Host, question: Option<MessageRequest>) -> MessageResponse {
    let mut client = ServerReflectionClient::new(host.channel().await);
    let request = ServerReflectionRequest { host: String::new(), message_request: question };
    let asked = client.server_reflection_info(tokio_stream::once(request));
    let mut answers = asked.await.expect("asked").into_inner();
    answers.message().await.expect("well").expect("an answer").message_response.expect("one")
}

async fn services(host: &Host) -> Vec<String> {
    match ask(host, Some(MessageRequest::ListServices(String::new()))).await {
        MessageResponse::ListServicesResponse(list) => list.service.into_iter().map(|service| service.name).collect(),
        other => panic!("no list: {other:?}"),
    }
}

#[tokio::test]
async fn services_that_nothing_serves_yet_are_listed() {
    let spec = Spec { unserved: vec!["forms.Later".into(), "forms.Bees".into()], ..forms::spec(Answers::Cloudstate) };
    let host = forms::host_with(spec, Replies::new(), Settings::default()).await;
    let own = "grpc.reflection.v1.ServerReflection";
    assert_eq!(services(&host).await, [own, "forms.Ant", "forms.Bees", "forms.Forms", "forms.Later", "forms.Zebra"]);
}

#[tokio::test]
async fn every_kind_of_symbol_is_found() {
    let host = forms::host(Answers::Adjoin, Replies::new()).await;
    for (symbol, file) in [
        ("forms.Forms", "forms.proto"),
        ("forms.Forms.Show", "forms.proto"),
        ("forms.Item", "forms.proto"),
        ("forms.Item.product_id", "forms.proto"),
        ("forms.Colour", "forms.proto"),
        ("forms.COLOUR_RED", "forms.proto"),
        ("forms.Shape.Kind", "forms.proto"),
        ("forms.Shape.SQUARE", "forms.proto"),
        ("forms.Shape.size", "forms.proto"),
        ("google.api.http", "google/api/annotations.proto"),
    ] {
        let answer = ask(&host, Some(MessageRequest::FileContainingSymbol(symbol.into()))).await;
        let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{symbol}: {answer:?}") };
        let first = FileDescriptorProto::decode(&files.file_descriptor_proto[0][..]).expect("a file");
        assert_eq!(first.name(), file, "{symbol}");
    }
    for symbol in ["forms.SQUARE", "forms.Colour.COLOUR_RED", "forms.Shape.nothing", "forms.Item.size", "http", ""] {
        let answer = ask(&host, Some(MessageRequest::FileContainingSymbol(symbol.into()))).await;
        assert!(matches!(answer, MessageResponse::ErrorResponse(_)), "{symbol}: {answer:?}");
    }
}

#[tokio::test]
async fn questions_about_nothing_are_told_apart() {
    let host = forms::host(Answers::Adjoin, Replies::new()).await;
    let code = async |question| match ask(&host, question).await {
        MessageResponse::ErrorResponse(error) => Code::from(error.error_code),
        other => panic!("an answer: {other:?}"),
    };
    assert_eq!(code(Some(MessageRequest::AllExtensionNumbersOfType("forms.Nothing".into()))).await, Code::NotFound);
    assert_eq!(code(None).await, Code::InvalidArgument);
    let known = ask(&host, Some(MessageRequest::AllExtensionNumbersOfType("forms.Item".into()))).await;
    assert!(matches!(known, MessageResponse::AllExtensionNumbersResponse(none) if none.extension_number.is_empty()));
}

#[tokio::test]
async fn reflection_waits_for_the_first_function_as_calls_do() {
    let engine = engine().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let ingress = serve(engine.clone(), Settings::default(), listener).expect("served");
    let host = Host { ingress, function: None };
    let asked = services(&host);
    let mut asked = std::pin::pin!(asked);
    // It has been asked by then, or will be: what counts is that the answer knows the function.
    let early = tokio::time::timeout(Duration::from_millis(100), asked.as_mut()).await;
    assert!(early.is_err(), "answered before there was a function: {early:?}");
    let _function = forms::connect(&engine, forms::spec(Answers::Adjoin), Replies::new());
    let names = tokio::time::timeout(LONG, asked).await.expect("in time");
    assert!(names.contains(&"forms.Forms".to_owned()), "{names:?}");
}

fn framed(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    [&[0][..], &u32::try_from(bytes.len()).expect("short").to_be_bytes(), &bytes].concat()
}

/// The HTTP status and the gRPC status of a call.
async fn call(host: &Host, method: Method, path: &str, kind: &str, body: Vec<u8>) -> (u16, Option<Code>) {
    let io = TokioIo::new(host.stream().await);
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("a connection");
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(format!("http://a{path}"));
    let request = request.header("content-type", kind).header("te", "trailers");
    let request = request.body(Full::new(Bytes::from(body))).expect("a request");
    let response = tokio::time::timeout(LONG, client.send_request(request)).await.expect("in time").expect("answered");
    let (head, body) = response.into_parts();
    let trailers = body.collect().await.ok().and_then(|body| body.trailers().cloned());
    let status = head.headers.get("grpc-status").or_else(|| trailers.as_ref()?.get("grpc-status"));
    let code = status.map(|status| Code::from(status.to_str().expect("text").parse::<i32>().expect("a number")));
    (head.status.as_u16(), code)
}

const GRPC: &str = "application/grpc";

#[tokio::test]
async fn a_message_that_is_too_long_exhausts() {
    let host = post::host(Answers::Adjoin).await;
    let bound = 16 << 20;
    let long = framed(&Letter { r#box: "ada".into(), text: "x".repeat(bound), ..Letter::default() });
    for path in ["/post.Box/Plain", "/post.Mailer/Digest", "/post.Mailer/Double", "/adjoin.client.v1.Entities/Call"] {
        let exhausted = (200, Some(Code::ResourceExhausted));
        assert_eq!(call(&host, Method::POST, path, GRPC, long.clone()).await, exhausted, "{path}");
    }
    let two = [framed(&Line { text: "a".into(), count: 1 }), long].concat();
    assert_eq!(call(&host, Method::POST, "/post.Mailer/Sum", GRPC, two).await.1, Some(Code::ResourceExhausted));
}

#[tokio::test]
async fn a_call_takes_as_many_messages_as_its_method() {
    let host = post::host(Answers::Adjoin).await;
    let line = framed(&Line { text: "a".into(), count: 1 });
    let two = [&line[..], &line].concat();
    for path in ["/post.Mailer/Echo", "/post.Mailer/Digest"] {
        assert_eq!(call(&host, Method::POST, path, GRPC, line.clone()).await.1, Some(Code::Ok), "{path}");
        for body in [two.clone(), vec![]] {
            assert_eq!(call(&host, Method::POST, path, GRPC, body).await.1, Some(Code::Unimplemented), "{path}");
        }
    }
    assert_eq!(call(&host, Method::POST, "/post.Mailer/Sum", GRPC, two).await.1, Some(Code::Ok));
}

#[tokio::test]
async fn a_call_is_a_post_of_protobuf() {
    let host = post::host(Answers::Adjoin).await;
    let line = framed(&Line { text: "a".into(), count: 1 });
    for (method, kind, status) in [
        (Method::POST, "application/grpc+proto; charset=utf-8", 200),
        (Method::POST, "Application/gRPC", 200),
        (Method::PUT, GRPC, 405),
        (Method::GET, GRPC, 405),
        (Method::POST, "application/grpc+json", 415),
        (Method::POST, "application/grpc-web+json", 415),
    ] {
        let answer = call(&host, method.clone(), "/post.Mailer/Echo", kind, line.clone()).await;
        assert_eq!(answer.0, status, "{method} {kind}: {answer:?}");
        assert_eq!(answer.1 == Some(Code::Ok), status == 200, "{method} {kind}: {answer:?}");
    }
}
