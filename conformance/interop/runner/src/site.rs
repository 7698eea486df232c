// SPDX-License-Identifier: Apache-2.0
//! What scenarios speak to: a service of ours on one SDK, running.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use adjoin_conformance::{Process, free_port};
use prost_reflect::{DynamicMessage, Value};
use serde_json::json;
use tokio::process::Command;

use crate::grpc::Client;
use crate::scenario::Asked;
use crate::schema::Schema;

/// Which SDK a service is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sdk {
    /// `github.com/cloudstateio/go-support` v0.3.0.
    Go,
    /// `io.cloudstate:cloudstate-java-support` 0.5.2.
    Java,
    /// adjoin's own SDK for Python, which serves the protocol through the core.
    Python,
}

/// How a service is started.
#[derive(Clone)]
pub(crate) struct Launch {
    /// The SDK.
    pub(crate) sdk: Sdk,
    /// The program.
    pub(crate) program: std::path::PathBuf,
    /// Its words.
    pub(crate) words: Vec<String>,
}

/// A running service, and a client of it.
pub(crate) struct Site {
    /// The SDK.
    pub(crate) sdk: Sdk,
    /// Speaks to the service as a proxy would.
    pub(crate) client: Client,
    /// What it answered to `discover`.
    pub(crate) spec: DynamicMessage,
    _process: Process,
}

impl Sdk {
    /// As in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Java => "java",
            Self::Python => "python",
        }
    }
}

impl std::fmt::Display for Launch {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}", self.program.display())?;
        self.words.iter().try_for_each(|word| write!(to, " {word}"))
    }
}

impl Launch {
    /// Starts it at an address and waits until it listens.
    ///
    /// # Errors
    /// If it does not, with the end of its log.
    pub(crate) async fn start(&self, address: SocketAddr, logs: &Path) -> Result<Process, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.words).env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
        let log = logs.join(format!("{}.log", self.sdk.name()));
        let mut process = Process::start(&mut command, &log)?;
        process.says("listening on ").await?;
        Ok(process)
    }
}

impl Site {
    /// Starts a service and discovers it.
    ///
    /// # Errors
    /// If it does not start, or does not answer.
    pub(crate) async fn start(launch: &Launch, schema: &Schema, logs: &Path) -> Result<Self, String> {
        let address = free_address()?;
        let process = launch.start(address, logs).await?;
        let client = Client::new(address, schema.clone())?;
        let proxy = json!({
            "protocolMajorVersion": 0,
            "protocolMinorVersion": 2,
            "proxyName": "adjoin-interop",
            "proxyVersion": "0",
            "supportedEntityTypes": [
                "cloudstate.eventsourced.EventSourced",
                "cloudstate.valueentity.ValueEntity",
                "cloudstate.action.ActionProtocol",
                "cloudstate.crdt.Crdt",
            ],
        });
        let spec = client.ask("/cloudstate.EntityDiscovery/discover", &proxy).await?;
        let spec = spec.map_err(|status| format!("discover failed with {status}"))?;
        Ok(Self { sdk: launch.sdk, client, spec, _process: process })
    }

    /// The entities that it declares.
    pub(crate) fn entities(&self) -> Vec<DynamicMessage> {
        let field = self.spec.get_field_by_name("entities");
        let entities = field.as_deref().and_then(Value::as_list).unwrap_or_default();
        entities.iter().filter_map(Value::as_message).cloned().collect()
    }

    /// The services that it declares.
    pub(crate) fn services(&self) -> Vec<String> {
        self.entities().iter().map(|entity| text(entity, "service_name")).collect()
    }
}

impl Asked for Site {
    fn declares(&self, service: &str) -> bool {
        service.is_empty() || self.services().iter().any(|known| known == service)
    }
}

/// An address of the loopback that was free a moment ago.
///
/// # Errors
/// If there is none.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}

/// A field with a text in it.
pub(crate) fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    value.as_deref().and_then(Value::as_str).unwrap_or_default().to_owned()
}
