// SPDX-License-Identifier: Apache-2.0
//! A panic of a store becomes an answer.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Awaits something that may panic; the panic's message is the error.
pub(crate) async fn guarded<T>(future: impl Future<Output = T>) -> core::result::Result<T, String> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| poll_guarded(future.as_mut(), context)).await
}

fn poll_guarded<T>(
    future: Pin<&mut impl Future<Output = T>>,
    context: &mut Context<'_>,
) -> Poll<core::result::Result<T, String>> {
    // After a panic the future is dropped, never polled again, so nobody sees what it left half done.
    match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => {
            let said = format!("a panic: {}", message_of(&*panic));
            tracing::error!(said, "the store has panicked");
            Poll::Ready(Err(said))
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
