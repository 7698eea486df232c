// SPDX-License-Identifier: Apache-2.0
//! What of contract-first functions is counted, as `docs/metrics.md` says.

use std::time::Instant;

use adjoin_entity::spec::Answers;
use adjoin_ingress::{EntitiesClient, Settings};
use adjoin_wire::client::CallRequest;
use http::Method;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::host::{Host, LONG, request};
use crate::post::{self, Letter, Receipt};
use crate::wire::Wire;

const JSON: (&str, &str) = ("content-type", "application/json");

/// Waits for these lines: a request is counted a moment after its answer has left.
async fn counts(metrics: &PrometheusHandle, lines: &[&str]) {
    let until = Instant::now() + LONG;
    loop {
        let text = metrics.render();
        let missing = lines.iter().find(|line| !text.lines().any(|printed| printed == **line));
        let Some(line) = missing else { return };
        assert!(Instant::now() < until, "{line} is missing:\n{text}");
        tokio::task::yield_now().await;
    }
}

async fn send(host: &Host, method: Method, path: &str, body: &str) -> u16 {
    host.send(request(method, path, &[JSON], body)).await.status
}

#[tokio::test]
async fn calls_of_contracts_are_counted_by_kind_and_type() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let host = post::host(Answers::Adjoin).await;
    assert_eq!(send(&host, Method::POST, "/boxes/ada/letters", "{}").await, 200);
    assert_eq!(send(&host, Method::GET, "/all/ada", "").await, 200);
    assert_eq!(send(&host, Method::GET, "/digest/2", "").await, 200);
    let letter = Letter { r#box: "ada".into(), ..Letter::default() };
    let mut client = tonic::client::Grpc::new(host.channel().await);
    client.ready().await.expect("ready");
    let codec = tonic_prost::ProstCodec::<Letter, Receipt>::default();
    let path = http::uri::PathAndQuery::from_static("/post.Box/Plain");
    client.unary(tonic::Request::new(letter), path, codec).await.expect("sent");
    let named = CallRequest {
        entity_type: "post.Mailer".into(),
        entity_key: "-".into(),
        command: "Echo".into(),
        body: "{}".into(),
        if_sequence: None,
    };
    EntitiesClient::new(host.channel().await).call(named).await.expect("echoed");
    let lines = [
        r#"adjoin_ingress_requests_total{protocol="http1",route="command",type="post.Box",status="2xx"} 1"#,
        r#"adjoin_ingress_requests_total{protocol="http1",route="query",type="post.Box",status="2xx"} 1"#,
        r#"adjoin_ingress_requests_total{protocol="http1",route="stream",type="post.Mailer",status="2xx"} 1"#,
        r#"adjoin_ingress_requests_total{protocol="grpc",route="command",type="post.Box",status="2xx"} 1"#,
        r#"adjoin_ingress_requests_total{protocol="grpc",route="command",type="post.Mailer",status="2xx"} 1"#,
    ];
    counts(&metrics, &lines).await;
}

#[tokio::test]
async fn refusals_of_calls_of_contracts_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    for answers in [Answers::Adjoin, Answers::Cloudstate] {
        let settings = Settings { body_bytes: 1000, body_ms: 50, ..Settings::default() };
        let host = post::host_with(answers, settings).await;
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(2000));
        assert_eq!(send(&host, Method::POST, "/boxes/ada/letters", &long).await, 413);
        let mut wire = Wire::to(&host).await;
        let head = "POST /boxes/ada/letters HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
            content-length: 10\r\n\r\n{";
        assert!(wire.send(head.as_bytes()).await);
        assert!(wire.answer().await.starts_with("HTTP/1.1 408 "));
    }
    let lines = [
        r#"adjoin_ingress_refusals_total{reason="body_size"} 2"#,
        r#"adjoin_ingress_refusals_total{reason="body_time"} 2"#,
    ];
    counts(&metrics, &lines).await;
}
