// SPDX-License-Identifier: Apache-2.0
//! The generic gRPC service, health and reflection, by tonic's client.

use adjoin_ingress::EntitiesClient;
use adjoin_model::Kind;
use adjoin_wire::client::{CallRequest, WatchRequest};
use serde_json::{Value, json};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::StatusExt;

use crate::host::{Host, LONG, host};

impl Host {
    pub(crate) async fn channel(&self) -> tonic::transport::Channel {
        let address = format!("http://{}", self.ingress.address());
        tonic::transport::Endpoint::from_shared(address).expect("an address").connect().await.expect("connected")
    }
}

fn call(command: &str, body: &Value) -> CallRequest {
    CallRequest {
        entity_type: "shop.Cart".into(),
        entity_key: "ada".into(),
        command: command.into(),
        body: body.to_string().into(),
        if_sequence: None,
    }
}

fn book() -> Value {
    json!({"product": "p1", "name": "Book"})
}

#[tokio::test]
async fn a_call_is_answered_with_body_and_sequence() {
    let host = host().await;
    let mut client = EntitiesClient::new(host.channel().await);
    let added = client.call(call("addItem", &book())).await.expect("added").into_inner();
    assert_eq!((&added.body[..], added.sequence), (&b"1"[..], 1));
    let stale = CallRequest { if_sequence: Some(0), ..call("addItem", &book()) };
    assert_eq!(client.call(stale).await.expect_err("stale").code(), Code::Aborted);
    let same = CallRequest { if_sequence: Some(1), ..call("removeItem", &json!("p1")) };
    assert_eq!(&client.call(same).await.expect("same").into_inner().body[..], b"null");
    let empty = CallRequest { body: bytes::Bytes::new(), ..call("contents", &json!(null)) };
    assert_eq!(&client.call(empty).await.expect("asked").into_inner().body[..], b"[]");
}

#[tokio::test]
async fn every_kind_of_error_has_its_code_and_details() {
    let host = host().await;
    let mut client = EntitiesClient::new(host.channel().await);
    for kind in Kind::ALL {
        let status = client.call(call("fail", &json!(kind.name()))).await.expect_err("failed");
        let info = status.get_details_error_info().expect("an ErrorInfo");
        let told = Kind::from_name(&info.reason).expect("a kind");
        assert_eq!(status.code() as i32, i32::from(told.code().number()), "{kind:?}: {status:?}");
        assert_eq!(info.domain, "shop.Cart");
        assert!(["none", "unknown"].contains(&info.metadata["outcome"].as_str()));
    }
    let missing = client.call(call("removeItem", &json!("p9"))).await.expect_err("refused");
    assert_eq!((missing.code(), missing.message()), (Code::NotFound, "no p9 here"));
    assert_eq!(missing.get_details_error_info().expect("an ErrorInfo").reason, "Rejected");
    for (wrong, code) in [("nope", Code::NotFound), ("digest", Code::NotFound)] {
        assert_eq!(client.call(call(wrong, &json!(1))).await.expect_err("refused").code(), code);
    }
    let broken = CallRequest { body: "{".into(), ..call("addItem", &json!(1)) };
    assert_eq!(client.call(broken).await.expect_err("no JSON").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn metadata_means_what_header_fields_mean() {
    let host = host().await;
    let mut client = EntitiesClient::new(host.channel().await);
    let mut replayed = Vec::new();
    for _ in 0..2 {
        let mut request = tonic::Request::new(call("addItem", &book()));
        request.metadata_mut().insert("idempotency-key", "k1".parse().expect("a value"));
        let response = client.call(request).await.expect("added");
        replayed.push((response.metadata().contains_key("idempotency-replayed"), response.into_inner().sequence));
    }
    assert_eq!(replayed, [(false, 1), (true, 1)]);
    let mut hang = tonic::Request::new(call("hang", &json!(null)));
    hang.set_timeout(std::time::Duration::from_millis(50));
    let code = client.call(hang).await.expect_err("late").code();
    assert!(matches!(code, Code::DeadlineExceeded | Code::Cancelled), "{code:?}");
}

#[tokio::test]
async fn a_watch_shows_the_latest_and_ends_with_the_host() {
    let host = host().await;
    let mut client = EntitiesClient::new(host.channel().await);
    let watch = |after_sequence, query: &str| WatchRequest {
        entity_type: "shop.Cart".into(),
        entity_key: "ada".into(),
        query: query.into(),
        body: bytes::Bytes::new(),
        after_sequence,
    };
    let mut elements = client.watch(watch(0, "contents")).await.expect("watched").into_inner();
    let first = elements.next().await.expect("an element").expect("well");
    assert_eq!((&first.body[..], first.sequence), (&b"[]"[..], 0));
    client.call(call("addItem", &book())).await.expect("added");
    let second = elements.next().await.expect("an element").expect("well");
    assert_eq!(second.sequence, 1);
    assert_eq!(client.watch(watch(0, "addItem")).await.expect_err("a command").code(), Code::InvalidArgument);
    let Host { ingress, .. } = host;
    let closing = tokio::spawn(ingress.close(LONG));
    let ended = elements.next().await.expect("an end").expect_err("with a reason");
    assert_eq!(ended.code(), Code::Unavailable);
    drop((elements, client));
    assert!(closing.await.expect("closed"), "all ended in time");
}

#[tokio::test]
async fn a_streamed_reply_is_a_stream() {
    let host = host().await;
    let mut client = EntitiesClient::new(host.channel().await);
    let digest = |days: i64| CallRequest {
        entity_type: "shop.Mailer".into(),
        command: "digest".into(),
        ..call("digest", &json!(days))
    };
    let elements = client.stream(digest(100)).await.expect("streamed").into_inner();
    let all: Vec<_> = elements.map(|element| element.expect("well").body).collect().await;
    assert_eq!((all.len(), &all[99][..]), (100, &b"\"day 99\""[..]));
    let mut refused = client.stream(digest(-1)).await.expect("streamed").into_inner();
    assert_eq!(refused.next().await.expect("an end").expect_err("refused").code(), Code::FailedPrecondition);
    assert_eq!(client.call(digest(1)).await.expect_err("by Stream").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn health_follows_the_function_and_the_host() {
    let mut host = host().await;
    let mut client = HealthClient::new(host.channel().await);
    let check = |service: &str| HealthCheckRequest { service: service.into() };
    let mut watch = client.watch(check("shop.Cart")).await.expect("watched").into_inner();
    let mut until = async |wanted: ServingStatus| {
        let seen = async { while watch.next().await.expect("open").expect("well").status != i32::from(wanted) {} };
        tokio::time::timeout(LONG, seen).await.expect("in time");
    };
    until(ServingStatus::Serving).await;
    for service in ["", "adjoin.client.v1.Entities"] {
        let status = client.check(check(service)).await.expect("checked").into_inner().status;
        assert_eq!(status, i32::from(ServingStatus::Serving), "{service}");
    }
    host.ingress.set_ready(false);
    until(ServingStatus::NotServing).await;
    host.ingress.set_ready(true);
    until(ServingStatus::Serving).await;
    host.function = None;
    until(ServingStatus::NotServing).await;
    assert_eq!(client.check(check("nope")).await.expect_err("unknown").code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_shows_fixed_and_derived_services() {
    let host = host().await;
    let mut client = ServerReflectionClient::new(host.channel().await);
    let questions = [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("shop.Cart".into()),
        MessageRequest::FileContainingSymbol("shop.Cart.AddItem".into()),
        MessageRequest::FileByFilename("adjoin/client/v1/entities.proto".into()),
        MessageRequest::FileContainingSymbol("shop.Nope".into()),
    ];
    let ask = |question| ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let requests = tokio_stream::iter(questions.map(ask));
    let answers = client.server_reflection_info(requests).await.expect("answered").into_inner();
    let answers: Vec<_> =
        answers.map(|answer| answer.expect("well").message_response.expect("an answer")).collect().await;
    let MessageResponse::ListServicesResponse(services) = &answers[0] else { panic!("{answers:?}") };
    for name in ["shop.Cart", "shop.Mailer", "adjoin.client.v1.Entities", "grpc.health.v1.Health"] {
        assert!(services.service.iter().any(|service| service.name == name), "{name}");
    }
    let files = |answer: &MessageResponse| match answer {
        MessageResponse::FileDescriptorResponse(files) => files.file_descriptor_proto.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((files(&answers[1]), files(&answers[2]), files(&answers[3])), (2, 2, 1));
    assert!(
        matches!(&answers[4], MessageResponse::ErrorResponse(error) if error.error_code == i32::from(Code::NotFound))
    );
}

#[tokio::test]
async fn an_unknown_service_is_unimplemented() {
    let host = host().await;
    let mut grpc = tonic::client::Grpc::new(host.channel().await);
    grpc.ready().await.expect("ready");
    let codec = tonic_prost::ProstCodec::<CallRequest, CallRequest>::default();
    let path = http::uri::PathAndQuery::from_static("/shop.Nope/Nope");
    let status = grpc.unary(tonic::Request::new(call("x", &json!(1))), path, codec).await.expect_err("nothing there");
    assert_eq!(status.code(), Code::Unimplemented);
}
