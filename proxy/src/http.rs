// SPDX-License-Identifier: Apache-2.0
//! The HTTP client of `call` and of the admin commands: one connection for each request, plain HTTP/1.1.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::{Exit, Failure, Outcome};

/// The largest answer that is taken whole.
const ANSWER_BYTES: usize = 65 << 20;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A host to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    authority: String,
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") {
            return Err(
                "https is not spoken by this version: put a forwarder with TLS before it, or use http://".into()
            );
        }
        let rest = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let authority: http::uri::Authority =
            rest.parse().map_err(|_| format!("{text:?} is no address: write http://HOST:PORT"))?;
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self { authority: format!("{}:{port}", authority.host()) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

impl Address {
    /// A request of this path, ready for its method, headers and body.
    pub(crate) fn request(&self, method: http::Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, &self.authority)
            .header(http::header::USER_AGENT, concat!("adjoin/", env!("CARGO_PKG_VERSION")))
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// Unavailable when nothing listens or the connection breaks.
    pub(crate) async fn send(&self, request: http::request::Builder, body: Vec<u8>) -> Outcome<Response<Incoming>> {
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::usage(format!("the request cannot be made: {error}")))?;
        let socket = timeout(CONNECT_WITHIN, TcpStream::connect(&self.authority))
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))
            .and_then(|connected| connected)
            .map_err(|error| Failure::unavailable(format!("no connection to {self}: {error}")))?;
        let broken = |error: hyper::Error| {
            Failure::unavailable(format!("the connection to {self} broke: {error}"))
                .at("outcome", "unknown: what was asked may have been done")
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broken)
    }
}

/// The whole body.
///
/// # Errors
/// Unavailable when the connection breaks before its end or it is longer than this client takes.
pub(crate) async fn body(response: Response<Incoming>) -> Outcome<Bytes> {
    let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| Failure::unavailable(format!("the answer ended early: {error}")))
}

/// The lines of a body as they come.
pub(crate) struct Lines {
    body: Incoming,
    rest: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// The lines of this answer.
    pub(crate) fn of(response: Response<Incoming>) -> Self {
        Self { body: response.into_body(), rest: Vec::new(), ended: false }
    }

    /// The next line without its end; none at the end of the body.
    ///
    /// # Errors
    /// Unavailable when the connection breaks, or a line is longer than this client takes.
    pub(crate) async fn next(&mut self) -> Outcome<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.rest[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.rest.drain(..=searched + end).collect();
                line.pop();
                return Ok(Some(line));
            }
            searched = self.rest.len();
            if self.ended || searched > ANSWER_BYTES {
                let last = std::mem::take(&mut self.rest);
                return Ok((!last.is_empty()).then_some(last));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Some(Err(error)) => return Err(Failure::unavailable(format!("the answer ended early: {error}"))),
                None => self.ended = true,
            }
        }
    }
}

/// An RFC 9457 problem, as ingress and admin API write it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    kind: String,
    outcome: String,
}

/// The failure that an answer other than 2xx stands for.
pub(crate) fn failure(status: StatusCode, body: &[u8]) -> Failure {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let what = [&problem.detail, &problem.title].into_iter().find(|text| !text.is_empty()).cloned();
    let what = what.unwrap_or_else(|| format!("{status} {}", String::from_utf8_lossy(body)).trim().to_owned());
    let kind = adjoin_model::Kind::from_name(&problem.kind);
    let mut failure = match kind {
        Some(kind) => Failure::from(adjoin_model::Error::new(kind, adjoin_model::Outcome::None, what)),
        None => Failure::new(exit_of(status), what),
    };
    failure = failure.at("answer", format!("{} {}", status.as_u16(), problem.kind).trim_end());
    match problem.outcome.as_str() {
        "unknown" => failure.at("outcome", "unknown: the command may have had its effect"),
        _ => failure,
    }
}

fn exit_of(status: StatusCode) -> Exit {
    match status.as_u16() {
        404 | 410 => Exit::NotFound,
        401 | 403 | 409 | 412 => Exit::Refused,
        408 | 429 | 499 | 502..=504 => Exit::Unavailable,
        400..=499 => Exit::Usage,
        _ => Exit::Failed,
    }
}

/// A part of a path, escaped.
pub(crate) fn escaped(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    // A part of dots alone would be taken for a step between folders.
    if text.bytes().all(|byte| byte == b'.') {
        return text.replace('.', "%2E");
    }
    utf8_percent_encode(text, PART).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_the_scheme() {
        let address = |text: &str| text.parse::<Address>().map(|it| it.to_string());
        assert_eq!(address("127.0.0.1:9000"), address("http://127.0.0.1:9000/"));
        assert_eq!(address("http://shop"), Ok("http://shop:80".into()));
        assert_eq!(address("[::1]:9"), Ok("http://[::1]:9".into()));
        assert!(address("https://shop").is_err() && address("").is_err());
    }

    #[test]
    fn a_problem_becomes_what_it_says() {
        let failure = failure(
            StatusCode::NOT_FOUND,
            br#"{"title":"Rejected","detail":"no p1 here","kind":"Rejected","outcome":"none"}"#,
        );
        assert_eq!(failure.exit(), Exit::Refused);
        assert_eq!(failure.to_string(), "no p1 here; answer: 404 Rejected");
    }

    #[test]
    fn an_answer_that_is_no_problem_is_shown_as_it_is() {
        let failure = failure(StatusCode::BAD_GATEWAY, b"nope");
        assert_eq!(failure.exit(), Exit::Unavailable);
        assert!(failure.to_string().contains("nope"));
    }

    #[test]
    fn parts_of_a_path_are_escaped() {
        assert_eq!(escaped("a/b c"), "a%2Fb%20c");
        assert_eq!(escaped(".."), "%2E%2E");
    }
}
