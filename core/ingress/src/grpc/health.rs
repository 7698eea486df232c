// SPDX-License-Identifier: Apache-2.0
//! `grpc.health.v1.Health`: the host (the empty name), every entity type, and every service of a contract.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use adjoin_engine::{Catalog, Engine};
use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// Which names there are, and whether they serve.
type Names = BTreeMap<String, bool>;

/// Follows what the engine knows and what the host says of itself.
#[derive(Clone)]
pub(crate) struct Health {
    names: Arc<watch::Sender<Names>>,
    ready: Arc<watch::Sender<bool>>,
}

impl Health {
    pub(crate) fn new() -> Self {
        let names = Arc::new(watch::Sender::new(names(&Catalog::default(), false)));
        Self { names, ready: Arc::new(watch::Sender::new(true)) }
    }

    /// Whether the host as a whole is ready, beside its functions.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.send_if_modified(|now| std::mem::replace(now, ready) != ready);
    }

    pub(crate) fn service(&self) -> HealthServer<Self> {
        HealthServer::new(self.clone())
    }

    /// Reports every change until the ingress closes, and that it does.
    pub(crate) async fn follow(self, engine: Engine, closing: CancellationToken) {
        let mut types = engine.watch_types();
        let mut ready = self.ready.subscribe();
        loop {
            let (catalog, is_ready) = (types.borrow_and_update().clone(), *ready.borrow_and_update());
            self.report(&catalog, is_ready);
            tokio::select! {
                biased;
                () = closing.cancelled() => break,
                changed = ready.changed() => if changed.is_err() { break },
                changed = types.changed() => if changed.is_err() { break },
            }
        }
        let catalog = types.borrow().clone();
        self.report(&catalog, false);
    }

    fn report(&self, catalog: &Catalog, ready: bool) {
        let now = names(catalog, ready);
        self.names.send_if_modified(|known| {
            let differs = *known != now;
            *known = now;
            differs
        });
    }
}

fn names(catalog: &Catalog, ready: bool) -> Names {
    let mut names = Names::new();
    for known in catalog.iter() {
        let serves = ready && known.connected();
        let services = known.entity_type.services.iter().map(String::as_str);
        for name in [&*known.entity_type.name].into_iter().chain(services) {
            *names.entry(name.to_owned()).or_default() |= serves;
        }
    }
    let any = names.values().any(|serves| *serves);
    names.extend(["", "adjoin.client.v1.Entities"].map(|name| (name.to_owned(), any)));
    names
}

fn said(serves: Option<bool>) -> HealthCheckResponse {
    let status = match serves {
        Some(true) => ServingStatus::Serving,
        Some(false) => ServingStatus::NotServing,
        None => ServingStatus::ServiceUnknown,
    };
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let serves = self.names.borrow().get(&request.get_ref().service).copied();
        let known = serves.map(|serves| Response::new(said(Some(serves))));
        known.ok_or_else(|| Status::not_found("no type and no service has this name"))
    }

    /// Also of a name that nothing has yet: it may come.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let service: Arc<str> = request.into_inner().service.into();
        let next = move |(mut names, told): (watch::Receiver<Names>, Option<HealthCheckResponse>)| {
            let service = service.clone();
            async move {
                loop {
                    let now = said(names.borrow_and_update().get(&*service).copied());
                    if told.as_ref() != Some(&now) {
                        return Some((Ok(now), (names, Some(now))));
                    }
                    names.changed().await.ok()?;
                }
            }
        };
        Ok(Response::new(Box::pin(futures::stream::unfold((self.names.subscribe(), None), next))))
    }
}
