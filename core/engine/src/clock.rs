// SPDX-License-Identifier: Apache-2.0
//! The clocks of a host: read once per step, and waited on in one place.

use std::future::Future;
use std::pin::Pin;

use adjoin_model::{Mono, Now};

mod manual;
mod system;

pub use manual::ManualClock;
pub use system::SystemClock;

/// A wait for a point in time. Dropping it ends the wait.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Both clocks of a host.
pub trait Clock: Send + Sync + 'static {
    /// The monotonic clock, which runs during suspend, and the wall clock, read together.
    fn now(&self) -> Now;

    /// Ends once the monotonic clock has reached `at`; at once when it already has.
    fn sleep_until(&self, at: Mono) -> Sleep;
}
