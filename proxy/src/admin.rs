// SPDX-License-Identifier: Apache-2.0
//! The admin port: `/ready`, `/alive`, `/metrics`, and the API that the commands and the console speak.

mod effects;
mod entities;
mod eventing;
mod guard;
mod journal;
mod probes;
mod problem;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use adjoin_engine::Engine;
use adjoin_model::Error;
use axum::routing::{get, post};
use axum::{Router, middleware};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use crate::failure::{Failure, Outcome};
use crate::folder::Store;
use crate::readiness::Gauge;

/// What the admin port shows. It is there before the journal is open, so that a probe hears a reason, not a refusal.
pub(crate) struct Admin {
    pub(crate) readiness: Gauge,
    pub(crate) metrics: PrometheusHandle,
    node: OnceLock<(Engine, Store)>,
}

impl Admin {
    pub(crate) fn new(readiness: Gauge, metrics: PrometheusHandle) -> Arc<Self> {
        Arc::new(Self { readiness, metrics, node: OnceLock::new() })
    }

    /// The journal is open: everything can be asked from now on.
    pub(crate) fn opened(&self, engine: Engine, store: Store) {
        // Set once, when the node has started.
        let _ = self.node.set((engine, store));
    }

    fn node(&self) -> Result<&(Engine, Store), Error> {
        self.node.get().ok_or_else(|| Error::unavailable("the journal is still being opened").retry_after(100))
    }

    fn engine(&self) -> Result<&Engine, Error> {
        Ok(&self.node()?.0)
    }

    fn store(&self) -> Result<&Store, Error> {
        Ok(&self.node()?.1)
    }
}

/// Takes the admin address.
///
/// # Errors
/// Unavailable when it is taken, Failed when it cannot be listened on.
pub(crate) async fn bind(address: SocketAddr) -> Outcome<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::unavailable(format!("the admin API cannot listen on {address}: {error}"))
            .help("another host may run there: take another with --admin 127.0.0.1:0")
    })
}

/// Serves until the returned task is aborted.
pub(crate) fn serve(admin: Arc<Admin>, listener: TcpListener, loopback: bool) -> tokio::task::JoinHandle<()> {
    let app = router(admin, loopback);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "the admin API has ended");
        }
    })
}

fn router(admin: Arc<Admin>, loopback: bool) -> Router {
    let router = Router::new()
        .route("/ready", get(probes::ready))
        .route("/alive", get(probes::alive))
        .route("/metrics", get(probes::metrics))
        .route("/admin/status", get(probes::status))
        .route("/admin/types", get(entities::types))
        .route("/admin/entities/{type}", get(entities::list))
        .route("/admin/entities/{type}/{key}", get(entities::view).delete(entities::delete))
        .route("/admin/entities/{type}/{key}/passivate", post(entities::passivate))
        .route("/admin/entities/{type}/{key}/purge", post(entities::purge))
        .route("/admin/effects", get(effects::list))
        .route("/admin/effects/{shard}/{position}", axum::routing::delete(effects::drop_one))
        .route("/admin/effects/{shard}/{position}/retry", post(effects::retry))
        .route("/admin/eventing", get(eventing::list))
        .route("/admin/eventing/shards", get(eventing::shards))
        .route("/admin/eventing/letters", get(eventing::letters))
        .route("/admin/eventing/letter", axum::routing::delete(eventing::drop_one))
        .route("/admin/eventing/letter/retry", post(eventing::retry))
        .route("/admin/journal", get(journal::tail))
        .route("/admin/journal/verify", post(journal::verify))
        .fallback(problem::unknown)
        .with_state(admin);
    if loopback { router.layer(middleware::from_fn(guard::only_local_names)) } else { router }
}
