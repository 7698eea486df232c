// SPDX-License-Identifier: Apache-2.0
//! Keeps one function connected.

use std::sync::Arc;
use std::time::Duration;

use adjoin_entity::spec::Spec;
use adjoin_model::{Error, Limits, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::dial::Link;
use crate::sessions::{Session, Sessions};
use crate::settings::DialSettings;
use crate::spoken::{Agreed, Said, ask};

/// How long a function may take to end a session that the host ends.
const FAREWELL: Duration = Duration::from_secs(10);

/// How seldom a function is asked again whose spec was refused.
const ASKED_AGAIN: Duration = Duration::from_secs(10);

/// How a supervised function is.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// Not connected; tried again and again.
    Connecting {
        /// Why the last try, or the last session, failed.
        last_error: Option<Error>,
    },
    /// Connected, but what it declares cannot be taken. The function was told, and is asked again.
    SpecRefused {
        /// What is wrong, where, what to do.
        problem: Error,
    },
    /// In session.
    Connected {
        /// What it has.
        spec: Arc<Spec>,
    },
}

/// A function that is kept connected. Dropping it ends its session as if the process had died.
pub struct Supervised {
    status: watch::Receiver<Status>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Supervised {
    /// How it is, with news of every change.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Ends the session in an orderly way, within a second or so, and tries no more.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the supervision of a function ended unexpectedly");
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps the function at `address` connected: connects with back-off, asks what it has, checks that, reports problems to
/// it, and hands each session to `sessions`. At every reconnect it begins anew: the function may be a newer one.
///
/// `limits` are what the host tells the function in its Welcome. Needs a tokio runtime.
pub fn supervise(address: Address, settings: DialSettings, limits: Limits, sessions: impl Sessions) -> Supervised {
    let (sender, status) = watch::channel(Status::Connecting { last_error: None });
    let stop = CancellationToken::new();
    let supervisor = Supervisor { address, settings, limits, sessions, status: sender, stop: stop.clone() };
    Supervised { status, stop, task: tokio::spawn(supervisor.run()) }
}

struct Supervisor<S> {
    address: Address,
    settings: DialSettings,
    limits: Limits,
    sessions: S,
    status: watch::Sender<Status>,
    stop: CancellationToken,
}

impl<S: Sessions> Supervisor<S> {
    async fn run(self) {
        let first = Duration::from_millis(self.settings.retry_first_ms.max(1));
        let most = Duration::from_millis(self.settings.retry_most_ms).max(first);
        let mut wait = first;
        while !self.stop.is_cancelled() {
            let mut up_since = None;
            let ended = self.one_link(&mut up_since).await;
            if self.stop.is_cancelled() {
                break;
            }
            self.note(ended.err());
            // A function that dies as soon as it is used is not to be tried in a tight loop.
            let lasted = up_since.is_some_and(|since: Instant| since.elapsed() > most);
            wait = if lasted { first } else { wait };
            self.pause(wait).await;
            wait = (wait * 2).min(most);
        }
        self.status.send_replace(Status::Connecting { last_error: None });
    }

    /// From dialling to the end of the session.
    async fn one_link(&self, up_since: &mut Option<Instant>) -> Result<()> {
        let dialled = self.unless_stopped(Link::dial(&self.address, &self.settings)).await;
        let Some(mut link) = dialled.transpose()? else { return Ok(()) };
        let Some(agreed) = self.unless_stopped(self.accepted(&mut link)).await.transpose()? else { return Ok(()) };
        let opening = agreed.open(&mut link, &self.limits);
        let Some((spec, hello, to_function, said)) = self.unless_stopped(opening).await.transpose()? else {
            return Ok(());
        };
        let session = self.sessions.up(spec.clone(), hello, to_function)?;
        *up_since = Some(Instant::now());
        tracing::info!(function = %self.address, sdk = spec.sdk, types = spec.types.len(), "function connected");
        self.status.send_replace(Status::Connected { spec });
        self.carry(session, said).await
    }

    /// Asks the function until it has something that can be taken. The same process is told the same problem once.
    async fn accepted(&self, link: &mut Link) -> Result<Agreed> {
        let mut told = None;
        let mut wait = Duration::from_millis(self.settings.retry_most_ms);
        loop {
            let taken = |agreed: Agreed| agreed.if_taken(|spec| self.sessions.takes(spec));
            let refusal = match ask(link).await.and_then(taken) {
                Ok(agreed) => return Ok(agreed),
                Err(refusal) if refusal.is_about_the_spec() => refusal,
                Err(refusal) => return Err(refusal.error),
            };
            if told.as_ref() != Some(&refusal.error.message) {
                let problem = refusal.error.clone();
                tracing::warn!(function = %self.address, "the function's spec is refused: {problem}");
                refusal.report(link).await?;
                told = Some(problem.message.clone());
                self.status.send_replace(Status::SpecRefused { problem });
            }
            // The same process seldom says something else; a new one is another connection.
            drop(timeout(wait, self.stop.run_until_cancelled(link.gone().cancelled())).await);
            wait = (wait * 2).min(ASKED_AGAIN.max(wait));
        }
    }

    async fn carry(&self, session: S::Session, mut said: Said) -> Result<()> {
        let ended = loop {
            tokio::select! {
                frames = said.recv() => match frames {
                    Ok(Some(frames)) => match session.deliver(frames).await {
                        Ok(()) => {}
                        Err(error) => break Err(error),
                    },
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                },
                () = self.stop.cancelled() => break Ok(()),
            }
        };
        session.down(ended.is_ok());
        if self.stop.is_cancelled() {
            // The session's senders are gone, so the function sees the end and ends its direction too.
            let farewell = async { while let Ok(Some(_)) = said.recv().await {} };
            if timeout(FAREWELL, farewell).await.is_err() {
                tracing::debug!(function = %self.address, "the function did not end its session in time");
            }
        }
        ended
    }

    /// Says a change once, however often it is tried again.
    fn note(&self, error: Option<Error>) {
        let news = Status::Connecting { last_error: error };
        if *self.status.borrow() == news {
            return;
        }
        match &news {
            Status::Connecting { last_error: Some(error) } => tracing::warn!("no session with the function: {error}"),
            Status::Connecting { last_error: None } | Status::SpecRefused { .. } | Status::Connected { .. } => {
                tracing::info!(function = %self.address, "the function ended its session");
            }
        }
        self.status.send_replace(news);
    }

    /// None when the supervision was stopped first.
    async fn unless_stopped<T>(&self, task: impl Future<Output = T>) -> Option<T> {
        self.stop.run_until_cancelled(task).await
    }

    async fn pause(&self, wait: Duration) {
        // Elapsed is what is waited for; cancelled is what cuts it short.
        drop(timeout(wait, self.stop.cancelled()).await);
    }
}
