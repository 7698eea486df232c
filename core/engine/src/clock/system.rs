// SPDX-License-Identifier: Apache-2.0
//! The clocks of the machine.

use std::time::Duration;

use adjoin_model::{Mono, Now, Wall};
use rustix::time::{ClockId, clock_gettime};

use super::{Clock, Sleep};

/// The machine's clocks: `CLOCK_BOOTTIME` where there is one, else `CLOCK_MONOTONIC`, and the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(any(target_os = "linux", target_os = "android"))]
const MONOTONIC: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MONOTONIC: ClockId = ClockId::Monotonic;

fn monotonic() -> Mono {
    let time = clock_gettime(MONOTONIC);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_nsec).unwrap_or(0) / 1000;
    Mono(seconds.saturating_mul(1_000_000).saturating_add(micros))
}

fn wall() -> Wall {
    let time = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let millis = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
    Wall(seconds.saturating_mul(1000).saturating_add(millis))
}

/// Longest single wait: tokio's timers stand still during suspend, this clock does not, so it looks again now and then.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { mono: monotonic(), wall: wall() }
    }

    fn sleep_until(&self, at: Mono) -> Sleep {
        Box::pin(async move {
            loop {
                let left = at.since(monotonic());
                if left == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_micros(left).min(LOOK_AGAIN)).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_at_its_time_and_not_before() {
        let clock = SystemClock;
        let at = clock.now().mono.plus_ms(3);
        clock.sleep_until(at).await;
        assert!(clock.now().mono >= at);
        clock.sleep_until(Mono(0)).await;
    }

    #[test]
    fn the_wall_clock_counts_from_the_epoch() {
        assert!(SystemClock.now().wall > Wall(1_700_000_000_000));
    }
}
