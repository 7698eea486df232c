// SPDX-License-Identifier: Apache-2.0
//! Spans of a call. Alone in its process: whether a span is on is known to all threads at once, so that tests beside
//! this one would switch it off.

#[allow(dead_code, reason = "shared with the tests in `engine`")]
#[path = "engine/faulty.rs"]
mod faulty;
#[allow(dead_code, reason = "shared with the tests in `engine`")]
#[path = "engine/function.rs"]
mod function;
#[allow(dead_code, reason = "shared with the tests in `engine`")]
#[path = "engine/world.rs"]
mod world;

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::format::FmtSpan;

use crate::world::World;

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

#[tokio::test]
async fn a_call_has_spans_for_load_handler_and_append() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    world.ok("ada", "add").await;
    world.call("ada", "refuse").await.expect_err("refused");
    world.stop().await;
    let text = String::from_utf8(lines.0.lock().expect("a lock").clone()).expect("UTF-8");
    let call = "call{otel.name=shop.Cart/add";
    for stage in [":load: ", ":handler{attempt=1}: ", ":append: "] {
        assert!(text.lines().any(|line| line.contains(call) && line.contains(stage)), "{stage} is missing:\n{text}");
    }
    assert!(
        text.lines().any(|line| line.contains("shop.Cart/refuse") && line.contains(r#"outcome="Rejected""#)),
        "{text}"
    );
}
