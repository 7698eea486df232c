// SPDX-License-Identifier: Apache-2.0
//! Callers that each add products nobody else adds, until the host is gone, and remember which were acknowledged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;
use crate::load::{post, status_and_length};

const CALLERS: usize = 16;
const CARTS: usize = 7;

/// A call that hangs for longer ends its caller.
const LONGEST: Duration = Duration::from_secs(60);

/// After a refusal: as a client would, and without filling the journal of unknowns.
const PAUSE: Duration = Duration::from_millis(20);

/// Products by what their callers were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Answered well: they must be in the journal.
    pub(super) acknowledged: Vec<String>,
    /// In flight when the host died, or refused: they may be there.
    pub(super) unknown: Vec<String>,
}

/// Callers at work, on a thread of their own.
pub(super) struct Callers {
    thread: JoinHandle<Outcome<Told>>,
    answered: Arc<AtomicUsize>,
    over: Receiver<()>,
}

impl Callers {
    /// Sends them; each calls again as soon as it is answered.
    pub(super) fn start(host: SocketAddr, round: u32) -> Self {
        let answered = Arc::new(AtomicUsize::new(0));
        let (end, over) = channel::<()>();
        let count = Arc::clone(&answered);
        let thread = std::thread::spawn(move || {
            let told = all(host, round, &count);
            drop(end);
            told
        });
        Self { thread, answered, over }
    }

    /// Lets them call for so long.
    pub(super) fn go_on(&self, time: Duration) -> Outcome<()> {
        match self.over.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            _ => Err("every caller ended although the host was not killed".into()),
        }
    }

    /// Waits until more is answered than can have been under way: somebody called after this began, and was answered.
    pub(super) fn answered_again(&self, within: Duration) -> Outcome<()> {
        let (began, before) = (Instant::now(), self.answered.load(Ordering::Relaxed));
        while self.answered.load(Ordering::Relaxed) <= before + CALLERS {
            if began.elapsed() > within {
                return Err(format!("nobody was answered within {within:?} of the function's return").into());
            }
            self.go_on(Duration::from_millis(5))?;
        }
        Ok(())
    }

    /// What they were told, once the host is gone.
    pub(super) fn told(self) -> Outcome<Told> {
        self.thread.join().map_err(|_| "the callers panicked")?
    }
}

fn all(host: SocketAddr, round: u32, answered: &Arc<AtomicUsize>) -> Outcome<Told> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let calling = |number| tokio::spawn(caller(host, round, number, Arc::clone(answered)));
        let callers: Vec<_> = (0..CALLERS).map(calling).collect();
        let mut all = Told::default();
        for caller in callers {
            let told = caller.await?;
            all.acknowledged.extend(told.acknowledged);
            all.unknown.extend(told.unknown);
        }
        Ok(all)
    })
}

/// Adds products until the host takes no connection any more.
async fn caller(host: SocketAddr, round: u32, number: usize, answered: Arc<AtomicUsize>) -> Told {
    let (mut told, mut turn) = (Told::default(), 0);
    while let Ok(mut stream) = TcpStream::connect(host).await {
        loop {
            turn += 1;
            let product = format!("r{round}c{number}t{turn}");
            let body = format!(r#"{{"product":"{product}","name":"Book","qty":1}}"#);
            let request = post(&format!("/shop.Cart/k{}/addItem", (turn + number) % CARTS), &body);
            match tokio::time::timeout(LONGEST, ask(&mut stream, &request)).await {
                Ok(Ok(200)) => {
                    told.acknowledged.push(product);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Ok(_)) => {
                    told.unknown.push(product);
                    tokio::time::timeout(PAUSE, std::future::pending::<()>()).await.err();
                }
                Ok(Err(_)) => {
                    told.unknown.push(product);
                    break;
                }
                Err(_) => {
                    told.unknown.push(product);
                    return told;
                }
            }
        }
    }
    told
}

/// Sends a request; gives the status of its whole answer.
async fn ask(stream: &mut TcpStream, request: &[u8]) -> Outcome<u16> {
    stream.write_all(request).await?;
    let mut buffer = Vec::new();
    loop {
        if let Some((status, length)) = status_and_length(&buffer)?
            && buffer.len() >= length
        {
            return Ok(status);
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("closed".into());
        }
    }
}
