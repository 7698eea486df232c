// SPDX-License-Identifier: Apache-2.0
//! Functions that speak the Cloudstate protocol 0.2, as they are.
//!
//! To the engine this is the SDK's side: frames of a session come in, frames go back. To the function it is the proxy: a
//! `handle` stream for each activation, one call for each action. It translates; what an entity may do is the machine's.

mod action;
mod activation;
mod discovery;
mod event_sourced;
mod model;
mod outcome;
mod payload;
mod report;
mod session;
mod stream;
mod value_entity;

/// The messages and services of the protocol, both sides.
pub use crate::generated::cloudstate as protocol;

pub(crate) use discovery::{Found, discover, report};
pub(crate) use session::Session;
