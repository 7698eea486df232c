// SPDX-License-Identifier: Apache-2.0
//! Clients that mean no good, or have lost their way: each is cut off within its bound, and the next one is served.

mod floods;
mod heads;
mod slow;
mod smuggling;

use adjoin_ingress::Settings;

use crate::host::Host;

/// Short times, so that what is given up is given up soon.
fn short() -> Settings {
    Settings { handshake_ms: 150, header_ms: 150, body_ms: 150, idle_ms: 150, ..Settings::default() }
}

impl Host {
    /// Somebody else is served.
    async fn serves(&self) {
        assert_eq!(self.get("/shop.Cart/ada/contents").await.status, 200);
    }
}
