// SPDX-License-Identifier: Apache-2.0
//! A service behind the proxy, with a relay between the two or without.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use adjoin_conformance::{How, Process};
use prost_reflect::DynamicMessage;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Mutex;
use tonic::Status;

use crate::grpc::Client;
use crate::http;
use crate::relay::{Cursor, Relay};
use crate::scenario::Asked;
use crate::schema::Schema;
use crate::site::{Launch, Sdk, free_address};

const RECOVERED_WITHIN: Duration = Duration::from_secs(30);
const ASKED_EVERY: Duration = Duration::from_millis(50);

/// A proxy and its function.
pub(crate) struct Host {
    /// The SDK of the function.
    pub(crate) sdk: Sdk,
    /// Calls the services of the function.
    pub(crate) client: Client,
    /// Calls them too.
    pub(crate) http: http::Client,
    services: Vec<String>,
    relay: Option<Relay>,
    schema: Schema,
    launch: Launch,
    places: Places,
    running: Mutex<Running>,
}

/// Where everything is, over restarts too.
struct Places {
    adjoin: PathBuf,
    folder: tempfile::TempDir,
    function: SocketAddr,
    proxy: SocketAddr,
}

/// What runs now.
#[derive(Default)]
struct Running {
    function: Option<Process>,
    proxy: Option<Process>,
}

/// One of the two processes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The service.
    Function,
    /// The proxy.
    Proxy,
}

impl Host {
    /// Starts both, on a fresh folder.
    ///
    /// # Errors
    /// What does not start.
    pub(crate) async fn start(
        adjoin: PathBuf,
        launch: &Launch,
        services: Vec<String>,
        schema: &Schema,
        relayed: bool,
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let places = Places { adjoin, folder, function: free_address()?, proxy: free_address()? };
        let relay = if relayed { Some(Relay::start(places.function).await?) } else { None };
        let host = Self {
            sdk: launch.sdk,
            client: Client::new(places.proxy, schema.clone())?,
            http: http::Client::new(places.proxy),
            services,
            relay,
            schema: schema.clone(),
            launch: launch.clone(),
            places,
            running: Mutex::default(),
        };
        host.begin(Part::Function).await?;
        host.begin(Part::Proxy).await?;
        Ok(host)
    }

    /// The services of the function.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    /// Starts one of the two, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(crate) async fn begin(&self, part: Part) -> Result<(), String> {
        let mut running = self.running.lock().await;
        let logs = self.places.folder.path();
        match part {
            Part::Function => running.function = Some(self.launch.start(self.places.function, logs).await?),
            Part::Proxy => {
                let target = self.relay.as_ref().map_or(self.places.function, |relay| relay.address);
                let mut command = Command::new(&self.places.adjoin);
                command.args(["serve", "--protocol", "cloudstate", "--admin", "127.0.0.1:0"]);
                command.args(["--listen", &self.places.proxy.to_string(), "--function", &target.to_string()]);
                command.arg("--data").arg(logs.join("journal")).env("ADJOIN_LOG", "warn");
                let mut proxy = Process::start(&mut command, &logs.join("proxy.log"))?;
                proxy.says("ready").await?;
                running.proxy = Some(proxy);
            }
        }
        Ok(())
    }

    /// Ends one of the two: told, or killed.
    ///
    /// # Errors
    /// If it does not run, or does not end in time.
    pub(crate) async fn end(&self, part: Part, told: bool) -> Result<(), String> {
        let mut running = self.running.lock().await;
        let process = match part {
            Part::Function => running.function.take(),
            Part::Proxy => running.proxy.take(),
        };
        process.ok_or("it does not run")?.end(if told { How::Told } else { How::Killed }).await
    }

    /// Asks what changes nothing until it is answered, as after a restart.
    ///
    /// # Errors
    /// How it went wrong last, when the time is over.
    pub(crate) async fn recovers(&self, path: &str, json: &Value) -> Result<DynamicMessage, String> {
        let mut ticks = tokio::time::interval(ASKED_EVERY);
        let mut last: Result<Status, String> = Err("not asked".into());
        let asked = async {
            loop {
                ticks.tick().await;
                match self.client.ask(path, json).await {
                    Ok(Ok(answer)) => return answer,
                    Ok(Err(status)) => last = Ok(status),
                    Err(said) => last = Err(said),
                }
            }
        };
        let answered = tokio::time::timeout(RECOVERED_WITHIN, asked).await;
        answered.map_err(|_| format!("{path} was not answered again in {RECOVERED_WITHIN:?}, at last: {last:?}"))
    }

    /// The call to the function at this path whose first message is such.
    ///
    /// # Errors
    /// If it does not come in time, or nothing stands between.
    pub(crate) async fn call(&self, path: &str, first: impl Fn(&DynamicMessage) -> bool) -> Result<Cursor, String> {
        let relay = self.relay.as_ref().ok_or("there is no relay here")?;
        relay.calls.find(&self.schema, path, first).await
    }

    /// The activation of an entity: the stream that begins with it.
    ///
    /// # Errors
    /// If it does not come in time.
    pub(crate) async fn activation(&self, path: &str, service: &str, id: &str) -> Result<Cursor, String> {
        let found = self.call(path, |message| {
            let init = message.get_field_by_name("init");
            let Some(init) = init.as_deref().and_then(prost_reflect::Value::as_message) else { return false };
            crate::site::text(init, "service_name") == service && crate::site::text(init, "entity_id") == id
        });
        found.await.map_err(|said| format!("{service} {id}: {said}"))
    }

    /// Paths of calls to the function that no scenario looked at, and how each begins.
    pub(crate) fn unseen(&self) -> Vec<(String, String)> {
        self.relay.as_ref().map(|relay| relay.calls.unseen_paths()).unwrap_or_default()
    }
}

impl Asked for Host {
    fn declares(&self, service: &str) -> bool {
        service.is_empty() || self.services().any(|known| known == service)
    }
}
