// SPDX-License-Identifier: Apache-2.0
//! `adjoin guard`: started by `adjoin dev` for itself.

use clap::Args;

use crate::dev;

/// Kill a process group once standard input ends
#[derive(Debug, Args)]
pub(crate) struct GuardArgs {
    /// The group.
    #[arg(value_parser = clap::value_parser!(i32).range(2..))]
    group: i32,
}

impl GuardArgs {
    pub(crate) fn run(&self) {
        dev::watch_over(self.group);
    }
}
