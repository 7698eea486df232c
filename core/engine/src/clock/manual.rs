// SPDX-License-Identifier: Apache-2.0
//! Clocks that a test moves.

use std::sync::Arc;

use adjoin_model::{Mono, Now, Wall};
use tokio::sync::watch;

use super::{Clock, Sleep};

/// Clocks that stand still until they are moved. Clones share the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<watch::Sender<Now>>,
}

impl ManualClock {
    /// Clocks at this time.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self { now: Arc::new(watch::Sender::new(now)) }
    }

    /// Moves both clocks on by so many milliseconds and ends the waits that are over.
    pub fn advance_ms(&self, ms: u64) {
        self.now.send_modify(|now| {
            *now = Now { mono: now.mono.plus_ms(ms), wall: now.wall.plus_ms(ms) };
        });
    }

    /// Lets the wall clock step, as an operator or NTP may.
    pub fn step_wall(&self, wall: Wall) {
        self.now.send_modify(|now| now.wall = wall);
    }
}

impl Default for ManualClock {
    /// One second after start, in 2023.
    fn default() -> Self {
        Self::new(Now { mono: Mono(1_000_000), wall: Wall(1_700_000_000_000) })
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        *self.now.borrow()
    }

    fn sleep_until(&self, at: Mono) -> Sleep {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            if now.wait_for(|now| now.mono >= at).await.is_err() {
                // Nobody can move the clock any more, so its time never comes.
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_when_the_clock_is_moved() {
        let clock = ManualClock::default();
        let at = clock.now().mono.plus_ms(10);
        let wait = tokio::spawn(clock.sleep_until(at));
        clock.advance_ms(9);
        assert!(!wait.is_finished());
        clock.advance_ms(1);
        wait.await.expect("the wait ends");
    }
}
