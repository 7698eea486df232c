// SPDX-License-Identifier: Apache-2.0
//! Bytes as no well-behaved client sends them: a socket, and HTTP/2 frames made by hand (RFC 9113, section 4).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::host::{Host, LONG};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// How long a dripping client waits between two drops.
const DROP: Duration = Duration::from_millis(10);

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields in the plainest form of HPACK: literal, not indexed, names and values below 127 bytes.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

pub(crate) fn query() -> Vec<u8> {
    let path = "/shop.Cart/ada/contents";
    fields(&[(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", path)])
}

/// A preface, settings and nothing else.
pub(crate) fn hello() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// One frame of the host.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a frame that has it as its last field or its only one.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }
}

pub(crate) struct Wire(pub(crate) TcpStream);

impl Wire {
    pub(crate) async fn to(host: &Host) -> Self {
        Self(host.stream().await)
    }

    /// Sends; says whether the host still took it.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        timeout(LONG, self.0.write_all(bytes)).await.expect("the host takes or closes").is_ok()
    }

    /// Everything until the host closes; a reset counts as an end.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = timeout(LONG, self.0.read_to_end(&mut bytes)).await.expect("the host closes");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sends one byte after the other, slowly, until the host closes; what it said meanwhile.
    pub(crate) async fn drip(&mut self, byte: u8) -> String {
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        let dripping = async {
            loop {
                match timeout(DROP, self.0.read(&mut buffer)).await {
                    Ok(Ok(0) | Err(_)) => return,
                    Ok(Ok(read)) => said.extend_from_slice(&buffer[..read]),
                    // Whether it is taken shows at the next read.
                    Err(_) => drop(self.0.write_all(&[byte]).await),
                }
            }
        };
        timeout(LONG, dripping).await.expect("the host closes");
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The head and body of one answer with a length, the connection staying open.
    pub(crate) async fn answer(&mut self) -> String {
        let mut said = String::new();
        let whole = |said: &str| {
            let (head, body) = said.split_once("\r\n\r\n")?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
            (body.len() >= length.parse().ok()?).then_some(())
        };
        while whole(&said).is_none() {
            let mut buffer = [0; 4096];
            let read = timeout(LONG, self.0.read(&mut buffer)).await.expect("in time").expect("open");
            assert!(read > 0, "closed after {said:?}");
            said += std::str::from_utf8(&buffer[..read]).expect("UTF-8");
        }
        said
    }

    /// The next frame; none at the end of the connection.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        timeout(LONG, self.0.read_exact(&mut head)).await.expect("a frame or the end").ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        timeout(LONG, self.0.read_exact(&mut payload)).await.expect("a frame or the end").ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], stream, payload })
    }

    /// The next frame of a kind.
    pub(crate) async fn frame_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.frame().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }
}
