// SPDX-License-Identifier: Apache-2.0
//! `grpc.health.v1.Health`: the host (the empty name) and every entity type.

use std::sync::Arc;

use adjoin_engine::{Catalog, Engine};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

/// Follows what the engine knows and what the host says of itself.
#[derive(Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    ready: Arc<watch::Sender<bool>>,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self { reporter: HealthReporter::new(), ready: Arc::new(watch::Sender::new(true)) }
    }

    /// Whether the host as a whole is ready, beside its functions.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.send_if_modified(|now| std::mem::replace(now, ready) != ready);
    }

    pub(crate) fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    /// Reports every change until the ingress closes, and that it does.
    pub(crate) async fn follow(self, engine: Engine, closing: CancellationToken) {
        let mut types = engine.watch_types();
        let mut ready = self.ready.subscribe();
        loop {
            let (catalog, is_ready) = (types.borrow_and_update().clone(), *ready.borrow_and_update());
            self.report(&catalog, is_ready).await;
            tokio::select! {
                biased;
                () = closing.cancelled() => break,
                changed = ready.changed() => if changed.is_err() { break },
                changed = types.changed() => if changed.is_err() { break },
            }
        }
        let catalog = types.borrow().clone();
        self.report(&catalog, false).await;
    }

    async fn report(&self, catalog: &Catalog, ready: bool) {
        let status = |serves| if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
        let mut any = false;
        for known in catalog.iter() {
            any |= known.connected();
            self.reporter.set_service_status(&known.entity_type.name, status(ready && known.connected())).await;
        }
        self.reporter.set_service_status("adjoin.client.v1.Entities", status(ready && any)).await;
        self.reporter.set_service_status("", status(ready && any)).await;
    }
}
