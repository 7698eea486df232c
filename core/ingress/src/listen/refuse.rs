// SPDX-License-Identifier: Apache-2.0
//! Tells a connection past the bound why it is closed.

use std::sync::Arc;
use std::time::Duration;

use adjoin_model::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::http::problem::Problem;

/// How long telling may take.
const TELLING: Duration = Duration::from_millis(500);

/// Connections that are told at once; further ones are only closed.
const TOLD: usize = 64;

/// Bounds how many are told.
pub(super) struct Refusals(Arc<Semaphore>);

impl Refusals {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(TOLD)))
    }

    /// Answers 503 and closes.
    pub(super) fn refuse(&self, stream: TcpStream, tasks: &mut JoinSet<()>) {
        let Ok(place) = self.0.clone().try_acquire_owned() else { return };
        tasks.spawn(async move {
            // Whoever does not listen is not told.
            let _ = tokio::time::timeout(TELLING, tell(stream)).await;
            drop(place);
        });
    }
}

async fn tell(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(&answer()).await?;
    stream.shutdown().await?;
    // Closing with unread bytes would reset the connection and take the answer away.
    let mut unread = [0; 512];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

fn answer() -> Vec<u8> {
    let error = Error::unavailable("this host serves as many connections as it may").retry_after(1000);
    let body = Problem::from(error).json();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}
