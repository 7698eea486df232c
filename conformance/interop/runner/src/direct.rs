// SPDX-License-Identifier: Apache-2.0
//! The services by themselves: this side plays the proxy, message by message.

mod event_sourced;

use crate::scenario::Scenario;

/// Every question that a service is asked without a proxy.
pub(crate) fn scenarios() -> Vec<Scenario> {
    event_sourced::scenarios()
}
