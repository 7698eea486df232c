// SPDX-License-Identifier: Apache-2.0
//! Signals that ask a host to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, Failure, Outcome};

/// SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal has gone).
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals over: from here on they end nothing by themselves.
    ///
    /// # Errors
    /// Failed when the system refuses.
    pub(crate) fn take() -> Outcome<Self> {
        let take = |kind| {
            signal(kind).map_err(|error| Failure::new(Exit::Failed, format!("signals cannot be taken: {error}")))
        };
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hangup: take(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
