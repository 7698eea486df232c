// SPDX-License-Identifier: Apache-2.0
//! What waits to be polled, and the wake-up of whoever polls.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use adjoin_model::{Error, Result};
use rustix::event::{EventfdFlags, eventfd};

use crate::values::ToForeign;

/// A queue with one reader, woken once per burst.
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    some: Condvar,
    wake: OwnedFd,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<ToForeign>,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new() -> Result<Self> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
            .map_err(|error| Error::unavailable(format!("no file descriptor for waking: {error}")))?;
        Ok(Self { queue: Mutex::default(), some: Condvar::new(), wake })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A queue of finished values is whole at any time.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, items: impl IntoIterator<Item = ToForeign>) {
        let mut queue = self.queue();
        let was_empty = queue.items.is_empty();
        queue.items.extend(items);
        if was_empty && !queue.items.is_empty() {
            self.ring();
        }
    }

    /// Nothing follows what is queued.
    pub(crate) fn close(&self) {
        self.queue().closed = true;
        self.ring();
    }

    fn ring(&self) {
        self.some.notify_all();
        // Full means that it was rung already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Everything that waits; waits for something up to `timeout` (`None`: as long as it takes). After a close, and
    /// once everything was taken, one `Closed`, again and again.
    pub(crate) fn poll(&self, timeout: Option<Duration>) -> Vec<ToForeign> {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut queue = self.queue();
        while queue.items.is_empty() && !queue.closed {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            queue = match left {
                Some(left) if left.is_zero() => return Vec::new(),
                Some(left) => self.some.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.some.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let items: Vec<ToForeign> = queue.items.drain(..).collect();
        if items.is_empty() {
            // The descriptor stays readable: nothing follows, and whoever waits on it must see that.
            return vec![ToForeign::Closed];
        }
        if !queue.closed {
            let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
        }
        items
    }

    /// Readable while something is to be polled.
    pub(crate) fn wake_fd(&self) -> i32 {
        self.wake.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn end(id: u64) -> ToForeign {
        ToForeign::End { id }
    }

    #[test]
    fn a_burst_is_taken_at_once_and_the_descriptor_rung_once() {
        let outbox = Outbox::new().expect("an outbox");
        outbox.push([end(1), end(2)]);
        outbox.push([end(3)]);
        assert_eq!(outbox.poll(Some(Duration::ZERO)).len(), 3);
        assert!(rustix::io::read(&outbox.wake, &mut [0; 8]).is_err(), "rung no more");
        assert!(outbox.poll(Some(Duration::ZERO)).is_empty());
    }

    #[test]
    fn a_waiting_poll_is_woken() {
        let outbox = Arc::new(Outbox::new().expect("an outbox"));
        let waits = {
            let outbox = outbox.clone();
            std::thread::spawn(move || outbox.poll(None).len())
        };
        outbox.push([end(1)]);
        assert_eq!(waits.join().expect("woken"), 1);
    }

    #[test]
    fn after_a_close_what_is_left_comes_and_then_closed_for_ever() {
        let outbox = Outbox::new().expect("an outbox");
        outbox.push([end(1)]);
        outbox.close();
        assert!(matches!(outbox.poll(None)[..], [ToForeign::End { id: 1 }]));
        for _ in 0..2 {
            assert!(matches!(outbox.poll(None)[..], [ToForeign::Closed]));
        }
    }
}
