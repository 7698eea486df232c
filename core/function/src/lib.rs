// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod address;
pub mod cloudstate;
mod connections;
mod contract;
mod dial;
mod eventing;
mod generated;
mod inbound;
mod listener;
mod outgoing;
mod serve;
mod served;
mod service;
mod sessions;
mod settings;
mod spoken;
mod status;
mod supervise;
mod token;
mod watched;

pub use address::Address;
pub use contract::check as check_contract;
pub use dial::{Discovered, Link};
pub use eventing::subscribe;
pub use inbound::Inbound;
pub use listener::Listener;
pub use outgoing::Source;
pub use serve::{Event, FunctionSession, Server, serve};
pub use sessions::{Session, Sessions};
pub use settings::{DialSettings, Protocol, ServeSettings};
pub use supervise::{Status, Supervised, supervise};
