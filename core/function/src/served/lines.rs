// SPDX-License-Identifier: Apache-2.0
//! The sessions of proxies with a function: one for each connection, begun by the first call that needs it.

use std::sync::Arc;
use std::time::Duration;

use adjoin_entity::spec::Spec;
use adjoin_model::{Code, Error, Limits, Result};
use adjoin_wire::welcome;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::catalogue::Catalogue;
use super::line::{Line, Opening};
use crate::serve::{Event, FunctionSession};
use crate::settings::ServeSettings;

/// Largest message that the reference proxy takes, and so the largest that one is sent or may send, in bytes.
pub(super) const MESSAGE_BYTES: usize = 12 << 20;

/// Room for what a message has beside its payloads.
pub(super) const ENVELOPE: usize = 64 << 10;

/// What all connections of a server share.
pub(crate) struct Served {
    catalogue: Result<Catalogue>,
    settings: Arc<ServeSettings>,
    events: mpsc::Sender<Event>,
    sessions: Arc<Semaphore>,
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

/// One connection. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Lines {
    served: Arc<Served>,
    line: Arc<Mutex<Option<Arc<Line>>>>,
}

impl Served {
    /// Ready for proxies: `sessions` counts those of hosts of adjoin too.
    pub(crate) fn new(
        spec: &Spec,
        settings: Arc<ServeSettings>,
        events: mpsc::Sender<Event>,
        sessions: Arc<Semaphore>,
        stop: CancellationToken,
    ) -> Self {
        let places = Arc::new(Semaphore::new(settings.streams));
        Self { catalogue: Catalogue::new(spec), settings, events, sessions, places, stop }
    }

    /// A connection has come.
    pub(super) fn connection(self: &Arc<Self>) -> Lines {
        Lines { served: self.clone(), line: Arc::default() }
    }
}

/// What a session is opened with.
fn limits() -> Limits {
    let most = MESSAGE_BYTES - ENVELOPE;
    let usual = Limits::default();
    Limits {
        event_bytes: usual.event_bytes.min(most),
        value_bytes: usual.value_bytes.min(most),
        message_bytes: usual.message_bytes.min(most),
        ..usual
    }
}

impl Lines {
    /// What the function has.
    ///
    /// # Errors
    /// `Invalid`, with the code `FailedPrecondition`: why this protocol cannot say it.
    pub(super) fn catalogue(&self) -> Result<&Catalogue> {
        self.served.catalogue.as_ref().map_err(|error| error.clone().with_code(Code::FailedPrecondition))
    }

    /// Ends idle streams: the function does not go on.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.served.stop
    }

    /// Tells the function's user what a proxy reported, if anybody listens.
    pub(super) fn report(&self, said: String) {
        // Nobody who listens, or who is busy, must hold up the proxy.
        let _ = self.served.events.try_send(Event::Reported(said));
    }

    /// A place for a call: an entity's stream, or an action.
    ///
    /// # Errors
    /// `Exhausted` when all are taken.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit> {
        self.served.places.clone().try_acquire_owned().map_err(|_| {
            let most = self.served.settings.streams;
            let said = format!("the function has {most} entities and actions of proxies under way, and takes no more");
            Error::exhausted(said).retry_after(1_000)
        })
    }

    /// The connection's session; opens one if there is none, or the function has ended it.
    ///
    /// # Errors
    /// `Exhausted` when the function has as many sessions as it takes, `Unavailable` when it takes none any more,
    /// `Expired` when it does not take this one in time.
    pub(super) async fn line(&self) -> Result<Arc<Line>> {
        let mut open = self.line.lock().await;
        if let Some(line) = open.as_ref().filter(|line| !line.is_over()) {
            return Ok(line.clone());
        }
        let line = self.open().await?;
        *open = Some(line.clone());
        Ok(line)
    }

    async fn open(&self) -> Result<Arc<Line>> {
        let Served { settings, events, sessions, stop, .. } = &*self.served;
        if stop.is_cancelled() {
            return Err(Error::unavailable("the function takes no more sessions: it is ending"));
        }
        let place = crate::service::place(sessions, settings.sessions)?;
        let Opening { line, to_host, from_host, route } = Line::opening(settings.hello, place)?;
        let session = FunctionSession { welcome: welcome(settings.versions.max, &limits()), to_host, from_host };
        let ms = settings.handshake_ms;
        let taken = timeout(Duration::from_millis(ms), events.send(Event::Session(session))).await;
        let taken = taken.map_err(|_| Error::expired(format!("the function took no session within {ms} ms")))?;
        taken.map_err(|_| Error::unavailable("the function takes no more sessions"))?;
        tokio::spawn(route);
        Ok(line)
    }
}
