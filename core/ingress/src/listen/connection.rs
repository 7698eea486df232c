// SPDX-License-Identifier: Apache-2.0
//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::body::Body;
use crate::meter::{Metered, Refusal, watched};
use crate::settings::Settings;

use super::guard::Guarded;
use super::whole::whole;

/// hyper refuses oversized heads by itself without saying why, so its own bounds lie above ours.
const ABOVE_OURS: usize = 4;

/// What is the same for all connections.
pub(super) struct Connections {
    app: Arc<App>,
    builder: Arc<Builder<TokioExecutor>>,
    closing: CancellationToken,
}

impl Connections {
    pub(super) fn new(app: Arc<App>, closing: CancellationToken) -> Self {
        let builder = Arc::new(builder(&app.settings));
        Self { app, builder, closing }
    }

    /// Serves one connection until it ends.
    pub(super) fn serve(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + use<> {
        // Only a hint: without it replies may wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let settings = &self.app.settings;
        let (handshake, write) = (ms(settings.handshake_ms), ms(settings.write_ms));
        let io = TokioIo::new(Guarded::new(stream, handshake, write));
        run(io, self.app.clone(), self.builder.clone(), self.closing.clone())
    }
}

async fn run(
    io: TokioIo<Guarded<TcpStream>>,
    app: Arc<App>,
    builder: Arc<Builder<TokioExecutor>>,
    closing: CancellationToken,
) {
    let idle = ms(app.settings.idle_ms);
    let activity = Arc::new(Activity::default());
    let counted = activity.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (app, open) = (app.clone(), Open::new(&counted));
        let last = is_last(&request);
        async move {
            let (response, metered) = watched(whole(request), async |request| app.respond(request).await).await;
            let mut response = response.map(|body| Counted { body, metered, _open: open });
            if last {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = builder.serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let mut stopping = false;
    let mut quiet = std::pin::pin!(sleep_until(Instant::now() + idle));
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    if let Some(refusal) = Refusal::of_connection(&*error) {
                        refusal.count();
                    }
                    tracing::debug!(error = &*error, "a connection broke off");
                }
                return;
            }
            () = closing.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = quiet.as_mut() => {
                // Asked to go the interval before and still idle: it does not listen.
                if activity.quiet() && stopping {
                    return;
                }
                if activity.quiet() {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                activity.rest();
                quiet.as_mut().reset(Instant::now() + idle);
            }
        }
    }
}

/// Whether nothing after the request may be read as another one. A length beside chunks has to end the connection
/// (RFC 9112, section 6.1: somebody on the way may have gone by the length), and hyper takes it away unseen.
fn is_last(request: &Request<Incoming>) -> bool {
    request.version() == Version::HTTP_11 && request.headers().contains_key(TRANSFER_ENCODING)
}

fn builder(settings: &Settings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let above = settings.header_bytes * ABOVE_OURS + settings.path_bytes * ABOVE_OURS;
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(ms(settings.header_ms))
        .max_headers(settings.headers * ABOVE_OURS)
        .max_buf_size(above.max(64 << 10))
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.streams_per_connection)
        .max_header_list_size(u32::try_from(above).unwrap_or(u32::MAX))
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(1 << 20)
        .keep_alive_interval(ms(settings.ping_ms))
        .keep_alive_timeout(ms(settings.ping_ms));
    builder
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Requests of one connection.
#[derive(Default)]
struct Activity {
    open: AtomicUsize,
    /// Requests since the last look.
    begun: AtomicUsize,
}

impl Activity {
    /// Whether nothing happened since the last [`Activity::rest`].
    fn quiet(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0 && self.begun.load(Ordering::Relaxed) == 0
    }

    fn rest(&self) {
        self.begun.store(0, Ordering::Relaxed);
    }
}

/// A request whose response has not been sent whole.
struct Open(Arc<Activity>);

impl Open {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Ordering::Relaxed);
        activity.begun.fetch_add(1, Ordering::Relaxed);
        Self(activity.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that keeps its request open.
struct Counted {
    body: Body,
    metered: Metered,
    _open: Open,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if http_body::Body::is_end_stream(&self.body) {
            self.metered.over();
        }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(frame) = &frame {
            self.metered.took(frame.as_ref());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
