// SPDX-License-Identifier: Apache-2.0
//! A function is kept connected: it may start late, restart, be wrong, die or misbehave.

mod shop;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_entity::spec::{EntityKind, EntityType, Handler, Spec};
use adjoin_function::{
    Address, DialSettings, Event, ServeSettings, Session, Sessions, Status, Supervised, serve, supervise,
};
use adjoin_model::{Kind, Limits, Result};
use adjoin_wire::protocol::Hello;
use shop::{bind, command, echo, echo_session, loopback, session, soon, spec, spec_of};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// An address that nobody else can take while its function is down, as a free port could be.
fn kept() -> (tempfile::TempDir, Address) {
    let folder = tempfile::tempdir().expect("a folder");
    let address = Address::Unix(folder.path().join("shop.sock"));
    (folder, address)
}

/// Writes down what happens to sessions.
struct Recorder(UnboundedSender<Seen>);

enum Seen {
    Up(Arc<Spec>, UnboundedSender<Vec<HostFrame>>),
    Said(Vec<FunctionFrame>),
    Down { orderly: bool },
}

struct Recorded(UnboundedSender<Seen>);

impl Sessions for Recorder {
    type Session = Recorded;

    fn takes(&self, spec: &Spec) -> Result<()> {
        let full = spec.types.iter().any(|entity_type| entity_type.handler("oneTooMany").is_some());
        if full { Err(adjoin_model::Error::invalid("there is no room for one more")) } else { Ok(()) }
    }

    fn up(&self, spec: Arc<Spec>, _: Hello, to_function: UnboundedSender<Vec<HostFrame>>) -> Result<Recorded> {
        self.0.send(Seen::Up(spec, to_function)).expect("the test listens");
        Ok(Recorded(self.0.clone()))
    }
}

impl Session for Recorded {
    async fn deliver(&self, frames: Vec<FunctionFrame>) -> Result<()> {
        self.0.send(Seen::Said(frames)).expect("the test listens");
        Ok(())
    }

    fn down(self, orderly: bool) {
        // A test that is over does not listen.
        let _ = self.0.send(Seen::Down { orderly });
    }
}

struct Host {
    supervised: Supervised,
    seen: UnboundedReceiver<Seen>,
}

impl Host {
    fn of(address: &Address) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let settings = DialSettings { retry_first_ms: 5, retry_most_ms: 20, ..DialSettings::default() };
        Self { supervised: supervise(address.clone(), settings, Limits::default(), Recorder(sender)), seen }
    }

    async fn next(&mut self) -> Seen {
        soon("something", self.seen.recv()).await.expect("supervised")
    }

    async fn up(&mut self) -> (Arc<Spec>, UnboundedSender<Vec<HostFrame>>) {
        match self.next().await {
            Seen::Up(spec, to_function) => (spec, to_function),
            Seen::Said(frames) => panic!("said {frames:?}"),
            Seen::Down { orderly } => panic!("down, orderly {orderly}"),
        }
    }

    async fn said(&mut self) -> Vec<FunctionFrame> {
        match self.next().await {
            Seen::Said(frames) => frames,
            Seen::Up(..) | Seen::Down { .. } => panic!("no frames"),
        }
    }

    /// Waits for the end of the session; what is still said before is passed over.
    async fn down(&mut self) -> bool {
        loop {
            match self.next().await {
                Seen::Down { orderly } => return orderly,
                Seen::Said(_) => {}
                Seen::Up(..) => panic!("up again before down"),
            }
        }
    }

    async fn status(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.supervised.status();
        soon("a status", status.wait_for(|status| wanted(status))).await.expect("supervised").clone()
    }
}

#[tokio::test]
async fn a_function_that_starts_late_is_found_and_its_restart_seen() {
    let (_folder, address) = kept();
    let mut host = Host::of(&address);
    let status = host.status(|status| matches!(status, Status::Connecting { last_error: Some(_) })).await;
    let Status::Connecting { last_error: Some(error) } = status else { unreachable!() };
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains(&address.to_string()) && error.message.contains("start it"), "{error}");

    let (server, mut events) = serve(bind(&address).await, spec(), ServeSettings::default()).expect("sound");
    let (found, to_function) = host.up().await;
    assert_eq!(*found, spec());
    host.status(|status| matches!(status, Status::Connected { spec } if **spec == shop::spec())).await;
    tokio::spawn(echo_session(session(&mut events).await));
    to_function.send(vec![command(1, b"a".to_vec())]).expect("open");
    assert_eq!(host.said().await, echo(&command(1, b"a".to_vec())).into_iter().collect::<Vec<_>>());

    server.stop().await;
    assert!(host.down().await, "the function ended the session in an orderly way");
    let newer = spec_of(&["addItem", "removeItem"]);
    let (_server, _events) = serve(bind(&address).await, newer.clone(), ServeSettings::default()).expect("sound");
    assert_eq!(*host.up().await.0, newer, "asked anew");
}

#[tokio::test]
async fn a_refused_spec_is_told_to_both_sides_once_for_each_process() {
    let broken = spec_of(&["addItem", "addItem"]);
    let (_folder, address) = kept();
    let (server, mut events) = serve(bind(&address).await, broken.clone(), ServeSettings::default()).expect("sound");
    let mut host = Host::of(&address);
    let status = host.status(|status| matches!(status, Status::SpecRefused { .. })).await;
    let Status::SpecRefused { problem } = status else { unreachable!() };
    assert!(problem.message.contains("addItem is declared twice"), "{problem}");
    match soon("a report", events.recv()).await {
        Some(Event::SpecRefused(said)) => assert_eq!(said, problem.message),
        Some(Event::Session(_) | Event::Reported(_)) | None => panic!("no report"),
    }
    server.stop().await;
    let (server, mut events) = serve(bind(&address).await, broken, ServeSettings::default()).expect("sound");
    assert!(matches!(soon("a report", events.recv()).await, Some(Event::SpecRefused(_))), "a new process is told too");
    server.stop().await;
    assert!(events.recv().await.is_none(), "and once");
    let (_server, _events) = serve(bind(&address).await, spec(), ServeSettings::default()).expect("sound");
    assert_eq!(*host.up().await.0, spec());
}

#[tokio::test]
async fn a_spec_that_there_is_no_room_for_is_told_to_both_sides() {
    let (_folder, address) = kept();
    let full = spec_of(&["addItem", "oneTooMany"]);
    let (server, mut events) = serve(bind(&address).await, full, ServeSettings::default()).expect("sound");
    let mut host = Host::of(&address);
    let status = host.status(|status| matches!(status, Status::SpecRefused { .. })).await;
    let Status::SpecRefused { problem } = status else { unreachable!() };
    match soon("a report", events.recv()).await {
        Some(Event::SpecRefused(said)) => assert_eq!(said, "there is no room for one more"),
        Some(Event::Session(_) | Event::Reported(_)) | None => panic!("no report, but {problem}"),
    }
    server.stop().await;
    let (_server, _events) = serve(bind(&address).await, spec(), ServeSettings::default()).expect("sound");
    assert_eq!(*host.up().await.0, spec());
}

/// An entity by a contract: the descriptors of the test services, and one that they may have.
fn contracted(kind: EntityKind, service: &str, handlers: Vec<Handler>) -> Spec {
    let protos = ["tests/cloudstate/protos", "../../conformance/interop/proto", "../contract/tests/protos"];
    let mut compiler = protox::Compiler::new(protos).expect("the folders");
    compiler.include_imports(true).open_file("unfit.proto").expect("sound protos");
    let services = vec![format!("cloudstate.tck.model.{service}")];
    let entity_type = EntityType { handlers, services, ..EntityType::new("model.One", kind) };
    Spec { descriptors: compiler.encode_file_descriptor_set().into(), ..Spec::new("tests", vec![entity_type]) }
}

#[tokio::test]
async fn every_error_of_a_contract_is_told_to_both_sides() {
    use EntityKind::{Action, EventSourced};
    let handlers = |name| vec![shop::handler(name)];
    let two = |spec: Spec| {
        let second = EntityType { name: "model.Other".into(), ..spec.types[0].clone() };
        Spec { types: vec![spec.types[0].clone(), second], ..spec }
    };
    let sound = || contracted(EventSourced, "EventSourcedTwo", handlers("Call"));
    let streamed = Handler { streamed_out: true, ..shop::handler("Watch") };
    let cases = [
        (Spec { descriptors: "".into(), ..sound() }, "no descriptors"),
        (Spec { descriptors: vec![255; 9].into(), ..sound() }, ""),
        (contracted(EventSourced, "Nothing", handlers("Call")), "Nothing, which the descriptors do not have"),
        (two(sound()), "model.One and model.Other both serve cloudstate.tck.model.EventSourcedTwo"),
        (
            contracted(EventSourced, "EventSourcedTwo", handlers("Other")),
            "EventSourcedTwo.Call: model.One has no handler",
        ),
        (
            contracted(EventSourced, "Keyless", handlers("Call")),
            "Keyless.Call: cloudstate.tck.model.Response has no field",
        ),
        (contracted(Action, "Streams", handlers("Watch")), "streams otherwise"),
    ];
    for (spec, part) in cases {
        let (_folder, address) = kept();
        let (server, mut events) = serve(bind(&address).await, spec, ServeSettings::default()).expect("sound");
        let mut host = Host::of(&address);
        let status = host.status(|status| matches!(status, Status::SpecRefused { .. })).await;
        let Status::SpecRefused { problem } = status else { unreachable!() };
        assert!(problem.kind == Kind::Invalid && problem.message.contains(part), "{part}: {problem}");
        match soon("a report", events.recv()).await {
            Some(Event::SpecRefused(said)) => assert_eq!(said, problem.message),
            Some(Event::Session(_) | Event::Reported(_)) | None => panic!("no report"),
        }
        server.stop().await;
        let mended = contracted(Action, "Streams", vec![streamed.clone()]);
        let (_server, _events) = serve(bind(&address).await, mended.clone(), ServeSettings::default()).expect("sound");
        assert_eq!(*host.up().await.0, mended, "taken when it returns");
    }
}

#[tokio::test]
async fn stopping_ends_the_session_in_order_on_both_sides() {
    let (server, mut events) = serve(bind(&loopback()).await, spec(), ServeSettings::default()).expect("sound");
    let mut host = Host::of(server.address());
    let (_, to_function) = host.up().await;
    let mut function = session(&mut events).await;
    to_function.send(vec![command(1, vec![])]).expect("open");
    drop(to_function);
    let Host { supervised, mut seen } = host;
    let stopping = tokio::spawn(supervised.stop());
    assert_eq!(soon("the command", function.from_host.recv()).await, Ok(Some(vec![command(1, vec![])])));
    assert_eq!(soon("the end", function.from_host.recv()).await, Ok(None));
    drop(function.to_host);
    soon("the stop", stopping).await.expect("no panic");
    assert!(matches!(seen.recv().await, Some(Seen::Down { orderly: true })));
    server.stop().await;
}

/// What the next test does in a process of its own: serves until it is killed.
async fn serve_until_killed(address: &str) {
    let address = address.parse().expect("an address");
    let (server, mut events) = serve(bind(&address).await, spec(), ServeSettings::default()).expect("sound");
    writeln!(std::io::stdout(), "listening {}", server.address()).expect("somebody reads");
    while let Some(event) = events.recv().await {
        if let Event::Session(session) = event {
            tokio::spawn(echo_session(session));
        }
    }
}

/// A function in a process of its own: this test binary again. Killed with the test.
struct Process(Child);

impl Process {
    fn start(address: &Address) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "a_killed_function_is_blamed_and_its_successor_taken", "--nocapture"])
            .env("FUNCTION_ADDRESS", address.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let listens = lines.map_while(std::result::Result::ok).any(|line| line.contains("listening"));
        assert!(listens, "it has ended");
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }
}

#[tokio::test]
async fn a_killed_function_is_blamed_and_its_successor_taken() {
    if let Ok(address) = std::env::var("FUNCTION_ADDRESS") {
        return serve_until_killed(&address).await;
    }
    let (_folder, address) = kept();
    let process = Process::start(&address);
    let mut host = Host::of(&address);
    let (_, to_function) = host.up().await;
    to_function.send((1..=50).map(|call| command(call, vec![0; 1000])).collect()).expect("open");
    assert!(!host.said().await.is_empty());
    drop(process);
    assert!(!host.down().await, "it did not say good-bye");
    let status = host.status(|status| matches!(status, Status::Connecting { last_error: Some(_) })).await;
    let Status::Connecting { last_error: Some(error) } = status else { unreachable!() };
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
    let _successor = Process::start(&address);
    let (_, to_function) = host.up().await;
    to_function.send(vec![command(1, vec![])]).expect("open");
    assert_eq!(host.said().await.len(), 1);
}
