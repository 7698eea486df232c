// SPDX-License-Identifier: Apache-2.0
//! The services by themselves: this side plays the proxy, message by message.

mod action;
mod cart;
mod discovery;
mod event_log;
mod event_sourced;
mod value_entity;

use crate::scenario::Scenario;
use crate::site::Site;

/// Every question that a service is asked without a proxy.
pub(crate) fn scenarios() -> Vec<Scenario<Site>> {
    [
        discovery::scenarios(),
        event_sourced::scenarios(),
        value_entity::scenarios(),
        action::scenarios(),
        event_log::scenarios(),
        cart::scenarios(),
    ]
    .concat()
}
