// SPDX-License-Identifier: Apache-2.0
//! Many entities of many shards, as one pure machine: inputs in, outputs out. No clock, no I/O.

use adjoin_model::{Head, Mono, Now, ShardId};
use alloc::vec::Vec;

use crate::io::{Input, Output};
use crate::settings::Settings;

/// The machine of one loop of a host.
pub struct ShardLoop {
    settings: Settings,
}

impl ShardLoop {
    /// A loop that owns these shards, each with the head that its raise returned.
    #[must_use]
    pub fn new(settings: Settings, shards: Vec<(ShardId, Head)>) -> Self {
        drop(shards);
        Self { settings }
    }

    /// Takes every input, in order, at one point in time, and appends what is to be done, in order.
    ///
    /// Call it also without inputs when [`ShardLoop::next_wake`] has come.
    pub fn step(&mut self, now: Now, inputs: &mut Vec<Input>, outputs: &mut Vec<Output>) {
        let _ = (now, &self.settings, outputs);
        inputs.clear();
    }

    /// When the loop wants to be stepped at the latest; `None` while nothing waits for time.
    #[must_use]
    pub fn next_wake(&self) -> Option<Mono> {
        None
    }
}
