// SPDX-License-Identifier: Apache-2.0
//! The three calls of the contract, answered.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use adjoin_entity::frame::FunctionFrame;
use adjoin_entity::spec::Spec;
use adjoin_model::{Code, Error};
use adjoin_wire::protocol::{DiscoverRequest, ReportSpecErrorRequest, ReportSpecErrorResponse, VersionRange, Welcome};
use adjoin_wire::{Batch, Bounds, Decoder, Discovery, Encoder, discovery_out, negotiate, shown};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::generated::protocol::function_server::Function;
use crate::inbound::Wire;
use crate::outgoing::Outgoing;
use crate::serve::{Event, FunctionSession};
use crate::settings::ServeSettings;
use crate::status::{printable, status_of};

/// Answers hosts.
pub(crate) struct Service {
    discovery: Discovery,
    settings: Arc<ServeSettings>,
    events: mpsc::Sender<Event>,
    sessions: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Service {
    pub(crate) fn new(
        spec: Spec,
        settings: Arc<ServeSettings>,
        events: mpsc::Sender<Event>,
        sessions: Arc<Semaphore>,
        stop: CancellationToken,
    ) -> Self {
        let discovery = Discovery { versions: Some(settings.versions), ..discovery_out(spec) };
        Self { discovery, settings, events, sessions, stop }
    }

    /// Waits for Welcome, tells the user of the session, and gives its frames.
    async fn session(&self, batches: Streaming<Batch>) -> adjoin_model::Result<Answers> {
        let place = place(&self.sessions, self.settings.sessions)?;
        let mut from_host = Wire::new(batches, Decoder::new(Bounds::new(0, 0)));
        let welcome: Welcome = self.in_time("a session's Welcome", from_host.open()).await??;
        self.speaks(welcome.version)?;
        let bounds = Bounds::new(welcome.value_bytes, welcome.message_bytes);
        from_host.decoder().bound(bounds);
        let mut encoder = Encoder::new(bounds);
        encoder.open(self.settings.hello);
        let (to_host, frames) = mpsc::unbounded_channel();
        let session = Event::Session(FunctionSession { welcome, to_host, from_host: from_host.into_inbound() });
        let taken = self.in_time("the function to take the session", self.events.send(session)).await?;
        taken.map_err(|_| Error::unavailable("the function takes no more sessions"))?;
        Ok(Answers { frames: Outgoing::new(frames.into(), encoder, self.stop.clone()), _place: place })
    }

    fn speaks(&self, version: u32) -> adjoin_model::Result<()> {
        let VersionRange { min, max } = self.settings.versions;
        if (min..=max).contains(&version) {
            return Ok(());
        }
        let ours = shown(self.settings.versions);
        let said =
            format!("the host welcomes with version {version}, the function speaks {ours}: update the older side");
        Err(Error::invalid(said).with_code(Code::FailedPrecondition))
    }

    async fn in_time<T>(&self, what: &str, task: impl Future<Output = T>) -> adjoin_model::Result<T> {
        let ms = self.settings.handshake_ms;
        timeout(Duration::from_millis(ms), task)
            .await
            .map_err(|_| Error::expired(format!("waiting for {what} took longer than {ms} ms")))
    }
}

/// A place for a session, whoever opens it.
///
/// # Errors
/// `Exhausted` when all `most` are taken.
pub(crate) fn place(sessions: &Arc<Semaphore>, most: usize) -> adjoin_model::Result<OwnedSemaphorePermit> {
    sessions.clone().try_acquire_owned().map_err(|_| {
        let said = format!("the function has {most} sessions, and takes no more");
        Error::exhausted(said).retry_after(1_000)
    })
}

#[tonic::async_trait]
impl Function for Service {
    type ConnectStream = Answers;

    async fn discover(&self, request: Request<DiscoverRequest>) -> Result<Response<Discovery>, Status> {
        let DiscoverRequest { versions, host } = request.into_inner();
        negotiate(versions, Some(self.settings.versions)).map_err(|error| status_of(&error))?;
        tracing::debug!(host = printable(&host), "a host asks what the function has");
        Ok(Response::new(self.discovery.clone()))
    }

    async fn report_spec_error(
        &self,
        request: Request<ReportSpecErrorRequest>,
    ) -> Result<Response<ReportSpecErrorResponse>, Status> {
        let message = printable(&request.into_inner().message);
        tracing::error!("a host refuses what the function declares:\n{message}");
        // Nobody who listens, or who is busy, must hold up the host.
        let _ = self.events.try_send(Event::SpecRefused(message));
        Ok(Response::new(ReportSpecErrorResponse {}))
    }

    async fn connect(&self, request: Request<Streaming<Batch>>) -> Result<Response<Answers>, Status> {
        self.session(request.into_inner()).await.map(Response::new).map_err(|error| status_of(&error))
    }
}

/// The frames of one session to its host; holds its place among the sessions.
pub(crate) struct Answers {
    frames: Outgoing<FunctionFrame>,
    _place: OwnedSemaphorePermit,
}

impl Stream for Answers {
    type Item = Result<Batch, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let batch = ready!(Pin::new(&mut self.frames).poll_next(cx));
        Poll::Ready(batch.map(|batch| batch.map_err(|error| status_of(&error))))
    }
}
