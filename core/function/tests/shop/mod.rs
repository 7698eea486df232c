// SPDX-License-Identifier: Apache-2.0
//! A function to talk to, and what tests say to it.
#![allow(dead_code, unreachable_pub, reason = "each test file takes what it needs")]

use std::time::Duration;

use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult, HostFrame};
use adjoin_entity::spec::{EntityKind, EntityType, Handler, Spec};
use adjoin_function::{
    Address, DialSettings, Event, FunctionSession, Inbound, Link, Listener, ServeSettings, Server, serve,
};
use adjoin_model::{CommandId, Limits, Payload};
use adjoin_wire::{Frame, welcome};
use tokio::sync::mpsc::{self, Receiver, UnboundedSender};
use tokio::time::timeout;

/// Whatever is waited for comes within this, or the test fails.
pub async fn soon<T>(what: &str, task: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), task).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

pub fn loopback() -> Address {
    "127.0.0.1:0".parse().expect("an address")
}

pub fn handler(name: &str) -> Handler {
    Handler {
        name: name.into(),
        query: false,
        streamed_in: false,
        streamed_out: false,
        input_schema: String::new(),
        output_schema: String::new(),
        summary: String::new(),
    }
}

pub fn spec_of(handlers: &[&str]) -> Spec {
    let cart = EntityType {
        handlers: handlers.iter().map(|name| handler(name)).collect(),
        readable_events: vec!["ItemAdded".into()],
        snapshot_every: 100,
        ..EntityType::new("shop.Cart", EntityKind::EventSourced)
    };
    Spec::new("adjoin-rust 0.1.0", vec![cart])
}

pub fn spec() -> Spec {
    spec_of(&["addItem"])
}

pub fn command(call: u64, data: Vec<u8>) -> HostFrame {
    HostFrame::Command(CommandFrame {
        activation: 1,
        call,
        entity: None,
        name: "addItem".into(),
        payload: Payload::new("json", data),
        query: false,
        want_snapshot: false,
        attempt: 1,
        id: CommandId(call.into()),
        remaining_ms: 0,
        caller: "".into(),
        metadata: vec![],
        chain: vec![],
    })
}

/// The answer of a handler that gives back what it gets.
pub fn echo(frame: &HostFrame) -> Option<FunctionFrame> {
    let HostFrame::Command(command) = frame else { return None };
    Some(FunctionFrame::Answer(AnswerFrame {
        activation: command.activation,
        call: command.call,
        result: HandlerResult::Reply(Some(command.payload.clone())),
        effects: Effects::default(),
        activation_ended: false,
        metadata: Vec::new(),
    }))
}

pub async fn bind(address: &Address) -> Listener {
    Listener::bind(address).await.expect("a free address")
}

/// A function that answers every session by echo.
pub async fn echoing(settings: ServeSettings) -> Server {
    let (server, mut events) = serve(bind(&loopback()).await, spec(), settings).expect("sound settings");
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Session(session) = event {
                tokio::spawn(echo_session(session));
            }
        }
    });
    server
}

pub async fn echo_session(mut session: FunctionSession) {
    while let Ok(Some(frames)) = session.from_host.recv().await {
        if session.to_host.send(frames.iter().filter_map(echo).collect()).is_err() {
            return;
        }
    }
}

pub async fn session(events: &mut Receiver<Event>) -> FunctionSession {
    match soon("a session", events.recv()).await {
        Some(Event::Session(session)) => session,
        Some(Event::SpecRefused(problem) | Event::Reported(problem)) => panic!("refused: {problem}"),
        None => panic!("the server ended"),
    }
}

/// A host's session with the function at `address`, over a link that lives as long.
pub struct Connected {
    pub to_function: UnboundedSender<Vec<HostFrame>>,
    pub from_function: Inbound<FunctionFrame>,
    pub link: Link,
}

pub async fn connect(address: &Address) -> Connected {
    let mut link = Link::dial(address, &DialSettings::default()).await.expect("a function listens");
    let (to_function, outgoing) = mpsc::unbounded_channel();
    let (_, from_function) = link.connect(welcome(1, &Limits::default()), outgoing).await.expect("a session");
    Connected { to_function, from_function, link }
}

/// Reads so many frames.
pub async fn frames<F: Frame>(inbound: &mut Inbound<F>, count: usize) -> Vec<F> {
    let mut read = Vec::new();
    while read.len() < count {
        let more = soon("a frame", inbound.recv()).await.expect("a sound session").expect("more frames");
        read.extend(more);
    }
    read
}
