// SPDX-License-Identifier: Apache-2.0
//! Watches and streamed replies by HTTP.

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::Value;

use crate::host::{Host, LONG, host, host_with, request};

const BOOK: &str = r#"{"product":"p1","name":"Book"}"#;

/// Reads events one at a time.
struct Events {
    body: Incoming,
    read: String,
}

#[derive(Debug, Default, PartialEq)]
struct Event {
    id: Option<u64>,
    name: String,
    data: String,
    comment: bool,
}

impl Events {
    fn of(response: Response<Incoming>) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), read: String::new() }
    }

    async fn next(&mut self) -> Event {
        while !self.read.contains("\n\n") {
            let frame =
                tokio::time::timeout(LONG, self.body.frame()).await.expect("in time").expect("open").expect("well");
            self.read += std::str::from_utf8(frame.data_ref().expect("data")).expect("UTF-8");
        }
        let (event, rest) = self.read.split_once("\n\n").expect("an event");
        let mut parsed = Event::default();
        for line in event.lines() {
            match line.split_once(':').map(|(name, value)| (name, value.trim_start())) {
                Some(("id", id)) => parsed.id = id.parse().ok(),
                Some(("event", name)) => parsed.name = name.into(),
                Some(("data", data)) => parsed.data += data,
                _ => parsed.comment = line.starts_with(':'),
            }
        }
        self.read = rest.into();
        parsed
    }
}

fn watch(last: Option<&str>) -> Request<Full<bytes::Bytes>> {
    let headers: Vec<(&str, &str)> = last.iter().map(|last| ("last-event-id", *last)).collect();
    request(Method::GET, "/shop.Cart/ada/contents?watch", &headers, "")
}

#[tokio::test]
async fn a_watch_shows_now_and_every_change() {
    let host = host().await;
    let mut events = Events::of(host.open(watch(None)).await);
    let first = events.next().await;
    assert_eq!((first.id, first.data.as_str()), (Some(0), "[]"));
    host.post("/shop.Cart/ada/addItem", BOOK).await;
    let second = events.next().await;
    assert_eq!((second.id, second.data.contains("Book")), (Some(1), true));
}

#[tokio::test]
async fn a_watch_goes_on_after_the_last_event_seen() {
    let host = host().await;
    host.post("/shop.Cart/ada/addItem", BOOK).await;
    let mut events = Events::of(host.open(watch(Some("1"))).await);
    host.post("/shop.Cart/ada/removeItem", "\"p1\"").await;
    let next = events.next().await;
    assert_eq!((next.id, next.data.as_str()), (Some(2), "[]"));
    assert_eq!(
        host.send(request(Method::GET, "/shop.Cart/ada/contents?watch", &[("last-event-id", "x")], "")).await.kind(),
        "Invalid"
    );
}

#[tokio::test]
async fn a_watcher_that_reads_slowly_gets_the_latest_only() {
    let host = host().await;
    let mut events = Events::of(host.open(watch(None)).await);
    events.next().await;
    // More than sockets buffer: what is between is never sent.
    let name = "n".repeat(64 << 10);
    for number in 0..200 {
        let item = format!(r#"{{"product":"p{}","name":"{name}"}}"#, number % 4);
        assert_eq!(host.post("/shop.Cart/ada/addItem", &item).await.status, 200);
    }
    let mut seen = Vec::new();
    while seen.last() != Some(&200) {
        seen.push(events.next().await.id.expect("an id"));
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "never backwards: {seen:?}");
    assert!(seen.len() < 190, "{} of 200 were sent", seen.len());
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let host = host_with(adjoin_ingress::Settings { keep_alive_ms: 20, ..Default::default() }).await;
    let mut events = Events::of(host.open(watch(None)).await);
    events.next().await;
    assert!(events.next().await.comment);
    assert!(events.next().await.comment);
}

#[tokio::test]
async fn what_fails_at_once_fails_with_a_status() {
    let host = host().await;
    for (path, status) in [("/shop.Cart/ada/nope?watch", 404), ("/shop.Cart/ada/addItem?watch", 400)] {
        assert_eq!(host.get(path).await.status, status, "{path}");
    }
    let refused = host.post("/shop.Mailer/all/digest", "-1").await;
    assert_eq!((refused.status, refused.kind().as_str()), (400, "Rejected"));
}

#[tokio::test]
async fn a_streamed_reply_is_events_or_lines() {
    let host = host().await;
    let events = host.post("/shop.Mailer/all/digest", "3").await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    let expected = "data: \"day 0\"\n\ndata: \"day 1\"\n\ndata: \"day 2\"\n\nevent: end\ndata:\n\n";
    assert_eq!(std::str::from_utf8(&events.body), Ok(expected));
    let lines = request(Method::POST, "/shop.Mailer/all/digest", &[("accept", "application/x-ndjson")], "2");
    let lines = host.send(lines).await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    assert_eq!(std::str::from_utf8(&lines.body), Ok("\"day 0\"\n\"day 1\"\n"));
}

#[tokio::test]
async fn streams_are_bounded_and_freed() {
    let host = host_with(adjoin_ingress::Settings { streams: 1, ..Default::default() }).await;
    let mut events = Events::of(host.open(watch(None)).await);
    events.next().await;
    let full = host.send(watch(None)).await;
    assert_eq!((full.status, full.kind().as_str(), full.header("retry-after")), (429, "Exhausted", "1"));
    drop(events);
    let freed = async { while host.open(watch(None)).await.status() != 200 {} };
    tokio::time::timeout(LONG, freed).await.expect("freed when the client goes");
}

#[tokio::test]
async fn closing_ends_watches_and_says_so() {
    let host = host().await;
    let mut events = Events::of(host.open(watch(None)).await);
    events.next().await;
    let Host { ingress, .. } = host;
    let closing = tokio::spawn(ingress.close(LONG));
    let end = events.next().await;
    assert_eq!(end.name, "error");
    let problem: Value = serde_json::from_str(&end.data).expect("a problem");
    assert_eq!((problem["kind"].as_str(), problem["outcome"].as_str()), (Some("Unavailable"), Some("none")));
    drop(events);
    assert!(closing.await.expect("closed"), "all ended in time");
}

#[tokio::test]
async fn a_body_of_lines_is_the_stream_of_a_handler_that_takes_one() {
    let host = host().await;
    let total = host.post("/shop.Mailer/all/total", "1\n2\n\n3\n").await;
    assert_eq!((total.status, total.json()), (200, Value::from(6)));
    assert_eq!(host.post("/shop.Mailer/all/total", "").await.json(), Value::from(0));
}

#[tokio::test]
async fn a_line_that_is_no_json_ends_the_call_and_says_so() {
    let host = host().await;
    let refused = host.post("/shop.Mailer/all/total", "1\n{\n").await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        (&refused.json()["kind"], &refused.json()["outcome"]),
        (&Value::from("Invalid"), &Value::from("unknown"))
    );
}
