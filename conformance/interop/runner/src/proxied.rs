// SPDX-License-Identifier: Apache-2.0
//! The services through the proxy: what clients see, and what exactly reaches the function.

mod action;
mod cart;
mod event_log;
mod event_sourced;
mod reflection;
mod restart;
mod value_entity;

use crate::host::Host;
use crate::scenario::{Scenario, scenarios};
use crate::site::Sdk;

/// Asked with a relay between proxy and function.
pub(crate) fn scenarios(sdk: Sdk) -> Vec<Scenario<Host>> {
    [
        event_sourced::scenarios(sdk),
        value_entity::scenarios(),
        action::scenarios(sdk),
        cart::scenarios(),
        event_log::scenarios(),
        reflection::scenarios(),
        scenarios!("", [nothing_else_reached_the_function]),
    ]
    .concat()
}

/// Asked while processes come and go, without a relay.
pub(crate) fn restarts() -> Vec<Scenario<Host>> {
    restart::scenarios()
}

/// Every scenario looks at each call that it causes; only the discovery at the start is nobody's.
async fn nothing_else_reached_the_function(host: &Host) -> Result<(), String> {
    let mut unseen = host.unseen();
    unseen.retain(|(path, _)| path != "/cloudstate.EntityDiscovery/discover");
    if unseen.is_empty() { Ok(()) } else { Err(format!("these calls did: {unseen:?}")) }
}
