// SPDX-License-Identifier: Apache-2.0
//! What a proxy is told, and what it tells.

use tonic::{Request, Response, Status};

use super::lines::Lines;
use crate::cloudstate::VERSION;
use crate::cloudstate::protocol::entity_discovery_server::EntityDiscovery;
use crate::cloudstate::protocol::{EntitySpec, ProxyInfo, UserFunctionError};
use crate::status::{printable, status_of};

#[tonic::async_trait]
impl EntityDiscovery for Lines {
    async fn discover(&self, request: Request<ProxyInfo>) -> Result<Response<EntitySpec>, Status> {
        let proxy = request.into_inner();
        let name = printable(&format!("{} {}", proxy.proxy_name, proxy.proxy_version));
        let catalogue = self.catalogue().map_err(|error| {
            tracing::error!(proxy = name, "a proxy of the Cloudstate protocol cannot be served:\n{}", error.message);
            self.report(format!("the Cloudstate protocol cannot serve this function:\n{}", error.message));
            status_of(&error)
        })?;
        let version = (proxy.protocol_major_version, proxy.protocol_minor_version);
        if version != VERSION {
            tracing::warn!(
                proxy = name,
                ?version,
                "a proxy speaks another version of the Cloudstate protocol than 0.2"
            );
        }
        // What it does not support it has to refuse itself, and says so.
        for entity in &catalogue.spec.entities {
            if !proxy.supported_entity_types.contains(&entity.entity_type) {
                tracing::warn!(proxy = name, service = entity.service_name, "the proxy does not support its type");
            }
        }
        Ok(Response::new(catalogue.spec.clone()))
    }

    async fn report_error(&self, request: Request<UserFunctionError>) -> Result<Response<()>, Status> {
        let said = printable(&request.into_inner().message);
        tracing::error!("a proxy of the Cloudstate protocol reports:\n{said}");
        self.report(said);
        Ok(Response::new(()))
    }
}
