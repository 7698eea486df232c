// SPDX-License-Identifier: Apache-2.0
//! What of contract-first functions is counted, as `docs/metrics.md` says.

use std::time::Instant;

use adjoin_entity::spec::Answers;
use adjoin_ingress::EntitiesClient;
use adjoin_wire::client::CallRequest;
use http::Method;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::host::{Host, LONG, request};
use crate::post::{self, Letter, Receipt};

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
