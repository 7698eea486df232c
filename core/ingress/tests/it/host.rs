// SPDX-License-Identifier: Apache-2.0
//! An engine over the memory store, the shop, and an ingress on a port of its own.

use std::sync::Arc;
use std::time::Duration;

use adjoin_engine::{Engine, SystemClock};
use adjoin_ingress::{Ingress, Settings, serve};
use adjoin_storage::MemoryStore;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use crate::shop::{self, Function};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Host {
    pub(crate) ingress: Ingress,
    pub(crate) function: Option<Function>,
}

pub(crate) async fn engine() -> Engine {
    let store = MemoryStore::new(16, 1).expect("a store");
    let settings = adjoin_engine::Settings { loops: 2, function_wait_ms: 500, ..adjoin_engine::Settings::default() };
    Engine::start(Arc::new(store), settings, Arc::new(SystemClock)).await.expect("started")
}

pub(crate) async fn host_with(settings: Settings) -> Host {
    let engine = engine().await;
    let function = Some(shop::connect(&engine));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let ingress = serve(engine, settings, listener).expect("served");
    Host { ingress, function }
}

pub(crate) async fn host() -> Host {
    host_with(Settings::default()).await
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The kind of a problem.
    pub(crate) fn kind(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        self.json()["kind"].as_str().unwrap_or("").into()
    }
}

impl Host {
    pub(crate) async fn stream(&self) -> TcpStream {
        TcpStream::connect(self.ingress.address()).await.expect("connected")
    }

    /// A request of its own connection; the response's body is still to be read.
    pub(crate) async fn open(&self, request: Request<Full<Bytes>>) -> http::Response<Incoming> {
        let io = TokioIo::new(self.stream().await);
        let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.expect("a connection");
        tokio::spawn(connection);
        tokio::time::timeout(LONG, client.send_request(request)).await.expect("in time").expect("answered")
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        let body = tokio::time::timeout(LONG, body.collect()).await.expect("in time").expect("a body").to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(request(Method::POST, path, &[], body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, &[], "")).await
    }
}

pub(crate) fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).expect("a request")
}
