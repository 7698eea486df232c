// SPDX-License-Identifier: Apache-2.0
//! The clients' port of a host.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::failure::{Failure, Outcome};

/// What requests that were drained already are given to leave.
const GRACE: Duration = Duration::from_secs(2);

/// Takes the clients' address.
///
/// # Errors
/// Unavailable when it is taken.
pub(super) async fn bind(address: SocketAddr) -> Outcome<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::unavailable(format!("clients cannot be listened for on {address}: {error}"))
            .help("another program may listen there: take another with --listen 127.0.0.1:0")
    })
}

/// Lets what is under way leave, then closes.
pub(super) async fn end(ingress: adjoin_ingress::Ingress) {
    if !ingress.close(GRACE).await {
        tracing::warn!("connections were still open: closed");
    }
}
