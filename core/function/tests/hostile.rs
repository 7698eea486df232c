// SPDX-License-Identifier: Apache-2.0
//! Peers that break the contract, say nothing, or come in numbers.

mod shop;

// The service as tonic writes it, to speak as no host and no function of ours would.
#[allow(missing_docs, unreachable_pub, dead_code, clippy::all, reason = "written by a program")]
#[path = "../src/generated/protocol.rs"]
#[rustfmt::skip]
mod raw;

use std::pin::Pin;
use std::sync::Arc;

use adjoin_function::{Address, DialSettings, Link, ServeSettings, serve};
use adjoin_model::{Code, Error, Kind, Limits};
use adjoin_wire::protocol::{self, DiscoverRequest, ReportSpecErrorRequest, ReportSpecErrorResponse};
use adjoin_wire::{BATCH_BYTES, Batch, Discovery, discovery_out, welcome};
use bytes::Bytes;
use prost::Message;
use protocol::{function_frame, host_frame};
use raw::function_client::FunctionClient;
use raw::function_server::{Function, FunctionServer};
use shop::{bind, command, connect, echoing, frames, loopback, session, soon, spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

fn frame(frame: function_frame::Frame) -> Bytes {
    protocol::FunctionFrame { frame: Some(frame) }.encode_to_vec().into()
}

fn host_frame(frame: host_frame::Frame) -> Bytes {
    protocol::HostFrame { frame: Some(frame) }.encode_to_vec().into()
}

fn hello() -> Bytes {
    frame(function_frame::Frame::Hello(protocol::Hello { running: 1, bytes: 1 }))
}

/// A function that says what it is told to, whatever it hears.
struct Liar(Vec<Batch>);

#[tonic::async_trait]
impl Function for Liar {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<Batch, Status>> + Send>>;

    async fn discover(&self, _: Request<DiscoverRequest>) -> Result<Response<Discovery>, Status> {
        Ok(Response::new(discovery_out(spec())))
    }

    async fn report_spec_error(
        &self,
        _: Request<ReportSpecErrorRequest>,
    ) -> Result<Response<ReportSpecErrorResponse>, Status> {
        Err(Status::internal("no"))
    }

    async fn connect(&self, _: Request<Streaming<Batch>>) -> Result<Response<Self::ConnectStream>, Status> {
        let said = tokio_stream::iter(self.0.clone()).map(Ok);
        Ok(Response::new(Box::pin(said.chain(tokio_stream::pending()))))
    }
}

async fn lying(batches: Vec<Vec<Bytes>>) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("bound").to_string().parse().expect("an address");
    let liar = Liar(batches.into_iter().map(|frames| Batch { frames }).collect());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_service(FunctionServer::new(liar));
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

/// How a host's session with a function ends that says this.
async fn ends(batches: Vec<Vec<Bytes>>) -> Error {
    let address = lying(batches).await;
    let mut link = Link::dial(&address, &DialSettings::default()).await.expect("it listens");
    let (_to_function, outgoing) = mpsc::unbounded_channel();
    let mut inbound = match link.connect(welcome(1, &Limits::default()), outgoing).await {
        Ok((_, inbound)) => inbound,
        Err(error) => return error,
    };
    loop {
        if let Err(error) = soon("the end", inbound.recv()).await {
            return error;
        }
    }
}

#[tokio::test]
async fn a_function_that_breaks_the_contract_ends_its_session() {
    let part = |id, bytes: usize| {
        let data = vec![0; bytes].into();
        frame(function_frame::Frame::Part(protocol::Part { id, data, last: false }))
    };
    let answer = frame(function_frame::Frame::Answer(protocol::Answer { call: 1, ..Default::default() }));
    let cases = [
        ("no Hello", vec![vec![answer.clone()]]),
        ("Hello twice", vec![vec![hello(), hello()]]),
        ("no result", vec![vec![hello()], vec![answer]]),
        ("no bytes of ours", vec![vec![hello()], vec![Bytes::from_static(b"\xff\xff\xff")]]),
        ("an empty frame", vec![vec![hello(), Bytes::new()]]),
        ("frames begun and never finished", vec![vec![hello()], (1..=17).map(|id| part(id, 1)).collect()]),
        ("a batch beyond its size", vec![vec![hello()], vec![part(1, BATCH_BYTES + 1)]]),
    ];
    for (what, batches) in cases {
        let error = ends(batches).await;
        assert_eq!(error.kind, Kind::Protocol, "{what}: {error}");
    }
}

#[tokio::test]
async fn a_function_that_never_says_hello_is_given_up() {
    let address = lying(vec![]).await;
    let settings = DialSettings { answer_ms: 100, ..DialSettings::default() };
    let mut link = Link::dial(&address, &settings).await.expect("it listens");
    let (_to_function, outgoing) = mpsc::unbounded_channel();
    let error = soon("an end", link.connect(welcome(1, &Limits::default()), outgoing)).await.err().expect("given up");
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains("did not answer Welcome within 100 ms"), "{error}");
}

#[tokio::test]
async fn what_is_no_function_is_said_to_be_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address: Address = listener.local_addr().expect("bound").to_string().parse().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A host that has gone does not read it.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let mut link = Link::dial(&address, &DialSettings::default()).await.expect("it listens");
    let error = soon("an answer", link.discover()).await.expect_err("no function");
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains("another kind of service"), "{error}");
}

async fn channel(address: &Address) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("sound").connect().await.expect("it listens")
}

/// Speaks to a function as no host of ours would.
async fn raw_host(address: &Address) -> FunctionClient<Channel> {
    FunctionClient::new(channel(address).await)
}

#[tokio::test]
async fn a_host_that_breaks_the_contract_ends_its_session_only() {
    let (server, mut events) = serve(bind(&loopback()).await, spec(), ServeSettings::default()).expect("sound");
    let good = connect(server.address()).await;
    let mut good_function = session(&mut events).await;
    let welcome = host_frame(host_frame::Frame::Welcome(welcome(1, &Limits::default())));
    let nothing = host_frame(host_frame::Frame::Cancel(protocol::Cancel { call: 0 }));
    for hostile in [nothing, welcome.clone(), Bytes::from_static(b"\x08")] {
        let batches = [Batch { frames: vec![welcome.clone()] }, Batch { frames: vec![hostile] }];
        let said = tokio_stream::iter(batches).chain(tokio_stream::pending());
        let answers = raw_host(server.address()).await.connect(said).await.expect("welcomed");
        let mut function = session(&mut events).await;
        let error = soon("the end", function.from_host.recv()).await.expect_err("refused");
        assert_eq!(error.kind, Kind::Protocol);
        drop((function, answers));
    }
    good.to_function.send(vec![command(1, vec![])]).expect("open");
    assert_eq!(frames(&mut good_function.from_host, 1).await, [command(1, vec![])]);
}

#[tokio::test]
async fn a_batch_beyond_its_size_is_not_taken_in() {
    let (server, mut events) = serve(bind(&loopback()).await, spec(), ServeSettings::default()).expect("sound");
    let welcome = host_frame(host_frame::Frame::Welcome(welcome(1, &Limits::default())));
    let batches = [Batch { frames: vec![welcome] }, Batch { frames: vec![vec![0; BATCH_BYTES].into()] }];
    let said = tokio_stream::iter(batches).chain(tokio_stream::pending());
    let _answers = raw_host(server.address()).await.connect(said).await.expect("welcomed");
    let mut function = session(&mut events).await;
    soon("the end", function.from_host.recv()).await.expect_err("refused");
}

#[tokio::test]
async fn a_session_without_welcome_gives_its_place_back() {
    let settings = ServeSettings { handshake_ms: 200, sessions: 1, ..ServeSettings::default() };
    let server = echoing(settings).await;
    let silent = async |mut host: FunctionClient<Channel>| {
        host.connect(tokio_stream::pending()).await.map(|_| ()).expect_err("no Welcome").code()
    };
    let host = raw_host(server.address()).await;
    let both = async { tokio::join!(silent(host.clone()), silent(host.clone())) };
    let codes = soon("two ends", both).await;
    let full_and_late = [tonic::Code::ResourceExhausted, tonic::Code::DeadlineExceeded];
    assert!(full_and_late.contains(&codes.0) && full_and_late.contains(&codes.1) && codes.0 != codes.1, "{codes:?}");
    let again = async {
        loop {
            let mut link = Link::dial(server.address(), &DialSettings::default()).await.expect("it listens");
            let (to_function, outgoing) = mpsc::unbounded_channel();
            if let Ok(session) = link.connect(welcome(1, &Limits::default()), outgoing).await {
                return (session, to_function);
            }
        }
    };
    soon("a place", again).await;
}

#[tokio::test]
async fn sessions_and_connections_are_capped() {
    let server = echoing(ServeSettings { sessions: 2, connections: 3, ..ServeSettings::default() }).await;
    let _one = connect(server.address()).await;
    let mut two = connect(server.address()).await;
    let mut link = Link::dial(server.address(), &DialSettings::default()).await.expect("a third connection");
    let (_to_function, outgoing) = mpsc::unbounded_channel();
    let error = link.connect(welcome(1, &Limits::default()), outgoing).await.err().expect("no third session");
    assert_eq!((error.kind, error.client_code()), (Kind::Exhausted, Code::ResourceExhausted));

    let mut stream = TcpStream::connect(server.address().to_string()).await.expect("the system takes it");
    let read = soon("its end", stream.read(&mut [0; 16])).await;
    assert!(read.is_err() || read.is_ok_and(|bytes| bytes == 0), "closed at once");
    two.to_function.send(vec![command(1, vec![])]).expect("open");
    assert_eq!(frames(&mut two.from_function, 1).await.len(), 1, "the others go on");
}

/// Measured on a bare tonic server: such connections stay for good.
#[tokio::test]
async fn connections_that_say_nothing_are_closed_and_do_not_keep_hosts_out() {
    let server = echoing(ServeSettings { handshake_ms: 300, connections: 20, ..ServeSettings::default() }).await;
    let address = server.address().to_string();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let headers = b"\0\x10\0\x01\x04\0\0\0\x01";
    let beginnings: [Vec<u8>; 4] =
        [vec![], preface[..10].to_vec(), [&preface[..], settings].concat(), [&preface[..], settings, headers].concat()];
    let mut silent = Vec::new();
    for beginning in beginnings.iter().cycle().take(40) {
        let mut stream = TcpStream::connect(&address).await.expect("the system takes it");
        // One too many is closed under our hands.
        let _ = stream.write_all(beginning).await;
        silent.push(stream);
    }
    for mut stream in silent {
        let closed = async { while stream.read(&mut [0; 256]).await.is_ok_and(|bytes| bytes > 0) {} };
        soon("the end", closed).await;
    }
    let mut host = connect(server.address()).await;
    host.to_function.send(vec![command(1, vec![])]).expect("open");
    assert_eq!(frames(&mut host.from_function, 1).await.len(), 1);
}

/// A way to `target` that passes nothing any more once it is cut: both ends stay open, as when a machine is gone.
async fn way_to(target: &Address) -> (Address, Arc<tokio::sync::Notify>) {
    let between = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = between.local_addr().expect("bound").to_string().parse().expect("an address");
    let (target, cut) = (target.to_string(), Arc::new(tokio::sync::Notify::new()));
    let cutting = cut.clone();
    tokio::spawn(async move {
        let (mut host, _) = between.accept().await.expect("a host");
        let mut function = TcpStream::connect(target).await.expect("it listens");
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut host, &mut function) => {}
            () = cutting.notified() => {}
        }
        std::future::pending::<()>().await;
    });
    (address, cut)
}

#[tokio::test]
async fn a_host_that_vanished_is_noticed() {
    let settings = ServeSettings { keep_alive_ms: 100, keep_alive_timeout_ms: 100, ..ServeSettings::default() };
    let (server, mut events) = serve(bind(&loopback()).await, spec(), settings).expect("sound");
    let (address, cut) = way_to(server.address()).await;
    let _host = connect(&address).await;
    let mut function = session(&mut events).await;
    cut.notify_one();
    let end = soon("the end", function.from_host.recv()).await;
    assert!(end.is_err() || end == Ok(None));
}

#[tokio::test]
async fn a_function_that_vanished_in_a_session_is_noticed_and_blamed() {
    let server = echoing(ServeSettings::default()).await;
    let (address, cut) = way_to(server.address()).await;
    let settings = DialSettings { keep_alive_ms: 100, keep_alive_timeout_ms: 100, ..DialSettings::default() };
    let mut link = Link::dial(&address, &settings).await.expect("it listens");
    let (_to_function, outgoing) = mpsc::unbounded_channel();
    let (_, mut inbound) = link.connect(welcome(1, &Limits::default()), outgoing).await.expect("a session");
    cut.notify_one();
    let error = soon("the end", inbound.recv()).await.expect_err("gone");
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_server_that_is_dropped_in_a_session_is_blamed() {
    let server = echoing(ServeSettings::default()).await;
    let mut host = connect(server.address()).await;
    drop(server);
    let error = soon("the end", host.from_function.recv()).await.expect_err("gone");
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_function_that_hangs_is_noticed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address: Address = listener.local_addr().expect("bound").to_string().parse().expect("an address");
    let settings = DialSettings { answer_ms: 200, ..DialSettings::default() };
    let mut link = Link::dial(&address, &settings).await.expect("the system answers for it");
    let error = soon("an end", link.discover()).await.expect_err("silent");
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.message.contains("did not answer Discover within 200 ms"), "{error}");
    drop(listener);
    let nobody = DialSettings { connect_ms: 1, ..DialSettings::default() };
    // An address that is reserved for documentation: nothing answers, or there is no way there.
    let error = Link::dial(&"192.0.2.1:9".parse().expect("an address"), &nobody).await.err().expect("nobody there");
    assert_eq!(error.kind, Kind::Unavailable);
}
