// SPDX-License-Identifier: Apache-2.0
//! The engine's bounds on calls in flight and on bytes that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use adjoin_model::{Error, Result};
use tokio::sync::Notify;

/// The counters that every edge shares.
pub(crate) struct Admission {
    calls: AtomicUsize,
    bytes: AtomicUsize,
    max_calls: usize,
    max_bytes: usize,
    retry_after_ms: u64,
    draining: AtomicBool,
    /// Told whenever a counter falls while somebody waits for it.
    changed: Notify,
    waiters: AtomicUsize,
}

impl Admission {
    pub(crate) fn new(max_calls: usize, max_bytes: usize, retry_after_ms: u64) -> Self {
        Self {
            calls: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            max_calls,
            max_bytes,
            retry_after_ms,
            draining: AtomicBool::new(false),
            changed: Notify::new(),
            waiters: AtomicUsize::new(0),
        }
    }

    /// A place for one call, unless the engine is full or drains.
    pub(crate) fn call(self: &Arc<Self>, bytes: usize) -> Result<(Permit, Bytes)> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Error::unavailable("the host is draining and takes no new calls").retry_after(1000));
        }
        let permit = self.unchecked_call();
        if self.calls.load(Ordering::Relaxed) > self.max_calls {
            let said = format!("{} calls are in flight, the most this host takes", self.max_calls);
            return Err(self.full(said));
        }
        let bytes = self.unchecked_bytes(bytes);
        if self.bytes.load(Ordering::Relaxed) > self.max_bytes {
            return Err(self.full(format!("{} bytes wait for this host, the most it takes", self.max_bytes)));
        }
        Ok((permit, bytes))
    }

    /// A place for a call that a handler makes: bounded by the handlers that run, so never refused here.
    pub(crate) fn unchecked_call(self: &Arc<Self>) -> Permit {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Permit(self.clone())
    }

    /// Counts bytes that cannot be refused.
    pub(crate) fn unchecked_bytes(self: &Arc<Self>, bytes: usize) -> Bytes {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Bytes(self.clone(), bytes)
    }

    fn full(&self, said: String) -> Error {
        Error::exhausted(said).retry_after(self.retry_after_ms)
    }

    /// Waits until fewer bytes wait than the bound.
    pub(crate) async fn room(&self) {
        self.until(|admission| admission.bytes.load(Ordering::SeqCst) < admission.max_bytes).await;
    }

    /// Waits until no call is in flight.
    pub(crate) async fn idle(&self) {
        self.until(|admission| admission.calls.load(Ordering::SeqCst) == 0).await;
    }

    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        if reached(self) {
            return;
        }
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let _leave = Waiter(self);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if reached(self) {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn fallen(&self) {
        if self.waiters.load(Ordering::SeqCst) > 0 {
            self.changed.notify_waiters();
        }
    }
}

struct Waiter<'a>(&'a Admission);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The place of one call in flight; dropping it frees the place.
pub(crate) struct Permit(Arc<Admission>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
        self.0.fallen();
    }
}

/// Bytes that wait for a loop; dropping it takes them off.
pub(crate) struct Bytes(Arc<Admission>, usize);

impl Drop for Bytes {
    fn drop(&mut self) {
        self.0.bytes.fetch_sub(self.1, Ordering::SeqCst);
        self.0.fallen();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::Kind;

    #[test]
    fn past_a_bound_a_call_is_exhausted_and_told_when_to_come_back() {
        let admission = Arc::new(Admission::new(1, 100, 7));
        let held = admission.call(10).expect("room");
        let error = admission.call(10).map(drop).expect_err("no place");
        assert_eq!((error.kind, error.retry_after_ms), (Kind::Exhausted, Some(7)));
        drop(held);
        let error = admission.call(101).map(drop).expect_err("too many bytes");
        assert_eq!(error.kind, Kind::Exhausted);
        assert_eq!((admission.calls(), admission.bytes()), (0, 0));
        assert!(admission.call(100).is_ok());
    }

    #[tokio::test]
    async fn the_last_call_to_end_wakes_who_waits_for_it() {
        let admission = Arc::new(Admission::new(2, 100, 1));
        let held = admission.call(100).expect("room");
        let waiting = admission.clone();
        let waiting = tokio::spawn(async move {
            waiting.room().await;
            waiting.idle().await;
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.expect("woken");
    }
}
