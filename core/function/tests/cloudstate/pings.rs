// SPDX-License-Identifier: Apache-2.0
//! Servers of gRPC close the connection of a client that pings more often than they like.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use adjoin_function::{DialSettings, Link, Protocol, supervise};
use adjoin_model::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::function::{Function, Seen, spec};
use crate::world::{memory, within};

const PREFACE: usize = 24;
const PING: u8 = 6;
const ACK: u8 = 1;

/// A way to a function on which the pings of hosts are counted.
struct Way {
    address: String,
    pings: watch::Receiver<usize>,
    connections: Arc<AtomicUsize>,
}

impl Way {
    async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound").to_string();
        let (count, pings) = watch::channel(0);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((host, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (from_host, to_host) = host.into_split();
                let (mut answers, to_function) = TcpStream::connect(&target).await.expect("it listens").into_split();
                tokio::spawn(passed(from_host, to_function, count.clone()));
                tokio::spawn(async move {
                    let mut to_host = to_host;
                    let _ = tokio::io::copy(&mut answers, &mut to_host).await;
                });
            }
        });
        Self { address, pings, connections }
    }

    async fn pinged(&mut self, times: usize) {
        within("a ping", self.pings.wait_for(|pings| *pings >= times)).await.expect("the way is there");
    }
}

/// Passes what a host sends, frame by frame.
async fn passed(mut host: OwnedReadHalf, mut function: OwnedWriteHalf, pings: watch::Sender<usize>) -> Option<()> {
    let mut preface = [0; PREFACE];
    host.read_exact(&mut preface).await.ok()?;
    function.write_all(&preface).await.ok()?;
    loop {
        let mut head = [0; 9];
        host.read_exact(&mut head).await.ok()?;
        let mut body = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        host.read_exact(&mut body).await.ok()?;
        if head[3] == PING && head[4] & ACK == 0 {
            pings.send_modify(|pings| *pings += 1);
        }
        function.write_all(&head).await.ok()?;
        function.write_all(&body).await.ok()?;
    }
}

fn pinging(protocol: Protocol) -> DialSettings {
    DialSettings { protocol, keep_alive_ms: 20, ..DialSettings::default() }
}

/// Supervises a function over a way until it has spoken Cloudstate and far longer than any ping takes.
async fn pings_to_a_cloudstate_function(protocol: Protocol) -> (usize, usize) {
    let mut function = Function::serve(spec()).await;
    let (way, mut other) = (Way::to(function.address.clone()).await, Way::to(function.address.clone()).await);
    let settings = adjoin_engine::Settings::default();
    let engine = adjoin_engine::Engine::start(memory(), settings, Arc::new(adjoin_engine::SystemClock));
    let engine = engine.await.expect("an engine");
    let address = way.address.parse().expect("an address");
    let supervised = supervise(address, pinging(protocol), Limits::default(), engine.clone());
    assert!(matches!(function.any().await, Seen::Discover(_)));
    let before = *way.pings.borrow();
    // What a ping looks like and how soon it comes: a connection that is for adjoin's own protocol.
    let link = Link::dial(&other.address.parse().expect("an address"), &pinging(Protocol::Adjoin)).await;
    let _link = link.expect("it listens");
    other.pinged(5).await;
    let pings = *way.pings.borrow() - before;
    supervised.stop().await;
    engine.stop().await;
    (pings, way.connections.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_cloudstate_function_is_never_pinged() {
    assert_eq!(pings_to_a_cloudstate_function(Protocol::Cloudstate).await, (0, 1));
    // The one that found out what the function speaks is not used on.
    assert_eq!(pings_to_a_cloudstate_function(Protocol::Auto).await, (0, 2));
}
