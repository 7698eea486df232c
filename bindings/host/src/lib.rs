// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod folder;
mod host;
mod in_process;
mod numbered;
mod outbox;
mod remote;
mod serving;
mod settings;
mod values;

pub use host::Host;
pub use settings::{Mode, Settings};
pub use values::{Bounds, FromForeign, RequestId, SessionNumber, ToForeign};
