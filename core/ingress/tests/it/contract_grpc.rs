// SPDX-License-Identifier: Apache-2.0
//! Contract-first services over gRPC, called as a client with the same `.proto` would.

use adjoin_entity::spec::Answers;
use adjoin_ingress::EntitiesClient;
use adjoin_wire::client::exchange_request::Part;
use adjoin_wire::client::{CallRequest, ExchangeRequest};
use http::Method;
use prost::Message;
use serde_json::json;
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::host::{Host, LONG, request};
use crate::post::{self, Contents, Letter, Line, Receipt, Report, Sender};

struct Client(tonic::client::Grpc<Channel>);

impl Client {
    async fn of(host: &Host) -> Self {
        Self(tonic::client::Grpc::new(host.channel().await))
    }

    async fn unary<I, O>(&mut self, path: &'static str, request: Request<I>) -> Result<tonic::Response<O>, Status>
    where
        I: Message + Send + Sync + 'static,
        O: Message + Default + Send + Sync + 'static,
    {
        self.0.ready().await.expect("ready");
        let path = http::uri::PathAndQuery::from_static(path);
        self.0.unary(request, path, tonic_prost::ProstCodec::<I, O>::default()).await
    }

    async fn streaming(&mut self, path: &'static str, lines: Vec<Line>) -> Result<Vec<Line>, Status> {
        self.0.ready().await.expect("ready");
        let path = http::uri::PathAndQuery::from_static(path);
        let codec = tonic_prost::ProstCodec::<Line, Line>::default();
        let mut replies = self.0.streaming(Request::new(tokio_stream::iter(lines)), path, codec).await?.into_inner();
        let mut all = Vec::new();
        while let Some(line) = replies.message().await? {
            all.push(line);
        }
        Ok(all)
    }
}

fn letter(text: &str) -> Letter {
    let sender = Some(Sender { name: "bob".into(), age: 7 });
    Letter { r#box: "ada".into(), text: text.into(), sender }
}

fn line(text: &str, count: i32) -> Line {
    Line { text: text.into(), count }
}

#[tokio::test]
async fn an_entity_is_called_by_its_own_service() {
    let host = post::host(Answers::Adjoin).await;
    let mut client = Client::of(&host).await;
    let sent = client.unary::<_, Receipt>("/post.Box/Send", Request::new(letter("hello"))).await.expect("sent");
    assert_eq!(sent.metadata().get("etag").expect("a tag"), "\"1\"");
    assert_eq!((sent.get_ref().letters, &*sent.get_ref().last_text), (1, "hello"));
    let again = client.unary::<_, Receipt>("/post.Box/Plain", Request::new(letter("again"))).await.expect("sent");
    assert_eq!(again.get_ref().letters, 2);
    let which = post::Letter { r#box: "ada".into(), ..Letter::default() };
    let contents = client.unary::<_, Contents>("/post.Box/Look", Request::new(which)).await.expect("seen");
    assert_eq!(contents.get_ref().letters, [letter("hello").encode_to_vec(), letter("again").encode_to_vec()]);
    let mut stale = Request::new(letter("stale"));
    stale.metadata_mut().insert("if-match", "\"1\"".parse().expect("a tag"));
    assert_eq!(client.unary::<_, Receipt>("/post.Box/Send", stale).await.expect_err("stale").code(), Code::Aborted);
}

#[tokio::test]
async fn bytes_pass_as_they_came() {
    let host = post::host(Answers::Adjoin).await;
    let mut client = Client::of(&host).await;
    // A field that no contract knows, and a default that is written out.
    let odd = post::HttpBody { content_type: "ada".into(), data: bytes::Bytes::from_static(b"x") };
    let mut bytes = odd.encode_to_vec();
    bytes.extend_from_slice(&[0x18, 0x00, 0xa0, 0x06, 0x05]);
    let whole = Contents { letters: vec![] };
    assert_eq!(whole.encode_to_vec().len(), 0);
    let request = Raw(bytes.clone());
    client.unary::<_, Receipt>("/post.Box/Send", Request::new(request)).await.expect("sent");
    let which = Letter { r#box: "ada".into(), ..Letter::default() };
    let contents = client.unary::<_, Contents>("/post.Box/Look", Request::new(which)).await.expect("seen");
    assert_eq!(contents.get_ref().letters, [bytes]);
}

/// A message that is already encoded.
#[derive(Debug, Default)]
struct Raw(Vec<u8>);

impl Message for Raw {
    fn encode_raw(&self, buffer: &mut impl bytes::BufMut) {
        buffer.put_slice(&self.0);
    }
    fn merge_field(
        &mut self,
        _: u32,
        _: prost::encoding::WireType,
        _: &mut impl bytes::Buf,
        _: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        Ok(())
    }
    fn encoded_len(&self) -> usize {
        self.0.len()
    }
    fn clear(&mut self) {
        self.0.clear();
    }
}

#[tokio::test]
async fn refusals_are_told_by_the_table_of_errors() {
    let host = post::host(Answers::Adjoin).await;
    let mut client = Client::of(&host).await;
    let refused = client.unary::<_, Receipt>("/post.Box/Send", Request::new(letter("refuse"))).await.expect_err("no");
    assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, "no more room"));
    let info = refused.get_details_error_info().expect("an ErrorInfo");
    assert_eq!((&*info.reason, &*info.domain, &*info.metadata["outcome"]), ("Rejected", "post.Box", "none"));
    let keyless = client.unary::<_, Receipt>("/post.Box/Send", Request::new(Letter::default())).await.expect_err("no");
    assert_eq!(keyless.code(), Code::InvalidArgument);
    let wrong = client.unary::<_, Report>("/post.Mailer/Wrong", Request::new(line("x", 0))).await.expect_err("wrong");
    assert_eq!(wrong.code(), Code::Internal);
    assert!(wrong.message().contains("gives type.googleapis.com/post.Report"), "{wrong:?}");
    let nothing = client.unary::<_, Report>("/post.Mailer/Nothing", Request::new(line("x", 0))).await.expect("well");
    assert_eq!(nothing.get_ref(), &Report::default());
    let missing = client.unary::<_, Report>("/post.Mailer/Nowhere", Request::new(line("x", 0))).await.expect_err("no");
    assert_eq!(missing.code(), Code::Unimplemented);
}

#[tokio::test]
async fn clients_of_a_cloudstate_function_see_unknown_and_the_text() {
    let host = post::host(Answers::Cloudstate).await;
    let mut client = Client::of(&host).await;
    let refused = client.unary::<_, Receipt>("/post.Box/Send", Request::new(letter("refuse"))).await.expect_err("no");
    assert_eq!((refused.code(), refused.message(), refused.details()), (Code::Unknown, "no more room", &b""[..]));
    let coded = client.unary::<_, Receipt>("/post.Box/Send", Request::new(letter("coded"))).await.expect_err("no");
    assert_eq!((coded.code(), coded.message()), (Code::AlreadyExists, "gone"));
    let long = client.unary::<_, Receipt>("/post.Box/Send", Request::new(letter("ramble"))).await.expect_err("no");
    assert_eq!((long.code(), long.message()), (Code::Unknown, &*"ü".repeat(1024)), "what a head has room for");
    let wrong = client.unary::<_, Report>("/post.Mailer/Wrong", Request::new(line("x", 0))).await.expect("passed on");
    assert_eq!(wrong.get_ref().text, "x");
    // An OK status without a message is an error of the client's library.
    let none = client.unary::<_, Report>("/post.Mailer/Nothing", Request::new(line("x", 0))).await.expect_err("none");
    assert_eq!(none.code(), Code::Internal, "{none:?}");
    let failed = client.streaming("/post.Mailer/Digest", vec![line("", -2)]).await.expect_err("failed");
    assert_eq!((failed.code(), failed.message()), (Code::Unknown, "no such days"));
}

#[tokio::test]
async fn an_action_has_all_four_shapes_and_the_metadata_of_the_call() {
    let host = post::host(Answers::Adjoin).await;
    let mut client = Client::of(&host).await;
    let mut request = Request::new(line("hi", 0));
    request.metadata_mut().insert("x-shade", "blue".parse().expect("a value"));
    request.metadata_mut().insert("ce-id", "1".parse().expect("a value"));
    let echoed = client.unary::<_, Report>("/post.Mailer/Echo", request).await.expect("echoed").into_inner();
    assert_eq!((&*echoed.text, &*echoed.metadata["x-shade"], &*echoed.metadata["te"]), ("hi", "blue", "trailers"));
    assert!(!echoed.metadata.contains_key("content-type"), "{echoed:?}");
    assert!(!echoed.metadata.contains_key("ce-id"), "a call is no event: {echoed:?}");
    let days = client.streaming("/post.Mailer/Digest", vec![line("", 40)]).await.expect("streamed");
    assert_eq!((days.len(), &*days[39].text), (40, "day 39"));
    let doubled = client.streaming("/post.Mailer/Double", (0..40).map(|n| line("", n)).collect()).await.expect("well");
    assert_eq!((doubled.len(), doubled[39].count), (40, 78));
    assert_eq!(client.streaming("/post.Mailer/Double", vec![]).await.expect("well"), vec![]);
    for (lines, total) in [((0..100).collect::<Vec<i32>>(), 4950), (vec![], 0)] {
        client.0.ready().await.expect("ready");
        let path = http::uri::PathAndQuery::from_static("/post.Mailer/Sum");
        let lines = Request::new(tokio_stream::iter(lines.into_iter().map(|n| line("", n))));
        let codec = tonic_prost::ProstCodec::<Line, Report>::default();
        let sum = client.0.client_streaming(lines, path, codec).await.expect("summed");
        assert_eq!(sum.get_ref().total, total);
    }
}

#[tokio::test]
async fn a_bidirectional_call_answers_before_the_client_is_done() {
    let host = post::host(Answers::Adjoin).await;
    let mut client = Client::of(&host).await;
    client.0.ready().await.expect("ready");
    let (sender, lines) = tokio::sync::mpsc::channel(4);
    let lines = Request::new(tokio_stream::wrappers::ReceiverStream::new(lines));
    let path = http::uri::PathAndQuery::from_static("/post.Mailer/Double");
    let codec = tonic_prost::ProstCodec::<Line, Line>::default();
    let mut replies = client.0.streaming(lines, path, codec).await.expect("opened").into_inner();
    for count in 1..5 {
        sender.send(line("", count)).await.expect("sent");
        let reply = tokio::time::timeout(LONG, replies.next()).await.expect("in time").expect("one").expect("well");
        assert_eq!(reply.count, count * 2);
    }
    drop(sender);
    assert!(replies.next().await.is_none());
}

#[tokio::test]
async fn a_deadline_of_the_client_is_the_commands() {
    for answers in [Answers::Adjoin, Answers::Cloudstate] {
        let host = post::host(answers).await;
        let mut client = Client::of(&host).await;
        // Not by grpc-timeout, which tonic's client watches too: it is to be the host that ends the call.
        let mut request = Request::new(line("x", 0));
        request.metadata_mut().insert("request-timeout", "0.05".parse().expect("a value"));
        let call = client.unary::<_, Report>("/post.Mailer/Hang", request);
        let late = tokio::time::timeout(LONG, call).await.expect("in time").expect_err("late");
        assert_eq!(late.code(), Code::DeadlineExceeded, "{late:?}");
    }
}

#[tokio::test]
async fn code_first_services_go_on_beside_it() {
    let (host, _shop) = post::host_beside_the_shop().await;
    let mut client = Client::of(&host).await;
    client.unary::<_, Receipt>("/post.Box/Send", Request::new(letter("hello"))).await.expect("sent");
    let added = host.post("/shop.Cart/ada/addItem", r#"{"product":"p1","name":"Book"}"#).await;
    assert_eq!(added.json(), json!(1));
    let contract_first = host.post("/post.Box/ada/Send", "{}").await;
    assert_eq!(contract_first.kind(), "NotFound");
}

fn named(entity_type: &str, key: &str, command: &str, body: &str) -> CallRequest {
    CallRequest {
        entity_type: entity_type.into(),
        entity_key: key.into(),
        command: command.into(),
        body: body.to_owned().into(),
        if_sequence: None,
    }
}

#[tokio::test]
async fn the_generic_service_speaks_json_to_contract_first_types() {
    let host = post::host(Answers::Adjoin).await;
    let mut client = EntitiesClient::new(host.channel().await);
    let json = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).expect("JSON");
    let sent = client.call(named("post.Box", "ada", "Send", r#"{"text":"hello"}"#)).await.expect("sent").into_inner();
    assert_eq!((json(&sent.body), sent.sequence), (json!({"letters": "1", "lastText": "hello"}), 1));
    let same = r#"{"box":"ada","text":"again"}"#;
    assert_eq!(client.call(named("post.Box", "ada", "Send", same)).await.expect("sent").into_inner().sequence, 2);
    let seen = client.call(named("post.Box", "ada", "Look", "")).await.expect("seen").into_inner();
    assert_eq!(json(&seen.body)["letters"][0]["box"], "ada", "the key fills its field");
    let echoed = client.call(named("post.Mailer", "any", "Echo", r#"{"text":"hi"}"#)).await.expect("echoed");
    assert_eq!(json(&echoed.get_ref().body)["text"], "hi");

    let mut days =
        client.stream(named("post.Mailer", "-", "Digest", r#"{"count":2}"#)).await.expect("opened").into_inner();
    let mut said = Vec::new();
    while let Some(day) = days.message().await.expect("well") {
        said.push(json(&day.body)["text"].clone());
    }
    assert_eq!(said, ["day 0", "day 1"]);
}

#[tokio::test]
async fn the_generic_service_says_what_does_not_fit_a_contract() {
    let host = post::host(Answers::Adjoin).await;
    let mut client = EntitiesClient::new(host.channel().await);
    let cases = [
        (named("post.Box", "ada", "Send", r#"{"box":"bob"}"#), Code::InvalidArgument, "another entity"),
        (named("post.Box", "ada", "Send", r#"{"nothing":1}"#), Code::InvalidArgument, "no post.Letter"),
        (named("post.Box", "ada", "Send", "{"), Code::InvalidArgument, ""),
        (named("post.Box", "", "Send", "{}"), Code::InvalidArgument, "key"),
        (named("post.Box", "ada", "Burn", "{}"), Code::NotFound, "such a method"),
        (named("post.Mailer", "-", "Sum", "{}"), Code::InvalidArgument, "Exchange"),
        (named("post.Mailer", "-", "Digest", "{}"), Code::InvalidArgument, "Stream"),
        (named("post.Mailer", "-", "Wrong", "{}"), Code::Internal, "gives type.googleapis.com/post.Report"),
    ];
    for (call, code, part) in cases {
        let command = call.command.clone();
        let error = client.call(call).await.expect_err(&command);
        assert!(error.code() == code && error.message().contains(part), "{command}: {error:?}");
    }
}

#[tokio::test]
async fn the_generic_service_exchanges_json_with_an_action_of_a_contract() {
    let host = post::host(Answers::Adjoin).await;
    let mut client = EntitiesClient::new(host.channel().await);
    let part = |part| ExchangeRequest { part: Some(part) };
    let element = |count: i32| part(Part::Element(json!({"count": count}).to_string().into()));
    let call = part(Part::Call(named("post.Mailer", "-", "Double", "")));
    let parts = vec![call, element(1), element(2), part(Part::End(Default::default()))];
    let mut doubled = client.exchange(tokio_stream::iter(parts)).await.expect("opened").into_inner();
    let mut counts = Vec::new();
    while let Some(line) = doubled.message().await.expect("well") {
        counts.push(serde_json::from_slice::<serde_json::Value>(&line.body).expect("JSON")["count"].clone());
    }
    assert_eq!(counts, [2, 4]);
    let call = part(Part::Call(named("post.Mailer", "-", "Double", "")));
    let parts = vec![call, part(Part::Element(r#"{"no":1}"#.into()))];
    let refused = match client.exchange(tokio_stream::iter(parts)).await {
        Ok(response) => response.into_inner().message().await.expect_err("refused"),
        Err(status) => status,
    };
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
}

#[tokio::test]
async fn grpc_over_http_1_is_refused_before_anything_runs() {
    let host = post::host(Answers::Adjoin).await;
    let message = letter("lost").encode_to_vec();
    let length = u8::try_from(message.len()).expect("short");
    let body = String::from_utf8([&[0, 0, 0, 0, length][..], &message].concat()).expect("text");
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let answer = host.send(request(Method::POST, "/post.Box/Send", &headers, &body)).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, "3"), "{answer:?}");
    assert!(answer.header("grpc-message").contains("HTTP/2") && answer.body.is_empty(), "{answer:?}");
    assert_eq!(host.get("/all/ada").await.json(), json!([]));
}

#[tokio::test]
async fn the_index_names_the_services_of_contracts() {
    let host = post::host(Answers::Adjoin).await;
    assert_eq!(host.get("/").await.json()["services"], json!(["post.Box", "post.Mailer"]));
}
