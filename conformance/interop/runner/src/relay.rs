// SPDX-License-Identifier: Apache-2.0
//! Stands between a proxy and a function, changes nothing, and keeps what passed: every call, every message, every end.

mod passed;
mod tap;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) use passed::{Calls, Cursor};
use passed::{Log, Part};
use tap::{Direction, Tap};

/// A running relay. Dropping it breaks what passes.
pub(crate) struct Relay {
    /// Where the proxy is pointed at.
    pub(crate) address: SocketAddr,
    /// What passed.
    pub(crate) calls: Arc<Calls>,
    task: JoinHandle<()>,
}

type Upstream = Client<HttpConnector, Tap>;
type Answer = Response<Either<Tap, Empty<Bytes>>>;

impl Relay {
    /// Listens, and hands everything on to a function.
    ///
    /// # Errors
    /// If no port is free.
    pub(crate) async fn start(function: SocketAddr) -> Result<Self, String> {
        let said = |error: std::io::Error| format!("the relay: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(said)?;
        let address = listener.local_addr().map_err(said)?;
        let calls = Arc::new(Calls::default());
        let task = tokio::spawn(accept(listener, function, Arc::clone(&calls)));
        Ok(Self { address, calls, task })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, function: SocketAddr, calls: Arc<Calls>) {
    let upstream: Upstream = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        let (upstream, calls) = (upstream.clone(), Arc::clone(&calls));
        connections.spawn(serve(connection, function, upstream, calls));
    }
}

async fn serve(connection: TcpStream, function: SocketAddr, upstream: Upstream, calls: Arc<Calls>) {
    let service = service_fn(move |request| {
        let (upstream, calls) = (upstream.clone(), Arc::clone(&calls));
        async move { Ok::<_, std::convert::Infallible>(pass(request, function, &upstream, &calls).await) }
    });
    // A connection that breaks ends its calls, which they note themselves.
    let _ =
        auto::Builder::new(TokioExecutor::new()).http2_only().serve_connection(TokioIo::new(connection), service).await;
}

async fn pass(request: Request<Incoming>, function: SocketAddr, upstream: &Upstream, calls: &Arc<Calls>) -> Answer {
    let log = calls.begin(request.uri().path());
    match hand_on(request, function, upstream, &log).await {
        Ok(answer) => answer,
        Err(_) => {
            log.note(Part::OutBroken);
            let mut answer = Response::new(Either::Right(Empty::new()));
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            answer
        }
    }
}

async fn hand_on(
    request: Request<Incoming>,
    function: SocketAddr,
    upstream: &Upstream,
    log: &Arc<Log>,
) -> Result<Answer, String> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("http://{function}{path}").parse::<Uri>().map_err(|error| error.to_string())?;
    let tapped = Tap::new(body, Direction::In, log);
    let answer = upstream.request(Request::from_parts(head, tapped)).await.map_err(|error| error.to_string())?;
    let (head, body) = answer.into_parts();
    let tapped = Tap::new(body, Direction::Out, log).with_status(&head.headers);
    Ok(Response::from_parts(head, Either::Left(tapped)))
}
