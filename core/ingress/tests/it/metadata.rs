// SPDX-License-Identifier: Apache-2.0
//! What a function says beside a reply, as its clients see it.

use adjoin_entity::spec::Answers;
use adjoin_ingress::EntitiesClient;
use adjoin_wire::client::CallRequest;
use http::{HeaderMap, Method};
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::host::{Host, host, request};
use crate::post::{self, Letter, Line, Receipt, Report};

async fn unary<I, O>(host: &Host, path: &'static str, request: Request<I>) -> Result<Response<O>, Status>
where
    I: Message + Send + Sync + 'static,
    O: Message + Default + Send + Sync + 'static,
{
    let mut client = tonic::client::Grpc::new(host.channel().await);
    client.ready().await.expect("ready");
    let path = http::uri::PathAndQuery::from_static(path);
    client.unary(request, path, tonic_prost::ProstCodec::<I, O>::default()).await
}

fn line(text: &str, count: i32) -> Line {
    Line { text: text.into(), count }
}

fn texts<'a>(values: impl IntoIterator<Item = &'a http::HeaderValue>) -> Vec<&'a str> {
    values.into_iter().map(|value| value.to_str().expect("text")).collect()
}

/// What the post says, and nothing that is not for it to say.
fn check(headers: &HeaderMap) {
    assert_eq!(texts(headers.get_all("x-told")), ["1", "2"]);
    assert_eq!(texts(headers.get_all("raw-bin")), ["AAE"]);
    assert!(!headers.contains_key("x-split") && !headers.contains_key("b"), "{headers:?}");
    assert!(headers.get("content-type").is_none_or(|kind| kind != "text/evil"), "{headers:?}");
}

#[tokio::test]
async fn a_contracts_replies_bring_it_as_initial_metadata() {
    let host = post::host(Answers::Adjoin).await;
    let letter = Letter { r#box: "ada".into(), text: "tell".into(), ..Letter::default() };
    let sent = unary::<_, Receipt>(&host, "/post.Box/Plain", Request::new(letter)).await.expect("sent");
    let metadata = sent.metadata().clone();
    assert_eq!(metadata.get("etag").expect("the host's own"), "\"1\"");
    assert_eq!(metadata.get_bin("raw-bin").expect("binary").to_bytes().expect("base64"), &[0, 1][..]);
    check(&metadata.into_headers());
}

#[tokio::test]
async fn what_an_action_gives_back_holds_no_credentials() {
    let host = post::host(Answers::Cloudstate).await;
    let mut asked = Request::new(line("tell", 0));
    for (name, value) in [("authorization", "Bearer secret"), ("cookie", "secret"), ("x-mine", "back")] {
        asked.metadata_mut().insert(name, value.parse().expect("a value"));
    }
    let told = unary::<_, Report>(&host, "/post.Mailer/Echo", asked).await.expect("told");
    assert!(told.get_ref().metadata.contains_key("authorization"), "the function has it");
    let headers = told.metadata().clone().into_headers();
    check(&headers);
    assert_eq!(headers.get("x-mine").expect("given back"), "back");
    let secret = |value: &http::HeaderValue| value.to_str().is_ok_and(|value| value.contains("secret"));
    assert!(!headers.values().any(secret), "{headers:?}");
}

#[tokio::test]
async fn a_contracts_replies_bring_it_as_fields_of_http() {
    let host = post::host(Answers::Adjoin).await;
    let json = [("content-type", "application/json")];
    let body = r#"{"box":"ada","text":"tell"}"#;
    let sent = host.send(request(Method::POST, "/post.Box/Plain", &json, body)).await;
    check(&sent.headers);
    assert_eq!((sent.status, sent.header("content-type"), sent.header("etag")), (200, "application/json", "\"1\""));
    assert_eq!(host.get("/digest/3").await.header("x-day"), "0", "of a stream, what came with its first element");
}

async fn day(client: Result<Response<Streaming<Line>>, Status>) -> (MetadataMap, usize) {
    let (metadata, mut lines, _) = client.expect("opened").into_parts();
    let mut count = 0;
    while lines.message().await.expect("well").is_some() {
        count += 1;
    }
    (metadata, count)
}

#[tokio::test]
async fn of_a_streamed_reply_only_what_came_with_its_first_element_is_said() {
    let host = post::host(Answers::Adjoin).await;
    let mut client = tonic::client::Grpc::new(host.channel().await);
    client.ready().await.expect("ready");
    let codec = tonic_prost::ProstCodec::<Line, Line>::default();
    let path = http::uri::PathAndQuery::from_static("/post.Mailer/Digest");
    let (metadata, days) = day(client.server_streaming(Request::new(line("", 3)), path, codec).await).await;
    assert_eq!(texts(metadata.into_headers().get_all("x-day")), ["0"]);
    assert_eq!(days, 3);
}

#[tokio::test]
async fn code_first_replies_bring_it_too() {
    let host = host().await;
    let tell = [("x-adjoin-tell", "this")];
    let body = r#"{"product":"p1","name":"Book"}"#;
    let added = host.send(request(Method::POST, "/shop.Cart/ada/addItem", &tell, body)).await;
    assert_eq!((added.header("x-told"), added.header("etag"), &added.body[..]), ("this", "\"1\"", &b"1"[..]));
    assert_eq!(host.post("/shop.Mailer/all/digest", "2").await.header("x-day"), "0");
    let call = |entity_type: &str, command: &str, body: &'static str| CallRequest {
        entity_type: entity_type.into(),
        entity_key: "ada".into(),
        command: command.into(),
        body: body.into(),
        if_sequence: None,
    };
    let mut client = EntitiesClient::new(host.channel().await);
    let mut asked = Request::new(call("shop.Cart", "contents", ""));
    asked.metadata_mut().insert("x-adjoin-tell", "that".parse().expect("a value"));
    assert_eq!(client.call(asked).await.expect("called").metadata().get("x-told").expect("told"), "that");
    let streamed = client.stream(call("shop.Mailer", "digest", "2")).await.expect("opened");
    assert_eq!(streamed.metadata().get("x-day").expect("told"), "0");
}

#[tokio::test]
async fn an_answer_that_is_given_again_does_not_bring_it() {
    let host = host().await;
    let fields = [("x-adjoin-tell", "once"), ("idempotency-key", "k1")];
    let body = r#"{"product":"p1","name":"Book"}"#;
    let add = || request(Method::POST, "/shop.Cart/ada/addItem", &fields, body);
    assert_eq!(host.send(add()).await.header("x-told"), "once");
    let again = host.send(add()).await;
    assert_eq!(
        (again.header("idempotency-replayed"), again.header("x-told"), &again.body[..]),
        ("true", "", &b"1"[..])
    );
}
