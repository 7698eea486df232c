// SPDX-License-Identifier: Apache-2.0
//! Open-loop calls: so many a second are offered, whatever becomes of those before.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use adjoin::{Client, Kind, Outcome as Known};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::Outcome;
use crate::counter::{Counter, TEXT};
use crate::report::median;

/// Entities that are called. The mailbox of each is bounded, and so is then all that waits.
pub(super) const KEYS: usize = 8;

/// Connections: each takes a bounded number of calls at once.
const CLIENTS: usize = 64;

/// Calls that may be open at once: as many as the connections take.
const OPEN: u64 = 16_000;

/// How long the capacity is measured.
const MEASURED: Duration = Duration::from_secs(4);

/// Between two offers.
const TICK: Duration = Duration::from_millis(2);

/// Between two lines of progress, at most; short runs print at least twelve.
const SHOWN: Duration = Duration::from_secs(10);

/// How often, and how fast, calls ended in one way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    pub(super) count: u64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// What was offered, and what became of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Flood {
    pub(super) accepted: Ended,
    pub(super) refused: Ended,
    /// Ended without saying whether the command was run.
    pub(super) unknown: u64,
    /// Not offered, since as many calls as possible were open.
    pub(super) held_back: u64,
    acknowledged: [u64; KEYS],
    doubtful: [u64; KEYS],
    took: [Vec<f64>; 2],
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, refused, unknown, held_back, .. } = self;
        write!(f, "accepted {}, refused {}, unknown {unknown}, not offered {held_back}", accepted.count, refused.count)
    }
}

impl Flood {
    pub(super) fn offered(&self) -> u64 {
        self.accepted.count + self.refused.count + self.unknown
    }

    /// Acknowledged commands that are missing, and commands that are there more often than they can be.
    pub(super) fn compare(&self, totals: &[u64]) -> (u64, u64) {
        let each = totals.iter().zip(self.acknowledged.iter().zip(&self.doubtful));
        each.fold((0, 0), |(lost, doubled), (total, (acknowledged, doubtful))| {
            (lost + acknowledged.saturating_sub(*total), doubled + total.saturating_sub(acknowledged + doubtful))
        })
    }

    fn take(&mut self, call: &Call) {
        match call.ended {
            How::Accepted => {
                self.accepted.count += 1;
                self.acknowledged[call.key] += 1;
                self.took[0].push(call.ms);
            }
            How::Refused => {
                self.refused.count += 1;
                self.took[1].push(call.ms);
            }
            How::Unknown => {
                self.unknown += 1;
                self.doubtful[call.key] += 1;
            }
        }
    }

    fn finish(mut self) -> Self {
        let took = std::mem::take(&mut self.took).map(|mut took| {
            took.sort_by(f64::total_cmp);
            let p99 = took.get(took.len() * 99 / 100).copied().unwrap_or(0.0);
            (median(took), p99)
        });
        [(self.accepted.p50, self.accepted.p99), (self.refused.p50, self.refused.p99)] = took;
        self
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Accepted,
    Refused,
    Unknown,
}

struct Call {
    key: usize,
    ms: f64,
    ended: How,
}

fn key(number: usize) -> String {
    format!("flood-{number}")
}

async fn call(client: Client, number: usize) -> Outcome<Call> {
    let began = Instant::now();
    let reply = client.entity::<Counter>(key(number)).call(Counter::wait, TEXT.to_owned()).await;
    let ended = match reply {
        Ok(_) => How::Accepted,
        Err(error) if error.outcome == Known::Unknown => How::Unknown,
        Err(error) if matches!(error.kind, Kind::Exhausted | Kind::Unavailable | Kind::Expired) => How::Refused,
        Err(error) => return Err(format!("a call ended with {error}").into()),
    };
    Ok(Call { key: number, ms: began.elapsed().as_secs_f64() * 1000.0, ended })
}

async fn clients(address: SocketAddr) -> Outcome<Vec<Client>> {
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        clients.push(adjoin::connect(&format!("http://{address}")).await?);
    }
    Ok(clients)
}

/// Commands a second that the function can run, with one caller for every entity.
pub(super) async fn capacity(address: SocketAddr) -> Outcome<f64> {
    let clients = clients(address).await?;
    let end = Instant::now() + MEASURED;
    let callers = (0..KEYS).map(|number| {
        let client = clients[number].clone();
        tokio::spawn(async move {
            let mut done = 0u32;
            while Instant::now() < end {
                // Keys of their own, so that what is compared later is the flood's alone.
                client.entity::<Counter>(format!("calm-{number}")).call(Counter::wait, TEXT.to_owned()).await?;
                done += 1;
            }
            Ok::<_, adjoin::Error>(done)
        })
    });
    let mut done = 0;
    for caller in callers.collect::<Vec<_>>() {
        done += caller.await??;
    }
    Ok(f64::from(done) / MEASURED.as_secs_f64())
}

/// Offers `rate` calls a second for `time`, then waits for all that are open. `look` is called every now and then.
pub(super) async fn flood(
    address: SocketAddr,
    rate: f64,
    time: Duration,
    mut look: impl FnMut(Duration, &Flood),
) -> Outcome<Flood> {
    let clients = clients(address).await?;
    let (say, mut hear) = mpsc::unbounded_channel();
    let open = Arc::new(AtomicU64::new(0));
    let mut flood = Flood::default();
    let (began, shown) = (Instant::now(), SHOWN.min(time / 12));
    let (mut due, mut made, mut looked) = (interval(TICK), 0u64, Duration::ZERO);
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while began.elapsed() < time {
        due.tick().await;
        let wanted = (began.elapsed().as_secs_f64() * rate) as u64;
        while made < wanted {
            let number = made as usize;
            made += 1;
            if open.load(Ordering::Relaxed) >= OPEN {
                flood.held_back += 1;
                continue;
            }
            open.fetch_add(1, Ordering::Relaxed);
            let (client, say, open) = (clients[number % CLIENTS].clone(), say.clone(), open.clone());
            tokio::spawn(async move {
                let _ = say.send(call(client, number % KEYS).await);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while let Ok(call) = hear.try_recv() {
            flood.take(&call?);
        }
        if began.elapsed() >= looked {
            looked += shown;
            look(began.elapsed(), &flood);
        }
    }
    drop(say);
    while let Some(call) = hear.recv().await {
        flood.take(&call?);
    }
    look(began.elapsed(), &flood);
    Ok(flood.finish())
}

/// What every entity has counted.
pub(super) async fn totals(address: SocketAddr) -> Outcome<Vec<u64>> {
    let client = adjoin::connect(&format!("http://{address}")).await?;
    let mut totals = Vec::with_capacity(KEYS);
    for number in 0..KEYS {
        totals.push(client.entity::<Counter>(key(number)).call(Counter::total, ()).await?);
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_lost_and_what_is_too_much_is_doubled() {
        let mut flood = Flood::default();
        for (key, ended) in [(0, How::Accepted), (0, How::Accepted), (1, How::Accepted), (1, How::Unknown)] {
            flood.take(&Call { key, ms: 1.0, ended });
        }
        flood.take(&Call { key: 2, ms: 3.0, ended: How::Refused });
        assert_eq!(flood.compare(&[2, 1, 0]), (0, 0));
        assert_eq!(flood.compare(&[2, 2, 0]), (0, 0), "an unknown one may have been run");
        assert_eq!(flood.compare(&[1, 3, 1]), (1, 2));
        assert_eq!(flood.finish().refused.p50, 3.0);
    }
}
