// SPDX-License-Identifier: Apache-2.0
//! Callers that each add products nobody else adds, and remember which were acknowledged.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::load::{http, post};

const CALLERS: u32 = 16;
const CARTS: u32 = 7;

/// Loads the host for `time`, with `midway` called at half of it; returns the acknowledged products.
pub(super) fn run(host: SocketAddr, round: u32, time: Duration, midway: impl FnOnce()) -> Outcome<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let end = Instant::now() + time;
        let callers: Vec<_> = (0..CALLERS).map(|n| tokio::spawn(caller(host, round, n, end))).collect();
        tokio::time::timeout(time / 2, std::future::pending::<()>()).await.err();
        midway();
        let mut acknowledged = Vec::new();
        for caller in callers {
            acknowledged.extend(caller.await?);
        }
        Ok(acknowledged)
    })
}

/// Adds products until the time is over or the host is gone.
async fn caller(host: SocketAddr, round: u32, number: u32, end: Instant) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let Ok(mut stream) = TcpStream::connect(host).await else { return acknowledged };
    for turn in 0.. {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let product = format!("r{round}c{number}t{turn}");
        let body = format!(r#"{{"product":"{product}","name":"Book","qty":1}}"#);
        let request = post(&format!("/shop.Cart/k{}/addItem", turn % CARTS), &body);
        // An answer that does not come in time is one that nobody counts.
        match tokio::time::timeout(left, ask(&mut stream, &request)).await {
            Ok(Ok(())) => acknowledged.push(product),
            Ok(Err(_)) | Err(_) => break,
        }
    }
    acknowledged
}

async fn ask(stream: &mut TcpStream, request: &[u8]) -> Outcome<()> {
    stream.write_all(request).await?;
    let mut buffer = Vec::new();
    while http(&buffer)?.is_none() {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("closed".into());
        }
    }
    Ok(())
}
