// SPDX-License-Identifier: Apache-2.0
//! Signals that ask a host to end.

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, Failure, Outcome};

/// Within this, the same signal again is the same wish: a shell, `timeout` or a package runner often passes it on to a
/// process that had it already.
const SAME: Duration = Duration::from_millis(250);

/// SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal has gone).
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    last: Option<(&'static str, Instant)>,
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
            last: None,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> &'static str {
        loop {
            let signal = tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.hangup.recv() => "SIGHUP",
            };
            let last = self.last.replace((signal, Instant::now()));
            if !last.is_some_and(|(before, at)| before == signal && at.elapsed() < SAME) {
                return signal;
            }
        }
    }
}
