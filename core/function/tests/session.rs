// SPDX-License-Identifier: Apache-2.0
//! A session over real sockets, both ends.

mod shop;

use std::time::Duration;

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_function::{Address, DialSettings, Event, Link, Listener, ServeSettings, serve};
use adjoin_model::{Code, EntityId, Epoch, Kind, Limits, Payload};
use adjoin_wire::protocol::{Hello, VersionRange};
use adjoin_wire::welcome;
use shop::{bind, command, connect, echo, echoing, frames, loopback, session, soon, spec};
use tokio::sync::mpsc;
use tokio::time::timeout;

async fn crosses_both_ways(address: Address) {
    let hello = Hello { running: 7, bytes: 1 << 20 };
    let settings = ServeSettings { hello, ..ServeSettings::default() };
    let (server, mut events) = serve(bind(&address).await, spec(), settings).expect("sound settings");
    let mut link = Link::dial(server.address(), &DialSettings::default()).await.expect("it listens");
    let discovered = link.discover().await.expect("an answer");
    assert_eq!((discovered.spec, discovered.version), (spec(), 1));

    let (to_function, outgoing) = mpsc::unbounded_channel();
    let (said, mut from_function) = link.connect(welcome(1, &Limits::default()), outgoing).await.expect("a session");
    assert_eq!(said, hello);
    let mut function = session(&mut events).await;
    assert_eq!(function.welcome, welcome(1, &Limits::default()));

    let commands: Vec<HostFrame> = (1..=1000).map(|call| command(call, vec![b'x'; 100])).collect();
    to_function.send(commands.clone()).expect("open");
    assert_eq!(frames(&mut function.from_host, 1000).await, commands);
    let answers: Vec<FunctionFrame> = commands.iter().filter_map(echo).collect();
    function.to_host.send(answers.clone()).expect("open");
    assert_eq!(frames(&mut from_function, 1000).await, answers);

    drop(to_function);
    assert_eq!(soon("the end", function.from_host.recv()).await, Ok(None));
    drop(function.to_host);
    assert_eq!(soon("the end", from_function.recv()).await, Ok(None));
    server.stop().await;
}

#[tokio::test]
async fn frames_cross_both_ways_over_tcp() {
    crosses_both_ways(loopback()).await;
}

#[tokio::test]
async fn frames_cross_both_ways_over_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.sock");
    crosses_both_ways(Address::Unix(path.clone())).await;
    assert!(!path.exists(), "the file goes with the listener");
}

#[tokio::test]
async fn a_unix_socket_left_behind_is_replaced_but_not_one_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = Address::Unix(folder.path().join("shop.sock"));
    let Address::Unix(path) = &address else { unreachable!() };
    drop(std::os::unix::net::UnixListener::bind(path).expect("bound"));
    assert!(path.exists(), "left behind");
    let listener = bind(&address).await;
    let error = Listener::bind(&address).await.err().expect("in use");
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains("another process has it"), "{error}");
    drop(listener);
}

fn activate(activation: u64, bytes: usize) -> HostFrame {
    HostFrame::Activate {
        activation,
        entity: EntityId::new("shop.Cart", "ada").expect("sound"),
        epoch: Epoch(1),
        sequence: 9,
        state: Some(Payload::new("Cart", vec![7; bytes])),
    }
}

#[tokio::test]
async fn sixty_four_megabytes_cross_while_others_go_past() {
    let (server, mut events) = serve(bind(&loopback()).await, spec(), ServeSettings::default()).expect("sound");
    let host = connect(server.address()).await;
    let mut function = session(&mut events).await;
    host.to_function.send(vec![activate(1, 64 << 20), HostFrame::Deactivate { activation: 2 }]).expect("open");
    host.to_function.send(vec![HostFrame::Deactivate { activation: 1 }]).expect("open");
    let arrived = frames(&mut function.from_host, 3).await;
    let last = HostFrame::Deactivate { activation: 1 };
    assert_eq!(arrived, [HostFrame::Deactivate { activation: 2 }, activate(1, 64 << 20), last]);
}

/// What waits at a reader that stopped is bounded by the windows and a batch or two, then the sender waits.
#[tokio::test]
async fn a_sender_is_held_back_while_nobody_reads() {
    let (server, mut events) = serve(bind(&loopback()).await, spec(), ServeSettings::default()).expect("sound");
    let mut link = Link::dial(server.address(), &DialSettings::default()).await.expect("it listens");
    let (to_function, outgoing) = mpsc::channel(1);
    let connecting = link.connect(welcome(1, &Limits::default()), outgoing);
    let (_, _from_function) = connecting.await.expect("a session");
    let mut function = session(&mut events).await;

    const BYTES: usize = 100 << 10;
    let mut sent = 0;
    while sent < 2_000 {
        let sending = to_function.send(vec![command(sent + 1, vec![0; BYTES])]);
        match timeout(Duration::from_millis(500), sending).await {
            Ok(done) => done.expect("open"),
            Err(_) => break,
        }
        sent += 1;
    }
    let waiting = sent as usize * BYTES;
    assert!((1 << 20..32 << 20).contains(&waiting), "{waiting} bytes wait");
    let read = frames(&mut function.from_host, sent as usize).await;
    assert_eq!(read.len(), sent as usize);
    soon("room", to_function.send(vec![command(9_999, vec![])])).await.expect("open");
}

#[tokio::test]
async fn a_frame_longer_than_the_session_takes_breaks_it_with_its_size() {
    let server = echoing(ServeSettings::default()).await;
    let mut link = Link::dial(server.address(), &DialSettings::default()).await.expect("it listens");
    let (to_function, outgoing) = mpsc::unbounded_channel();
    let small = Limits { value_bytes: 1 << 20, message_bytes: 1 << 20, ..Limits::default() };
    let (_, mut from_function) = link.connect(welcome(1, &small), outgoing).await.expect("a session");
    to_function.send(vec![activate(1, 5 << 20)]).expect("open");
    let error = soon("the end", from_function.recv()).await.expect_err("broken");
    assert_eq!(error.kind, Kind::Exhausted);
    assert!(error.message.contains("the session takes 4194304"), "{error}");
}

#[tokio::test]
async fn a_stopping_server_first_sends_what_was_said() {
    let (server, mut events) = serve(bind(&loopback()).await, spec(), ServeSettings::default()).expect("sound");
    let mut host = connect(server.address()).await;
    let function = session(&mut events).await;
    let answers: Vec<FunctionFrame> = (1..=500).filter_map(|call| echo(&command(call, vec![1; 1000]))).collect();
    function.to_host.send(answers.clone()).expect("open");
    let address = server.address().clone();
    let stopping = tokio::spawn(server.stop());
    assert_eq!(frames(&mut host.from_function, 500).await, answers);
    assert_eq!(soon("the end", host.from_function.recv()).await, Ok(None), "in an orderly way");
    drop(host);
    soon("the stop", stopping).await.expect("no panic");
    let error = Link::dial(&address, &DialSettings::default()).await.err().expect("nobody listens");
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains(&address.to_string()) && error.message.contains("start it"), "{error}");
}

#[tokio::test]
async fn several_hosts_may_be_in_session() {
    let server = echoing(ServeSettings::default()).await;
    let mut hosts = [connect(server.address()).await, connect(server.address()).await];
    for (call, host) in (1..).zip(&mut hosts) {
        host.to_function.send(vec![command(call, vec![])]).expect("open");
    }
    for (call, host) in (1..).zip(&mut hosts) {
        let expected: Vec<_> = echo(&command(call, vec![])).into_iter().collect();
        assert_eq!(frames(&mut host.from_function, 1).await, expected);
    }
}

#[tokio::test]
async fn without_a_common_version_both_sides_are_named() {
    let newer = ServeSettings { versions: VersionRange { min: 3, max: 5 }, ..ServeSettings::default() };
    let server = echoing(newer).await;
    let mut link = Link::dial(server.address(), &DialSettings::default()).await.expect("it listens");
    let error = link.discover().await.expect_err("refused");
    assert_eq!((error.kind, error.client_code()), (Kind::Invalid, Code::FailedPrecondition));
    assert!(error.message.contains("the host speaks 1") && error.message.contains("3 to 5"), "{error}");
    let (_to_function, outgoing) = mpsc::unbounded_channel();
    let error = link.connect(welcome(1, &Limits::default()), outgoing).await.err().expect("refused");
    assert_eq!((error.kind, error.client_code()), (Kind::Invalid, Code::FailedPrecondition));
    assert!(error.message.contains("version 1") && error.message.contains("3 to 5"), "{error}");
}

#[tokio::test]
async fn a_problem_with_the_spec_reaches_the_function() {
    let (server, mut events) = serve(bind(&loopback()).await, spec(), ServeSettings::default()).expect("sound");
    let mut link = Link::dial(server.address(), &DialSettings::default()).await.expect("it listens");
    link.report_spec_error("shop.Cart is declared twice\n\u{1b}[31mred").await.expect("told");
    match soon("the report", events.recv()).await {
        Some(Event::SpecRefused(problem)) => assert_eq!(problem, "shop.Cart is declared twice\n[31mred"),
        Some(Event::Session(_) | Event::Reported(_)) | None => panic!("no report"),
    }
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let token = Some("s3cret".to_owned());
    let server = echoing(ServeSettings { token: token.clone(), ..ServeSettings::default() }).await;
    for wrong in [None, Some("guess".to_owned())] {
        let settings = DialSettings { token: wrong, ..DialSettings::default() };
        let mut link = Link::dial(server.address(), &settings).await.expect("it listens");
        let error = link.discover().await.expect_err("refused");
        assert_eq!((error.kind, error.client_code()), (Kind::Denied, Code::Unauthenticated));
    }
    let settings = DialSettings { token, ..DialSettings::default() };
    let mut link = Link::dial(server.address(), &settings).await.expect("it listens");
    assert_eq!(link.discover().await.expect("let in").spec, spec());
}

#[tokio::test]
async fn a_host_that_reads_no_more_ends_the_session_whoever_still_holds_a_sender() {
    let (server, mut events) = serve(bind(&loopback()).await, spec(), ServeSettings::default()).expect("sound");
    let host = connect(server.address()).await;
    let mut function = session(&mut events).await;
    host.to_function.send(vec![command(1, vec![])]).expect("open");
    drop(host.from_function);
    let end = async { while let Ok(Some(_)) = function.from_host.recv().await {} };
    soon("the end", end).await;
    soon("the end", host.to_function.closed()).await;
}

#[tokio::test]
async fn a_dropped_link_is_cut_even_when_the_function_reads_nothing() {
    let (server, mut events) = serve(bind(&loopback()).await, spec(), ServeSettings::default()).expect("sound");
    let host = connect(server.address()).await;
    let function = session(&mut events).await;
    host.to_function.send((1..=200).map(|call| command(call, vec![0; 100 << 10])).collect()).expect("open");
    drop(host.link);
    soon("the end", host.to_function.closed()).await;
    drop(host.from_function);
    soon("the end", function.to_host.closed()).await;
}
