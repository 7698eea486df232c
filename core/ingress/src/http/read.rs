// SPDX-License-Identifier: Apache-2.0
//! Reads the body of a request: bounded in bytes, in time, and over all requests together.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use adjoin_model::{Error, Outcome};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::Body;

use crate::http::problem::Problem;
use crate::meter::Refusal;
use crate::settings::Settings;

/// Bodies up to this size are copied, so that a small one does not hold on to a connection's whole read buffer.
const COPIED: usize = 16 << 10;

/// Counts the bytes of bodies that are being read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading(Arc<AtomicUsize>);

/// Bytes that one request holds; dropping it takes them off.
struct Held<'a> {
    reading: &'a Reading,
    bytes: usize,
}

impl Held<'_> {
    fn add(&mut self, bytes: usize, settings: &Settings) -> Result<(), Problem> {
        self.bytes += bytes;
        let all = self.reading.0.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.bytes > settings.body_bytes {
            return Err(too_large(settings));
        }
        if all > settings.reading_bytes {
            let said = format!("{} bytes of bodies are being read, the most this host takes", settings.reading_bytes);
            Refusal::Bodies.count();
            return Err(Error::exhausted(said).retry_after(settings.retry_after_ms).into());
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.reading.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

pub(crate) fn too_large(settings: &Settings) -> Problem {
    let said = format!("a body has at most {} bytes here", settings.body_bytes);
    Problem::with_status(Error::exhausted(said), StatusCode::PAYLOAD_TOO_LARGE)
}

impl Reading {
    /// The whole body.
    ///
    /// # Errors
    /// 413 and 429 past a bound, 408 when it takes too long, 415 for a compressed one.
    pub(crate) async fn whole<B>(&self, mut body: B, headers: &HeaderMap, settings: &Settings) -> Result<Bytes, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        check_encoding(headers).map_err(Problem::closing)?;
        let limit = Duration::from_millis(settings.body_ms);
        let read = async {
            if body.size_hint().lower() > settings.body_bytes as u64 {
                // To read would tell a client that waits for leave to send.
                if !headers.contains_key(http::header::EXPECT) {
                    discard(&mut body, settings.body_bytes).await;
                }
                return Err(too_large(settings));
            }
            let read = self.collect(&mut body, settings).await;
            if read.as_ref().is_err_and(|problem| problem.status == StatusCode::PAYLOAD_TOO_LARGE) {
                discard(&mut body, settings.body_bytes).await;
            }
            read
        };
        let read = tokio::time::timeout(limit, read).await.unwrap_or_else(|_| Err(too_slow(settings)));
        read.map_err(Problem::closing)
    }

    /// Reads a body that nobody is interested in, within the same bounds of bytes and time.
    pub(crate) async fn pass_over<B>(&self, mut body: B, settings: &Settings)
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let limit = Duration::from_millis(settings.body_ms);
        // What is left, if anything, ends the connection.
        let _ = tokio::time::timeout(limit, discard(&mut body, settings.body_bytes)).await;
    }

    async fn collect<B>(&self, body: &mut B, settings: &Settings) -> Result<Bytes, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut held = Held { reading: self, bytes: 0 };
        let Some(first) = next(body).await? else { return Ok(Bytes::new()) };
        held.add(first.len(), settings)?;
        if body.is_end_stream() {
            return Ok(kept(first));
        }
        let mut whole = BytesMut::from(&*first);
        while let Some(chunk) = next(body).await? {
            held.add(chunk.len(), settings)?;
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}

/// Reads what is left of a body that was refused, up to a bound: many clients look for the answer only once they have
/// written everything, and a connection that closes before loses it.
async fn discard<B: Body<Data = Bytes> + Unpin>(body: &mut B, bound: usize) {
    let mut bytes = 0;
    while bytes <= bound
        && let Ok(Some(chunk)) = next(body).await
    {
        bytes += chunk.len();
    }
}

fn kept(chunk: Bytes) -> Bytes {
    if chunk.len() <= COPIED { Bytes::copy_from_slice(&chunk) } else { chunk }
}

/// The next chunk of data; trailers are passed over.
pub(crate) async fn next<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            // The connection is gone or broke the framing: seldom does anybody read this.
            Some(Err(_)) => return Err(Error::invalid("the body broke off").into()),
        }
    }
}

fn too_slow(settings: &Settings) -> Problem {
    let said = format!("the body was not complete after {} ms", settings.body_ms);
    let error = Error::expired(said).with_outcome(Outcome::None);
    Problem::with_status(error, StatusCode::REQUEST_TIMEOUT)
}

pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(http::header::CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            let said = "a body is sent as it is: leave content-encoding out";
            Err(Problem::with_status(Error::invalid(said), StatusCode::UNSUPPORTED_MEDIA_TYPE))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http_body_util::{Full, StreamBody};

    fn chunks(count: usize) -> impl Body<Data = Bytes, Error = Error> + Unpin {
        let frames = (0..count).map(|_| Ok(http_body::Frame::data(Bytes::from_static(b"0123456789"))));
        StreamBody::new(futures::stream::iter(frames))
    }

    async fn read<B: Body<Data = Bytes> + Unpin>(body: B, settings: &Settings) -> Result<Bytes, u16> {
        let reading = Reading::default();
        let read = reading.whole(body, &HeaderMap::new(), settings).await;
        assert_eq!(reading.0.load(Ordering::Relaxed), 0, "nothing stays counted");
        read.map_err(|problem| problem.status.as_u16())
    }

    #[tokio::test]
    async fn chunks_are_joined() {
        let settings = Settings::default();
        assert_eq!(read(chunks(3), &settings).await.expect("read").len(), 30);
        assert_eq!(read(Full::new(Bytes::from_static(b"x")), &settings).await, Ok(Bytes::from_static(b"x")));
        assert_eq!(read(Full::new(Bytes::new()), &settings).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn bounds_hold_with_and_without_a_length() {
        let settings = Settings { body_bytes: 15, ..Settings::default() };
        assert_eq!(read(chunks(2), &settings).await, Err(413));
        assert_eq!(read(Full::new(Bytes::from(vec![0; 16])), &settings).await, Err(413));
        let settings = Settings { reading_bytes: 15, ..Settings::default() };
        assert_eq!(read(chunks(2), &settings).await, Err(429));
    }

    /// A body that is announced and must not be asked for.
    struct Announced;

    impl Body for Announced {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Error>>> {
            panic!("the client was told to send")
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(16)
        }
    }

    #[tokio::test]
    async fn a_client_that_waits_for_leave_is_refused_before_it_sends() {
        let settings = Settings { body_bytes: 15, ..Settings::default() };
        let headers = HeaderMap::from_iter([(http::header::EXPECT, HeaderValue::from_static("100-continue"))]);
        let read = Reading::default().whole(Announced, &headers, &settings).await;
        assert_eq!(read.expect_err("refused").status.as_u16(), 413);
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let settings = Settings { body_ms: 1, ..Settings::default() };
        let frames = futures::stream::pending::<Result<http_body::Frame<Bytes>, Error>>();
        assert_eq!(read(StreamBody::new(frames), &settings).await, Err(408));
    }

    #[tokio::test]
    async fn a_compressed_body_is_refused() {
        let headers = HeaderMap::from_iter([(http::header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
        let body = Full::new(Bytes::from_static(b"x"));
        let read = Reading::default().whole(body, &headers, &Settings::default()).await;
        assert_eq!(read.expect_err("refused").status.as_u16(), 415);
    }
}
