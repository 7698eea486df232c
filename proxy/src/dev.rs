// SPDX-License-Identifier: Apache-2.0
//! Supervises the user's process while a developer works: starts it, restarts it when it ends or a file changes, ends it.

mod child;
mod guard;
mod sample;
mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::time::{Instant as Tick, sleep_until};

use crate::failure::Outcome;
pub(crate) use child::Child;
pub(crate) use guard::watch as watch_over;
pub(crate) use sample::curl;
pub(crate) use watch::Watch;

/// What SIGTERM leaves the user's process for.
const GRACE: Duration = Duration::from_secs(5);

/// One that ran this long was not broken from the start: its next restart comes at once again.
const STEADY: Duration = Duration::from_secs(10);

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Keeps the user's process running.
pub(crate) struct Supervisor {
    command: Vec<String>,
    listen: String,
    watch: Option<Watch>,
    child: Option<Child>,
    started: Instant,
    wait: Duration,
    restart_at: Option<Tick>,
}

enum News {
    Ended(Outcome<std::process::ExitStatus>),
    Changed(Option<PathBuf>),
    Time,
}

impl Supervisor {
    /// Starts the process, which is to listen at `listen`.
    ///
    /// # Errors
    /// NotFound or Failed when it cannot be started at all: a typing error is said once, not tried again.
    pub(crate) fn start(command: Vec<String>, listen: String, watch: Option<Watch>) -> Outcome<Self> {
        let child = Child::start(&command, &listen)?.guarded()?;
        tracing::info!(pid = child.id(), command = command.join(" "), "function started");
        let (started, wait) = (Instant::now(), FIRST_WAIT);
        Ok(Self { command, listen, watch, child: Some(child), started, wait, restart_at: None })
    }

    /// Runs until it is dropped; cancelling it between two events loses nothing.
    pub(crate) async fn run(&mut self) {
        loop {
            match self.news().await {
                News::Ended(status) => self.ended(status),
                News::Changed(Some(path)) => self.changed(&path).await,
                News::Changed(None) => {
                    tracing::warn!("files are no longer watched");
                    self.watch = None;
                }
                News::Time => self.restart(),
            }
        }
    }

    /// Ends the process and what it started.
    pub(crate) async fn end(mut self) {
        if let Some(child) = self.child.take() {
            child.end(GRACE).await;
        }
    }

    async fn news(&mut self) -> News {
        let restart_at = self.restart_at;
        tokio::select! {
            status = ended(self.child.as_mut()) => News::Ended(status),
            path = changed(self.watch.as_mut()) => News::Changed(path),
            () = due(restart_at) => News::Time,
        }
    }

    fn ended(&mut self, status: Outcome<std::process::ExitStatus>) {
        self.child = None;
        if self.started.elapsed() >= STEADY {
            self.wait = FIRST_WAIT;
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST_WAIT);
        self.restart_at = Some(Tick::now() + wait);
        match status {
            Ok(status) => tracing::warn!(%status, restart_in = ?wait, "function ended"),
            Err(failure) => tracing::error!(%failure, restart_in = ?wait, "function lost"),
        }
    }

    async fn changed(&mut self, path: &std::path::Path) {
        let shown = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(PathBuf::from));
        tracing::info!(file = %shown.as_deref().unwrap_or(path).display(), "changed: restarting the function");
        if let Some(child) = self.child.take() {
            child.end(GRACE).await;
        }
        self.wait = FIRST_WAIT;
        self.restart();
    }

    fn restart(&mut self) {
        self.restart_at = None;
        match Child::start(&self.command, &self.listen).and_then(Child::guarded) {
            Ok(child) => {
                tracing::info!(pid = child.id(), "function started");
                self.started = Instant::now();
                self.child = Some(child);
            }
            Err(failure) => self.ended(Err(failure)),
        }
    }
}

async fn ended(child: Option<&mut Child>) -> Outcome<std::process::ExitStatus> {
    match child {
        Some(child) => child.ended().await,
        None => std::future::pending().await,
    }
}

async fn changed(watch: Option<&mut Watch>) -> Option<PathBuf> {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

async fn due(at: Option<Tick>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
