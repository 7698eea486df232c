// SPDX-License-Identifier: Apache-2.0
//! A client of HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// A client of one host.
#[derive(Clone)]
pub(crate) struct Client {
    host: SocketAddr,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// What came back.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    /// As in the first line.
    pub(crate) status: u16,
    /// Without parameters.
    pub(crate) kind: String,
    /// All of it.
    pub(crate) body: String,
}

impl Client {
    /// Of this host.
    pub(crate) fn new(host: SocketAddr) -> Self {
        Self { host, pool: Pool::builder(TokioExecutor::new()).build_http() }
    }

    /// Asks `POST /path` or the like, with JSON or without a body.
    ///
    /// # Errors
    /// If there is no whole answer in time.
    pub(crate) async fn ask(&self, line: &str, body: Option<&Value>) -> Result<Answer, String> {
        let said = |error: &dyn std::fmt::Display| format!("{line}: {error}");
        let (method, path) = line.split_once(' ').ok_or_else(|| said(&"no method"))?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| said(&error))?;
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.host));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request.body(Full::new(body)).map_err(|error| said(&error))?;
        let asked = async {
            let (head, body) = self.pool.request(request).await.map_err(|error| said(&error))?.into_parts();
            let kind = head.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            let kind = kind.split(';').next().unwrap_or_default().to_owned();
            let body = body.collect().await.map_err(|error| said(&error))?.to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Answer { status: head.status.as_u16(), kind, body })
        };
        tokio::time::timeout(ANSWERED_WITHIN, asked).await.map_err(|_| said(&"no answer in time"))?
    }

    /// Asks, and compares the JSON of the answer: every field is to be there, those with default values too.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) async fn answers(&self, line: &str, body: Option<&Value>, expected: &Value) -> Result<(), String> {
        let answer = self.ask(line, body).await?;
        let json: Option<Value> = serde_json::from_str(&answer.body).ok();
        if answer.status == 200 && answer.kind == "application/json" && json.as_ref() == Some(expected) {
            return Ok(());
        }
        Err(format!("{line} was answered with {answer:?}, not with {expected}"))
    }

    /// Asks, and compares the JSON of the answer as it is written.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) async fn writes(&self, line: &str, expected: &str) -> Result<(), String> {
        let expected = Answer { status: 200, kind: "application/json".into(), body: expected.into() };
        let answer = self.ask(line, None).await?;
        if answer == expected { Ok(()) } else { Err(format!("{line} was answered with {answer:?}, not {expected:?}")) }
    }

    /// Asks, and compares the refusal: plain text with its description.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) async fn refuses(&self, line: &str, body: Option<&Value>, said: &str) -> Result<(), String> {
        let expected = Answer { status: 500, kind: "text/plain".into(), body: said.into() };
        let answer = self.ask(line, body).await?;
        if answer == expected { Ok(()) } else { Err(format!("{line} was answered with {answer:?}, not {expected:?}")) }
    }

    /// Asks, and compares the status alone.
    ///
    /// # Errors
    /// How it differs.
    pub(crate) async fn says(&self, line: &str, body: Option<&Value>, status: u16) -> Result<(), String> {
        let answer = self.ask(line, body).await?;
        if answer.status == status { Ok(()) } else { Err(format!("{line} was answered with {answer:?}, not {status}")) }
    }
}
