// SPDX-License-Identifier: Apache-2.0
//! A connection's bytes, with limits on how long the other side may take.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::meter::Refusal;

/// Bytes of an HTTP/2 preface.
const PREFACE: usize = 24;

/// Gives up on a peer that does not begin, or that leaves what it was sent unread.
pub(super) struct Guarded<S> {
    stream: S,
    /// Runs until it is known which protocol the peer speaks.
    handshake: Option<Pin<Box<Sleep>>>,
    seen: usize,
    write: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, handshake: Duration, write: Duration) -> Self {
        let handshake = Some(Box::pin(sleep_until(Instant::now() + handshake)));
        Self { stream, handshake, seen: 0, write, stalled: None }
    }

    /// HTTP/1 shows at the first byte that no preface has; from there on its own limit on the head counts.
    fn saw(&mut self, bytes: &[u8]) {
        const EXPECTED: &[u8; PREFACE] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let expected = EXPECTED.get(self.seen..).unwrap_or(&[]);
        let other = bytes.iter().zip(expected).any(|(seen, expected)| seen != expected);
        self.seen += bytes.len();
        if other || self.seen >= PREFACE {
            self.handshake = None;
        }
    }

    fn poll_written<T>(&mut self, written: Poll<Result<T>>, context: &mut Context<'_>) -> Poll<Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let write = self.write;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + write)));
        stalled.as_mut().poll(context).map(|()| Err(late(Refusal::WriteTime, "the peer does not read")))
    }
}

fn late(refusal: Refusal, said: &'static str) -> Error {
    refusal.count();
    Error::new(ErrorKind::TimedOut, said)
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(handshake) = self.handshake.as_mut() else { return read };
        if read.is_pending() {
            let late = || late(Refusal::HandshakeTime, "the peer does not begin");
            return handshake.as_mut().poll(context).map(|()| Err(late()));
        }
        self.saw(&buffer.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_written(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.poll_written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    async fn begins_with(bytes: &[u8]) -> Result<usize> {
        let (mut client, server) = duplex(64);
        client.write_all(bytes).await.expect("room");
        let mut server = Guarded::new(server, SHORT, LONG);
        let mut buffer = [0; 64];
        let mut read = 0;
        while read < bytes.len() {
            read += server.read(&mut buffer).await?;
        }
        tokio::time::timeout(LONG / 600, server.read(&mut buffer)).await.unwrap_or(Ok(0))
    }

    #[tokio::test]
    async fn a_peer_that_does_not_begin_is_given_up() {
        for begun in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n"] {
            assert_eq!(begins_with(begun).await.expect_err("late").kind(), ErrorKind::TimedOut);
        }
    }

    #[tokio::test]
    async fn a_peer_that_has_begun_is_left_to_its_protocol() {
        for begun in [&b"GET / HT"[..], b"PO", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            assert!(begins_with(begun).await.is_ok());
        }
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_given_up() {
        let (_client, server) = duplex(8);
        let mut server = Guarded::new(server, LONG, SHORT);
        let error = server.write_all(&[0; 64]).await.expect_err("late");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
