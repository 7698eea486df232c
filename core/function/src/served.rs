// SPDX-License-Identifier: Apache-2.0
//! The Cloudstate protocol 0.2, served: proxies that speak it dial a function of ours, on the port where hosts of adjoin
//! do.
//!
//! To a proxy this is a function on a Cloudstate SDK. To the function it is one more host: each connection of a proxy has
//! a session of its own, whose frames never cross a socket. A `handle` stream is an activation in it, a call of an action
//! a command. It translates; what a proxy of this protocol cannot do is refused with the reason (`docs/decisions/0007`).

mod action;
mod answer;
mod catalogue;
mod discovery;
mod entity;
mod event_sourced;
mod line;
mod lines;
mod proxies;
mod value_entity;

pub(crate) use lines::Served;
pub(crate) use proxies::Proxies;
