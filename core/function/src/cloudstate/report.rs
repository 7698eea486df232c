// SPDX-License-Identifier: Apache-2.0
//! Problems told to the function, by whoever has no time to wait for it.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::transport::Channel;

use super::protocol::UserFunctionError;
use super::protocol::entity_discovery_client::EntityDiscoveryClient;

/// Reports that wait to be sent. Past it they are only logged: a function that errs with every command is not to be
/// buried.
const WAITING: usize = 64;

/// Takes reports.
#[derive(Clone)]
pub(super) struct Reporter(mpsc::Sender<String>);

impl Reporter {
    /// Also gives the task that sends them, one after the other, until every reporter is gone.
    pub(super) fn new(channel: Channel, answer_ms: u64) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, mut reports) = mpsc::channel(WAITING);
        let mut client = EntityDiscoveryClient::new(channel);
        let sending = async move {
            while let Some(message) = reports.recv().await {
                let report = client.report_error(UserFunctionError { message });
                match timeout(Duration::from_millis(answer_ms), report).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(status)) => tracing::debug!(%status, "the function did not take a report"),
                    Err(_) => tracing::debug!("the function did not answer a report"),
                }
            }
        };
        (Self(sender), sending)
    }

    /// Tells the function, and the log. Never waits.
    pub(super) fn tell(&self, message: String) {
        tracing::warn!("told to the function: {message}");
        // Full: the log has it.
        drop(self.0.try_send(message));
    }
}
