// SPDX-License-Identifier: Apache-2.0
//! The client's stream towards an action: the body of a POST, one JSON value a line.

use std::time::Duration;

use adjoin_engine::Request as EngineRequest;
use adjoin_entity::Reply;
use adjoin_model::{Error, Payload};
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as HttpBody;
use tokio_stream::Stream;

use crate::app::App;
use crate::ask;
use crate::beside;
use crate::body::Body;
use crate::http::problem::Problem;
use crate::http::stream::{self, Form};
use crate::http::{call, json, read};
use crate::routes::Route;

/// Runs a handler that streams its input; the reply is one value, or a stream too.
pub(crate) async fn respond<B>(
    app: &App,
    request: EngineRequest,
    route: &Route,
    parts: &Parts,
    body: B,
) -> Result<Response<Body>, Problem>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
{
    let mut place = app.streams.place(&app.settings)?;
    let broken = place.breakable();
    let (upstream, mut elements) = app.engine.duplex(request);
    let lines = self::elements(app, &parts.headers, body, |line| Ok(ask::json_payload(line)))?;
    tokio::spawn(stream::pump(upstream, broken, lines));
    if route.handler().streamed_out {
        return stream::respond(elements, Form::accepted(&parts.headers), false, place, &app.settings).await;
    }
    let reply = stream::next(&mut elements, &mut place).await.transpose()?;
    let Reply { payload, metadata, .. } = stream::reply(reply);
    let mut response = call::result(payload);
    beside::lift(metadata, response.headers_mut());
    Ok(response)
}

/// The lines of a body, each as what `payload` makes of it.
///
/// # Errors
/// 415 for a compressed body.
pub(crate) fn elements<B, F>(
    app: &App,
    headers: &HeaderMap,
    body: B,
    payload: F,
) -> Result<impl Stream<Item = adjoin_model::Result<Payload>> + use<B, F>, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
    F: FnMut(Bytes) -> adjoin_model::Result<Payload>,
{
    read::check_encoding(headers)?;
    let lines = Lines {
        body,
        rest: BytesMut::new(),
        searched: 0,
        over: false,
        line_bytes: app.settings.body_bytes,
        depth: app.settings.json_depth,
        pause: Duration::from_millis(app.settings.body_ms),
    };
    Ok(futures::stream::try_unfold((lines, payload), async |(mut lines, mut payload)| {
        let line = lines.next().await.map_err(|problem| problem.error)?;
        let next = line.map(&mut payload).transpose()?;
        Ok(next.map(|next| (next, (lines, payload))))
    }))
}

/// Cuts a body into lines, each one JSON value. Empty lines are passed over.
struct Lines<B> {
    body: B,
    rest: BytesMut,
    /// Bytes of `rest` that hold no end of a line.
    searched: usize,
    over: bool,
    line_bytes: usize,
    depth: u8,
    pause: Duration,
}

impl<B: HttpBody<Data = Bytes> + Unpin> Lines<B> {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let Some(line) = self.line().await? else { return Ok(None) };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            json::check(&line, self.depth)?;
            return Ok(Some(line));
        }
    }

    async fn line(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let end = self.rest[self.searched..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let line = self.rest.split_to(self.searched + end + 1).freeze();
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.rest.len();
            if self.over {
                self.searched = 0;
                let last = self.rest.split().freeze();
                return Ok((!last.is_empty()).then_some(last));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Problem> {
        let chunk = tokio::time::timeout(self.pause, read::next(&mut self.body)).await;
        let slow = || {
            let said = format!("nothing came for {} ms", self.pause.as_millis());
            Problem::with_status(Error::expired(said), StatusCode::REQUEST_TIMEOUT)
        };
        match chunk.map_err(|_| slow())?? {
            Some(chunk) => self.rest.extend_from_slice(&chunk),
            None => self.over = true,
        }
        if self.rest.len() > self.line_bytes {
            let error = Error::exhausted(format!("a line has at most {} bytes here", self.line_bytes));
            return Err(Problem::with_status(error, StatusCode::PAYLOAD_TOO_LARGE));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;

    async fn lines(chunks: &[&'static str], line_bytes: usize) -> Result<Vec<Bytes>, u16> {
        let frames: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok::<_, Error>(http_body::Frame::data(Bytes::from_static(chunk.as_bytes()))))
            .collect();
        let body = StreamBody::new(futures::stream::iter(frames));
        let (rest, pause) = (BytesMut::new(), Duration::from_secs(5));
        let mut lines = Lines { body, rest, searched: 0, over: false, line_bytes, depth: 8, pause };
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.map_err(|problem| problem.status.as_u16())? {
            found.push(line);
        }
        Ok(found)
    }

    #[tokio::test]
    async fn lines_are_found_wherever_chunks_are_cut() {
        let found = lines(&["1\n\n{\"a\"", ":2", "}\r\n", "3"], 100).await.expect("lines");
        assert_eq!(found, [&b"1\n"[..], b"{\"a\":2}\r\n", b"3"]);
        assert_eq!(lines(&[], 100).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn broken_and_endless_lines_are_refused() {
        assert_eq!(lines(&["1\n{\n"], 100).await, Err(400));
        assert_eq!(lines(&["12345", "67890"], 8).await, Err(413));
    }
}
