// SPDX-License-Identifier: Apache-2.0
//! The engine's bounds: calls in flight, their bytes, and frames that wait for the loops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use adjoin_model::{Error, Result};
use tokio::sync::Notify;

use crate::settings::Settings;

/// The counters that every edge shares.
pub(crate) struct Admission {
    calls: AtomicUsize,
    /// Of those, watches: they end only when somebody ends them.
    watches: AtomicUsize,
    call_bytes: AtomicUsize,
    frame_bytes: AtomicUsize,
    max_calls: usize,
    max_call_bytes: usize,
    max_frame_bytes: usize,
    retry_after_ms: u64,
    draining: AtomicBool,
    /// Told when a counter falls while somebody waits for that.
    fell: Notify,
    waiters: AtomicUsize,
}

impl Admission {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            calls: AtomicUsize::new(0),
            watches: AtomicUsize::new(0),
            call_bytes: AtomicUsize::new(0),
            frame_bytes: AtomicUsize::new(0),
            max_calls: settings.calls,
            max_call_bytes: settings.call_bytes,
            max_frame_bytes: settings.frame_bytes,
            retry_after_ms: settings.retry_after_ms,
            draining: AtomicBool::new(false),
            fell: Notify::new(),
            waiters: AtomicUsize::new(0),
        }
    }

    /// A place for a call of an edge, unless the engine is full or drains. One call is always taken, however large.
    pub(crate) fn call(self: &Arc<Self>, bytes: usize, watch: bool) -> Result<Permit> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Error::unavailable("the host is shutting down and takes no new calls").retry_after(1000));
        }
        // The place is taken first and given back by the drop, so that no two calls share the last one.
        let permit = self.inner_call(bytes, watch);
        if self.calls.load(Ordering::Relaxed) > self.max_calls {
            return Err(self.full(format!("{} calls are in flight, the most this host takes", self.max_calls)));
        }
        let held = self.call_bytes.load(Ordering::Relaxed);
        if held > self.max_call_bytes && held > bytes {
            return Err(
                self.full(format!("calls in flight hold {} bytes, the most this host takes", self.max_call_bytes))
            );
        }
        Ok(permit)
    }

    /// A place for a call that a handler makes: the handlers that run bound these, so none is refused here.
    pub(crate) fn inner_call(self: &Arc<Self>, bytes: usize, watch: bool) -> Permit {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.call_bytes.fetch_add(bytes, Ordering::Relaxed);
        if watch {
            self.watches.fetch_add(1, Ordering::Relaxed);
        }
        Permit { admission: self.clone(), bytes, watch }
    }

    /// Counts frames of a function until a loop has taken them.
    pub(crate) fn frames(self: &Arc<Self>, bytes: usize) -> FrameBytes {
        self.frame_bytes.fetch_add(bytes, Ordering::Relaxed);
        FrameBytes(self.clone(), bytes)
    }

    fn full(&self, said: String) -> Error {
        Error::exhausted(said).retry_after(self.retry_after_ms)
    }

    /// Waits until the loops have caught up with the functions' frames.
    pub(crate) async fn room(&self) {
        self.until(|admission| admission.frame_bytes.load(Ordering::SeqCst) < admission.max_frame_bytes).await;
    }

    /// Waits until no call but watches is in flight.
    pub(crate) async fn idle(&self) {
        self.until(|admission| admission.calls.load(Ordering::SeqCst) <= admission.watches.load(Ordering::SeqCst))
            .await;
    }

    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        if reached(self) {
            return;
        }
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let _leave = Waiter(self);
        loop {
            let mut fell = std::pin::pin!(self.fell.notified());
            fell.as_mut().enable();
            if reached(self) {
                return;
            }
            fell.await;
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

    pub(crate) fn call_bytes(&self) -> usize {
        self.call_bytes.load(Ordering::Relaxed)
    }

    fn has_fallen(&self) {
        if self.waiters.load(Ordering::SeqCst) > 0 {
            self.fell.notify_waiters();
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
pub(crate) struct Permit {
    admission: Arc<Admission>,
    bytes: usize,
    watch: bool,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.watch {
            self.admission.watches.fetch_sub(1, Ordering::SeqCst);
        }
        self.admission.call_bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        self.admission.calls.fetch_sub(1, Ordering::SeqCst);
        self.admission.has_fallen();
    }
}

/// Bytes of frames that wait for a loop; dropping it takes them off.
pub(crate) struct FrameBytes(Arc<Admission>, usize);

impl Drop for FrameBytes {
    fn drop(&mut self) {
        self.0.frame_bytes.fetch_sub(self.1, Ordering::SeqCst);
        self.0.has_fallen();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::Kind;

    fn bounded(calls: usize, bytes: usize) -> Arc<Admission> {
        let settings =
            Settings { calls, call_bytes: bytes, frame_bytes: bytes, retry_after_ms: 7, ..Settings::default() };
        Arc::new(Admission::new(&settings))
    }

    #[test]
    fn past_a_bound_a_call_is_exhausted_and_told_when_to_come_back() {
        let admission = bounded(2, 100);
        let held = admission.call(60, false).expect("room");
        let error = admission.call(60, false).map(drop).expect_err("too many bytes");
        assert_eq!((error.kind, error.retry_after_ms), (Kind::Exhausted, Some(7)));
        let second = admission.call(10, false).expect("room");
        assert_eq!(admission.call(0, false).map(drop).expect_err("no place").kind, Kind::Exhausted);
        drop((held, second));
        assert_eq!((admission.calls(), admission.call_bytes()), (0, 0));
        assert!(admission.call(1000, false).is_ok(), "one large call is taken");
    }

    #[test]
    fn a_draining_host_takes_calls_of_handlers_only() {
        let admission = bounded(2, 100);
        admission.drain();
        assert_eq!(admission.call(1, false).map(drop).expect_err("refused").kind, Kind::Unavailable);
        let _inner = admission.inner_call(1, false);
        assert_eq!(admission.calls(), 1);
    }

    #[tokio::test]
    async fn the_last_call_to_end_wakes_who_waits_for_it() {
        let admission = bounded(9, 100);
        let held = admission.call(100, false).expect("room");
        let _watch = admission.call(0, true).expect("room");
        let frames = admission.frames(100);
        let waiting = admission.clone();
        let waiting = tokio::spawn(async move {
            waiting.room().await;
            waiting.idle().await;
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop((held, frames));
        waiting.await.expect("woken");
    }
}
