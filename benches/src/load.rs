// SPDX-License-Identifier: Apache-2.0
//! A lean closed-loop load generator: so many callers, each with one connection and one request at a time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::process::Server;

/// What a load brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// How the end of one answer is found in the bytes of a connection.
pub(crate) type Framing = fn(&[u8]) -> Outcome<Option<usize>>;

/// What is sent: requests, of which every caller takes one after the other in its own order.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) requests: std::sync::Arc<Vec<Vec<u8>>>,
    pub(crate) framing: Framing,
    pub(crate) callers: usize,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

/// Runs a plan in a runtime of its own, on one thread.
pub(crate) fn run(plan: &Plan) -> Outcome<Load> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run_callers(plan))
}

async fn run_callers(plan: &Plan) -> Outcome<Load> {
    let from = Instant::now() + plan.warm_up;
    let callers: Vec<_> = (0..plan.callers).map(|n| tokio::spawn(caller(plan.clone(), n, from))).collect();
    let mut latencies = Vec::new();
    for caller in callers {
        latencies.extend(caller.await??);
    }
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(index).map_or(0.0, |ns| f64::from(*ns) / 1000.0)
    };
    let requests = latencies.len() as u64;
    let per_second = requests as f64 / plan.duration.as_secs_f64();
    Ok(Load { requests, per_second, p50_ms: at(0.5), p99_ms: at(0.99) })
}

/// Latencies in microseconds of one caller, from the end of the warm-up on.
async fn caller(plan: Plan, number: usize, from: Instant) -> Outcome<Vec<u32>> {
    let mut stream = TcpStream::connect(plan.address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut turn = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let end = from + plan.duration;
    loop {
        let began = Instant::now();
        if began >= end {
            return Ok(latencies);
        }
        turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let request = &plan.requests[(turn >> 33) as usize % plan.requests.len()];
        stream.write_all(request).await?;
        answer(&mut stream, &mut buffer, plan.framing).await?;
        if began >= from {
            latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
    }
}

async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>, framing: Framing) -> Outcome<()> {
    loop {
        if let Some(length) = framing(buffer)? {
            buffer.drain(..length);
            return Ok(());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
    }
}

/// One request a key, to `path` with `KEY` in it replaced.
pub(crate) fn posts(keys: usize, path: &str, body: &str) -> Vec<Vec<u8>> {
    (0..keys).map(|key| post(&path.replace("KEY", &format!("k{key}")), body)).collect()
}

/// Runs a plan on a server; gives its processor time in microseconds for each request too.
pub(crate) fn accounted(server: &Server, plan: &Plan) -> Outcome<(Load, f64)> {
    let before = server.cpu();
    let load = run(plan)?;
    Ok((load, (server.cpu() - before) * 1e6 / load.requests.max(1) as f64))
}

/// A keep-alive request with a JSON body.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The length of the first HTTP answer, whose status must be 200.
pub(crate) fn http(bytes: &[u8]) -> Outcome<Option<usize>> {
    match status_and_length(bytes)? {
        Some((status, _)) if status != 200 => {
            Err(format!("not answered well: {}", String::from_utf8_lossy(bytes)).into())
        }
        Some((_, end)) => Ok((bytes.len() >= end).then_some(end)),
        None => Ok(None),
    }
}

/// The status and the length of the first HTTP answer, as soon as its head is there.
pub(crate) fn status_and_length(bytes: &[u8]) -> Outcome<Option<(u16, usize)>> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head])?;
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .ok_or("an answer without content-length")?;
    Ok(Some((status.ok_or("an answer without a status")?, head + 4 + length)))
}

/// The length of the first answer of Redis to a command that returns a number.
pub(crate) fn redis(bytes: &[u8]) -> Outcome<Option<usize>> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    match bytes.first() {
        Some(b':') => Ok(Some(end + 2)),
        _ => Err(format!("Redis says {}", String::from_utf8_lossy(&bytes[..end])).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n42rest";
        assert_eq!(http(answer).ok().flatten(), Some(answer.len() - 4));
        assert_eq!(http(&answer[..10]).ok(), Some(None));
        assert!(http(b"HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n").is_err());
        assert_eq!(redis(b":12\r\n:1").ok().flatten(), Some(5));
        assert!(redis(b"-ERR\r\n").is_err());
    }
}
