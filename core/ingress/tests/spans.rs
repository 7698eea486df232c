// SPDX-License-Identifier: Apache-2.0
//! The span of a request. Alone in its process: whether a span is on is known to all threads at once.

#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/host.rs"]
mod host;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/post.rs"]
mod post;
#[allow(dead_code, reason = "shared with the tests in `it`")]
#[path = "it/shop.rs"]
mod shop;

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::format::FmtSpan;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a lock").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("a lock").clone()).expect("UTF-8")
    }
}

#[tokio::test]
async fn a_request_has_a_span_that_names_no_key_and_no_payload() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (host, _shop) = post::host_beside_the_shop().await;
    assert_eq!(host.post("/shop.Cart/somebody/addItem", r#"{"product":"p1","name":"Book"}"#).await.status, 200);
    assert_eq!(host.post("/boxes/somebody/letters", r#"{"text":"Book"}"#).await.status, 200);
    assert_eq!(host.post("/made.Up/somebody/nope", "").await.status, 404);
    let known =
        r#"request{protocol="http1" method="POST" route="command" type="shop.Cart" command="addItem" status="2xx"}"#;
    let contracted =
        r#"request{protocol="http1" method="POST" route="command" type="post.Box" command="Send" status="2xx"}"#;
    let unknown = r#"request{protocol="http1" method="POST" status="4xx"}"#;
    // The span closes a moment after the answer has left.
    let closed = async {
        while ![known, contracted, unknown].iter().all(|span| lines.text().contains(span)) {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(host::LONG, closed).await.is_ok(), "{}", lines.text());
    let text = lines.text();
    let call = text.lines().find(|line| line.contains(":call{")).unwrap_or_else(|| panic!("no call: {text}"));
    assert!(call.contains("request{") && call.contains("shop.Cart/addItem"), "the call is in the request: {call}");
    for secret in ["somebody", "Book", "made.Up", "nope"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
