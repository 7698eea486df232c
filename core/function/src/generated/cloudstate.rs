// SPDX-License-Identifier: Apache-2.0
//! The Cloudstate protocol 0.2, messages and services: modules nest as the packages do.

/// Package `cloudstate.action`.
pub mod action;
mod entity;
/// Package `cloudstate.eventsourced`.
pub mod eventsourced;
/// Package `cloudstate.valueentity`.
pub mod valueentity;

pub use entity::*;
