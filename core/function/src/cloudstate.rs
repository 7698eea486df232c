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

pub(crate) use action::SERVICE as ACTION;
pub(crate) use discovery::{Found, VERSION, discover, report};
pub(crate) use event_sourced::SERVICE as EVENT_SOURCED;
pub(crate) use payload::{any, entries, metadata, payload};
pub(crate) use session::Session;
pub(crate) use value_entity::SERVICE as VALUE_ENTITY;
