// SPDX-License-Identifier: Apache-2.0
//! Whatever is sent to the port, it neither panics nor stops serving. Alone in its process: it counts the panics of all
//! threads.

#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/host.rs"]
mod host;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/post.rs"]
mod post;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/shop.rs"]
mod shop;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use adjoin_ingress::Settings;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use tokio::io::AsyncWriteExt;

use crate::host::Host;
use crate::wire::{Wire, fields, frame, hello};

const CASES: u32 = 1000;

/// What HTTP/1.1 requests consist of, right and wrong.
const PIECES: [&[u8]; 41] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"LINK ",
    b"PRI * HTTP/2.0\r\n\r\n",
    b"/shop.Cart/ada/contents",
    b"/shop.Cart/ada/addItem",
    b"/shop.Mailer/all/total",
    b"/shop.Mailer/all/digest",
    b"/shop.Cart/%00%ff/%/?watch&a=%zz",
    b"/boxes/ada/letters",
    b"/boxes/ada/from/b%2Fob",
    b"/boxes/a%2F%2e%2e%2f/put?sender.name=%ff&sender.sponsor.sponsor.age=1&sender=x",
    b"?sender.name=bob&tags=a&tags=b&seal=AP8%3D&written_at=x",
    b"/boxes/ada:link",
    b":link:verb",
    b"/v1/shelves/1/boxes/%2F",
    b"/digest/-2",
    b"/post.Mailer/Double",
    b"/post.Mailer/Sum",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b"host: a\r\n",
    b"content-length: 3\r\n",
    b"content-length: 18446744073709551615\r\n",
    b"transfer-encoding: chunked\r\n",
    b"expect: 100-continue\r\n",
    b"connection: upgrade, keep-alive\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
    b"content-type: application/grpc\r\n",
    b"content-type: application/grpc-web\r\n",
    b"content-type: application/grpc-web-text+proto\r\n",
    b"content-type: application/json\r\n",
    b"accept: application/x-ndjson\r\n",
    b"idempotency-key: \xff\r\n",
    b"if-match: \"18446744073709551615\"\r\n",
    b"request-timeout: 1e308\r\n",
    b"last-event-id: -1\r\n",
    b"\r\n",
    b"3\r\n[1]\r\n",
    b"0\r\n\r\n",
    b"{\"product\":\"p\",\"name\":[[[[\"\\ud800\"",
];

fn heads() -> impl Strategy<Value = Vec<u8>> {
    let path = select(vec![
        "/shop.Cart/AddItem",
        "/shop.Cart/ada/contents?watch",
        "/grpc.health.v1.Health/Watch",
        "/post.Box/Send",
        "/post.Mailer/Double",
        "/boxes/ada/letters",
        "/boxes/%2F:link?sender.name=%ff",
        "*",
        "",
    ]);
    let kind = select(vec![
        "application/grpc",
        "application/grpc+json",
        "application/grpc-web",
        "application/grpc-web-text",
        "application/json",
        "text/plain",
    ]);
    (select(vec!["GET", "POST", "CONNECT"]), path, kind).prop_map(|(method, path, kind)| {
        fields(&[
            (":method", method),
            (":scheme", "http"),
            (":path", path),
            (":authority", "a"),
            ("content-type", kind),
        ])
    })
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![vec(any::<u8>(), 0..64), heads(), Just(vec![0, 0, 0, 0, 2, 8, 1])];
    let one = (0_u8..12, any::<u8>(), 0_u32..8, payload).prop_map(|(kind, flags, stream, payload)| {
        // A head that opens a stream well comes first often enough for the rest to matter.
        if kind > 9 { frame(1, 4, stream | 1, &payload) } else { frame(kind, flags, stream, &payload) }
    });
    vec(one, 0..12).prop_map(|frames| [hello(), frames.concat()].concat())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = vec(select(PIECES.to_vec()), 0..16).prop_map(|pieces| pieces.concat());
    let torn =
        pieces.clone().prop_flat_map(|pieces| (Just(pieces), vec(any::<u8>(), 0..8))).prop_map(|(mut all, noise)| {
            let middle = all.len() / 2;
            all.splice(middle..middle, noise);
            all
        });
    prop_oneof![vec(any::<u8>(), 0..256), pieces, torn, frames()]
}

/// Sends them, hears the host out, and asks whether the next one is served.
async fn sent(host: &Host, bytes: &[u8]) {
    let mut wire = Wire::to(host).await;
    wire.send(bytes).await;
    // The host may have closed already.
    let _ = wire.0.shutdown().await;
    wire.rest().await;
    assert_eq!(host.get("/shop.Cart/eve/contents").await.status, 200);
    assert_eq!(host.get("/all/eve").await.status, 200);
}

#[test]
fn any_bytes_leave_the_port_serving() {
    let panics = Arc::new(AtomicUsize::new(0));
    let (counted, earlier) = (panics.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        counted.fetch_add(1, Ordering::Relaxed);
        earlier(panic);
    }));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let settings = Settings { handshake_ms: 500, header_ms: 500, body_ms: 500, idle_ms: 500, ..Settings::default() };
    let (host, _shop) = runtime.block_on(post::host_beside_the_shop_with(settings));
    let mut runner =
        TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() });
    let ran = runner.run(&bytes(), |bytes| {
        let before = panics.load(Ordering::Relaxed);
        runtime.block_on(sent(&host, &bytes));
        prop_assert_eq!(panics.load(Ordering::Relaxed), before, "something has panicked");
        Ok(())
    });
    ran.unwrap_or_else(|failed| panic!("{failed}"));
}
