// SPDX-License-Identifier: Apache-2.0
//! Connections to a function: accepted up to a number, refused when they say nothing, ended in order.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use adjoin_model::{Code, Error};
use adjoin_wire::{BATCH_BYTES, DISCOVERY_BYTES};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::Service as _;

use crate::generated::protocol::function_server::FunctionServer;
use crate::listener::Listener;
use crate::served::{Proxies, Served};
use crate::service::Service;
use crate::settings::{CONNECTION_WINDOW, HEADER_BYTES, HTTP2_FRAME, STREAM_WINDOW, ServeSettings, unless_zero};
use crate::status::status_of;
use crate::token;

/// Wait after the system had no room for a connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Streams at once on a connection: a session and some questions.
const STREAMS: u32 = 32;

#[derive(Clone)]
pub(crate) struct Connections {
    server: FunctionServer<Service>,
    /// For proxies of the Cloudstate protocol.
    served: Option<Arc<Served>>,
    settings: Arc<ServeSettings>,
    stop: CancellationToken,
}

impl Connections {
    pub(crate) fn new(
        service: Service,
        served: Option<Arc<Served>>,
        settings: Arc<ServeSettings>,
        stop: CancellationToken,
    ) -> Self {
        let server = FunctionServer::new(service)
            .max_decoding_message_size(BATCH_BYTES)
            .max_encoding_message_size(DISCOVERY_BYTES);
        Self { server, served, settings, stop }
    }

    /// Accepts until it is stopped, then lets the connections end. Dropping the future cuts them all.
    pub(crate) async fn run(self, listener: Listener) {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(_) = open.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok(io) if open.len() < self.settings.connections => {
                        open.spawn(self.clone().connection(io));
                    }
                    Ok(_) => tracing::warn!(connections = open.len(), "a connection too many was closed"),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        // Out of descriptors, most likely: others must close first.
                        drop(timeout(ACCEPT_AGAIN, self.stop.cancelled()).await);
                    }
                },
            }
        }
        drop(listener);
        let ends = async { while open.join_next().await.is_some() {} };
        if timeout(Duration::from_millis(self.settings.stop_ms), ends).await.is_err() {
            tracing::warn!(connections = open.len(), "connections were cut: their hosts did not end them in time");
        }
    }

    async fn connection(self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let deadline = Instant::now() + Duration::from_millis(self.settings.handshake_ms);
        let (builder, stop, asked) = (self.builder(), self.stop.clone(), CancellationToken::new());
        let heard = asked.clone();
        let proxies = self.served.as_ref().map(Proxies::new);
        let service = service_fn(move |request| {
            heard.cancel();
            self.clone().answer(proxies.clone(), request)
        });
        let mut connection = Box::pin(builder.serve_connection(TokioIo::new(io), service));
        // Until it asks something, a connection takes a place and gives nothing: no preface, half a frame, or silence.
        let first = async {
            tokio::select! {
                _ = &mut connection => false,
                () = stop.cancelled() => false,
                () = asked.cancelled() => true,
            }
        };
        match timeout_at(deadline, first).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(_) => return tracing::debug!("a connection that asked nothing was closed"),
        }
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(HTTP2_FRAME)
            .max_header_list_size(HEADER_BYTES)
            .max_concurrent_streams(self.streams())
            .keep_alive_interval(unless_zero(self.settings.keep_alive_ms))
            .keep_alive_timeout(Duration::from_millis(self.settings.keep_alive_timeout_ms));
        builder
    }

    /// Proxies of the Cloudstate protocol have one for each entity in memory.
    fn streams(&self) -> u32 {
        let of_proxies = self.served.as_ref().map_or(0, |_| self.settings.streams);
        STREAMS.saturating_add(u32::try_from(of_proxies).unwrap_or(u32::MAX))
    }

    async fn answer(
        mut self,
        proxies: Option<Proxies>,
        mut request: http::Request<Incoming>,
    ) -> Result<http::Response<Body>, Infallible> {
        if let Some(token) = &self.settings.token
            && !token::is_brought(token, request.headers())
        {
            let error = Error::denied("this function asks for a token: give it to the host");
            return Ok(status_of(&error.with_code(Code::Unauthenticated)).into_http());
        }
        if let Some(mut proxies) = proxies {
            // However long it takes: an answer of an action may come late, and a stream lasts as long as its entity.
            match proxies.answer(request).await {
                Ok(answer) => return answer,
                Err(other) => request = other,
            }
        }
        let answer = self.server.call(request);
        // Every call ends its head within the handshake time; what a session streams afterwards takes as long as it likes.
        let handshake = Duration::from_millis(self.settings.handshake_ms);
        match timeout(3 * handshake, answer).await {
            Ok(answer) => answer,
            Err(_) => Ok(status_of(&Error::expired("the request did not come whole in time")).into_http()),
        }
    }
}
