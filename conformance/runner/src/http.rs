// SPDX-License-Identifier: Apache-2.0
//! A client of HTTP: whole answers, and server-sent events as they come.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// After this a request is given up: nothing that a case asks may take longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shared connections to hosts.
#[derive(Clone)]
pub(crate) struct Client(Pool<HttpConnector, Full<Bytes>>);

/// A request before it has an address.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// `POST /conformance.Counter/ada/add`.
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

/// What came back. Status 0: the connection broke.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Pool::builder(TokioExecutor::new()).pool_max_idle_per_host(64).build(connector))
    }

    /// Asks and reads the whole answer; a broken connection is an answer too.
    pub(crate) async fn ask(&self, base: &str, ask: Ask) -> Answer {
        match self.try_ask(base, ask).await {
            Ok(answer) => answer,
            Err(said) => Answer { status: 0, headers: BTreeMap::new(), body: said.into() },
        }
    }

    async fn try_ask(&self, base: &str, ask: Ask) -> Result<Answer, String> {
        let asked = async {
            let response = self.0.request(ask.request(base)?).await.map_err(said)?;
            let (status, headers) = (response.status().as_u16(), headers_of(response.headers()));
            let body = response.into_body().collect().await.map_err(said)?.to_bytes();
            Ok(Answer { status, headers, body })
        };
        tokio::time::timeout(PATIENCE, asked).await.map_err(|_| format!("no answer in {PATIENCE:?}"))?
    }

    /// Opens a stream of events; an answer that is none is its error.
    pub(crate) async fn events(&self, base: &str, mut ask: Ask) -> Result<Events, String> {
        ask.headers.insert("accept".to_owned(), "text/event-stream".to_owned());
        let opened = tokio::time::timeout(PATIENCE, self.0.request(ask.request(base)?)).await;
        let response = opened.map_err(|_| format!("no stream in {PATIENCE:?}"))?.map_err(said)?;
        if response.status() != 200 {
            let (status, headers) = (response.status().as_u16(), headers_of(response.headers()));
            let body = response.into_body().collect().await.map_err(said)?.to_bytes();
            return Err(Answer { status, headers, body }.to_string());
        }
        Ok(Events { body: response.into_body(), waiting: BytesMut::new() })
    }
}

impl Ask {
    fn request(self, base: &str) -> Result<Request<Full<Bytes>>, String> {
        let (method, path) = self.line.split_once(' ').ok_or_else(|| format!("{:?} is no request", self.line))?;
        let mut request = Request::builder().method(method).uri(format!("{base}{path}"));
        if !self.body.is_empty() && !self.headers.contains_key("content-type") {
            // By a contract, what is announced as JSON is one value.
            let lines = self.body.contains(&b'\n');
            request = request.header("content-type", if lines { "application/x-ndjson" } else { "application/json" });
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body)).map_err(|error| format!("{:?} is no request: {error}", self.line))
    }
}

fn headers_of(headers: &http::HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// The whole chain of an error.
fn said(error: impl std::error::Error + 'static) -> String {
    let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| format!("the body is no JSON ({error})"))
    }

    /// A part of the body, by JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> Result<Value, String> {
        self.json()?.pointer(pointer).cloned().ok_or_else(|| format!("the body has no {pointer}"))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        let cut: String = text.chars().take(600).collect();
        write!(f, "{} {cut}", self.status)
    }
}

/// Server-sent events.
pub(crate) struct Events {
    body: Incoming,
    waiting: BytesMut,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    /// `message` when it is not said.
    pub(crate) kind: String,
    pub(crate) data: String,
}

impl Events {
    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            if let Some(end) = self.waiting.windows(2).position(|pair| pair == b"\n\n") {
                let block = self.waiting.split_to(end + 2);
                match event(&String::from_utf8_lossy(&block)) {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
            let frame = frame.map_err(|_| format!("nothing in the stream for {PATIENCE:?}"))?;
            match frame.transpose().map_err(said)? {
                Some(frame) => self.waiting.extend(frame.into_data().ok()),
                None => return Ok(None),
            }
        }
    }
}

/// The event of a block; none for a comment.
fn event(block: &str) -> Option<Event> {
    let mut event = Event { kind: "message".to_owned(), ..Event::default() };
    let (mut data, mut any) = (Vec::new(), false);
    for line in block.lines().filter(|line| !line.starts_with(':') && !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        any = true;
        match name {
            "id" => event.id = Some(value.to_owned()),
            "event" => event.kind = value.to_owned(),
            "data" => data.push(value),
            _ => {}
        }
    }
    event.data = data.join("\n");
    any.then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_the_standard_says() {
        let read = event("id: 7\nevent: end\ndata: {\ndata: }\n\n").expect("an event");
        assert_eq!(read, Event { id: Some("7".into()), kind: "end".into(), data: "{\n}".into() });
        assert_eq!(event(": keep-alive\n\n"), None);
        assert_eq!(event("data:1\n\n").expect("an event").kind, "message");
    }
}
