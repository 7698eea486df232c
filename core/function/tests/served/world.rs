// SPDX-License-Identifier: Apache-2.0
//! A server, its function, and a connection of a proxy.

use std::future::Future;
use std::time::Duration;

use adjoin_entity::frame::HostFrame;
use adjoin_entity::spec::Spec;
use adjoin_function::cloudstate::protocol as p;
use adjoin_function::{Event, FunctionSession, Listener, ServeSettings, Server, serve};
use adjoin_wire::protocol::Welcome;
use p::entity_discovery_client::EntityDiscoveryClient;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tonic::transport::{Channel, Endpoint};

use crate::function::{Model, spec};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// What the function is told.
#[derive(Debug)]
pub(crate) enum Seen {
    Session(Welcome),
    Frame(HostFrame),
    SessionEnd,
    Reported(String),
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) channel: Channel,
    seen: UnboundedReceiver<Seen>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(spec(), ServeSettings::default()).await
    }

    pub(crate) async fn with(spec: Spec, settings: ServeSettings) -> Self {
        let listener = Listener::bind(&"127.0.0.1:0".parse().expect("an address")).await.expect("bound");
        let (server, events) = serve(listener, spec, settings).expect("sound settings");
        let (sender, seen) = mpsc::unbounded_channel();
        tokio::spawn(function(events, sender));
        let channel = connected(&server).await;
        Self { server, channel, seen }
    }

    /// Another connection, as of another proxy.
    pub(crate) async fn connect(&self) -> Channel {
        connected(&self.server).await
    }

    pub(crate) fn discovery(&self) -> EntityDiscoveryClient<Channel> {
        EntityDiscoveryClient::new(self.channel.clone())
    }

    /// The next thing that the function is told.
    pub(crate) async fn seen(&mut self) -> Seen {
        within("something for the function", self.seen.recv()).await.expect("it runs")
    }

    /// The next frame; sessions are passed over.
    pub(crate) async fn frame(&mut self) -> HostFrame {
        loop {
            match self.seen().await {
                Seen::Frame(frame) => return frame,
                Seen::Session(_) => {}
                other => panic!("{other:?}, not a frame"),
            }
        }
    }

    /// The next frame that this accepts.
    pub(crate) async fn frame_where(&mut self, wanted: impl Fn(&HostFrame) -> bool) -> HostFrame {
        loop {
            let frame = self.frame().await;
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// How many activations have begun and ended so far.
    pub(crate) fn activations(&mut self) -> (usize, usize) {
        let mut counts = (0, 0);
        while let Ok(seen) = self.seen.try_recv() {
            match seen {
                Seen::Frame(HostFrame::Activate { .. }) => counts.0 += 1,
                Seen::Frame(HostFrame::Deactivate { .. }) => counts.1 += 1,
                _ => {}
            }
        }
        counts
    }
}

async fn connected(server: &Server) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).expect("an address");
    endpoint.connect().await.expect("it listens")
}

async fn function(mut events: mpsc::Receiver<Event>, seen: UnboundedSender<Seen>) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Session(session) => drop(tokio::spawn(run(session, seen.clone()))),
            Event::SpecRefused(said) | Event::Reported(said) => drop(seen.send(Seen::Reported(said))),
        }
    }
}

async fn run(session: FunctionSession, seen: UnboundedSender<Seen>) {
    let FunctionSession { welcome, to_host, mut from_host } = session;
    drop(seen.send(Seen::Session(welcome)));
    let mut model = Model::default();
    while let Ok(Some(frames)) = from_host.recv().await {
        for frame in frames {
            drop(seen.send(Seen::Frame(frame.clone())));
            let said = model.take(frame);
            if model.gone {
                return;
            }
            drop(to_host.send(said));
        }
    }
    drop(seen.send(Seen::SessionEnd));
}
