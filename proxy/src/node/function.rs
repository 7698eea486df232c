// SPDX-License-Identifier: Apache-2.0
//! The user function of a host: kept connected, its state told as readiness.

use adjoin_engine::Engine;
use adjoin_function::{Address, DialSettings, Status, Supervised, supervise};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::{Failure, Outcome};
use crate::readiness::Gauge;
use crate::settings::Settings;

/// A function that is kept connected.
pub(super) struct Function {
    supervised: Supervised,
    telling: JoinHandle<()>,
}

/// Where the function is to be dialled.
///
/// # Errors
/// Usage when it is no address.
pub(super) fn address(settings: &Settings) -> Outcome<Address> {
    settings.function.parse().map_err(|error: adjoin_model::Error| Failure::from(error).at("setting", "function"))
}

impl Function {
    /// Begins to dial.
    pub(super) fn dial(address: Address, settings: &Settings, engine: Engine, readiness: Gauge) -> Self {
        let limits = engine.settings().limits;
        let (protocol, accept_unversioned) = (settings.protocol.into(), settings.accept_unversioned);
        let check = adjoin_ingress::check;
        let dialling = DialSettings { protocol, accept_unversioned, check, ..DialSettings::default() };
        let supervised = supervise(address.clone(), dialling, limits, engine);
        let telling = tokio::spawn(tell(address, supervised.status(), readiness));
        Self { supervised, telling }
    }

    /// Ends the session in an orderly way.
    pub(super) async fn end(self) {
        self.telling.abort();
        self.supervised.stop().await;
    }
}

async fn tell(address: Address, mut status: watch::Receiver<Status>, readiness: Gauge) {
    loop {
        let reason = reason(&address, &status.borrow_and_update());
        readiness.function(reason);
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// Why the function cannot be used, for the person who can mend it.
fn reason(address: &Address, status: &Status) -> Option<String> {
    match status {
        Status::Connected { .. } => None,
        Status::SpecRefused { problem } => {
            Some(format!("the function at {address} declares what cannot be taken: {}", problem.message))
        }
        Status::Connecting { last_error: None } => Some(format!("the function at {address} is not connected yet")),
        Status::Connecting { last_error: Some(error) } => {
            Some(format!("the function at {address} is not connected: {}", error.message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::Error;

    #[test]
    fn every_reason_names_the_address_and_why() {
        let address: Address = "127.0.0.1:8080".parse().unwrap();
        let refused = Status::SpecRefused { problem: Error::invalid("shop.Cart is declared twice") };
        let lost = Status::Connecting { last_error: Some(Error::unavailable("connection refused")) };
        for (status, why) in [(refused, "declared twice"), (lost, "connection refused")] {
            let said = reason(&address, &status).unwrap();
            assert!(said.contains("127.0.0.1:8080") && said.contains(why), "{said}");
        }
    }
}
