// SPDX-License-Identifier: Apache-2.0
//! A host and a function of the Cloudstate protocol: every message that the function gets is compared, whole.

mod action;
mod event_sourced;
mod eventing;
mod function;
mod messages;
mod pings;
mod value_entity;
mod world;

mod actions;
mod discovery;
mod events;
mod values;
