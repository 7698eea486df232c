// SPDX-License-Identifier: Apache-2.0
//! A bundle of entity types, and the homes it can run in.

use std::path::Path;
use std::sync::Arc;

use adjoin_entity::spec::Spec;
use adjoin_model::{Error, Result};
use adjoin_storage::{MemoryStore, Store};

use crate::dispatch::{Definition, Types};
use crate::folder;
use crate::kinds::{Action, EventSourced, Value};
use crate::runtime::Runtime;
use crate::typed::{self, Surroundings};

/// What a host is told of this SDK.
const SDK: &str = concat!("adjoin-rust ", env!("CARGO_PKG_VERSION"));

/// Shards of a store in memory.
const SHARDS: u32 = 1024;

type Make = Box<dyn FnOnce(&Surroundings) -> Arc<dyn Definition> + Send>;

/// The entity types of a service.
///
/// ```no_run
/// # use adjoin::{App, Cx, Handlers, Reject, Value};
/// # #[derive(Default, serde::Serialize, serde::Deserialize)] struct Note;
/// # impl Note { fn touch(cx: &mut Cx<Note>) -> Result<(), Reject> { cx.set(Note); Ok(()) } }
/// # impl Value for Note {
/// #     const NAME: &'static str = "docs.Note";
/// #     fn handlers(h: Handlers<Self>) -> Handlers<Self> { h.command("touch", Note::touch) }
/// # }
/// # async fn run() -> adjoin::Result<()> {
/// let app = || App::new().with_value::<Note>();
///
/// let rt = app().http("127.0.0.1:9000").open("./data").await?;   // in this process, durable
/// rt.entity::<Note>("ada").call(Note::touch, ()).await?;
/// rt.close().await?;
///
/// app().serve("127.0.0.1:8080").await                            // behind the proxy
/// # }
/// ```
#[derive(Default)]
pub struct App {
    types: Vec<Make>,
    pub(crate) http: Option<String>,
    pub(crate) engine: adjoin_engine::Settings,
    pub(crate) ingress: adjoin_ingress::Settings,
    workers: usize,
}

impl App {
    /// Without any type yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event-sourced type.
    #[must_use]
    pub fn with<S: EventSourced>(self) -> Self {
        self.define(|around| Arc::new(typed::event_sourced::<S>(around)))
    }

    /// Adds a value type.
    #[must_use]
    pub fn with_value<S: Value>(self) -> Self {
        self.define(|around| Arc::new(typed::value::<S>(around)))
    }

    /// Adds an action; its handlers share `action`.
    #[must_use]
    pub fn with_action<S: Action>(self, action: S) -> Self {
        self.define(|around| Arc::new(typed::action(around, Arc::new(action))))
    }

    /// In-process: also serves HTTP/JSON and gRPC there. Port 0 takes a free one, see [`Runtime::address`].
    #[must_use]
    pub fn http(mut self, address: impl Into<String>) -> Self {
        self.http = Some(address.into());
        self
    }

    /// In-process: the engine's settings.
    #[must_use]
    pub fn engine(mut self, settings: adjoin_engine::Settings) -> Self {
        self.engine = settings;
        self
    }

    /// In-process: the settings of the port that [`App::http`] opens.
    #[must_use]
    pub fn ingress(mut self, settings: adjoin_ingress::Settings) -> Self {
        self.ingress = settings;
        self
    }

    /// Threads that run handlers; without this as many as there are cores.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Runs in this process on a folder, which is made if it is missing. Needs a tokio runtime that lives as long.
    ///
    /// # Errors
    /// `Invalid` when the types are not sound, saying all problems; `Unavailable` when another process has the folder;
    /// `Corrupt` when its data cannot be read.
    pub async fn open(self, folder: impl AsRef<Path>) -> Result<Runtime> {
        let folder = folder.as_ref().to_owned();
        let opened = tokio::task::spawn_blocking(move || folder::open(&folder)).await;
        let store = opened.map_err(|error| Error::internal(format!("opening the folder: {error}")))??;
        self.open_on(store).await
    }

    /// Runs in this process without keeping anything.
    ///
    /// # Errors
    /// `Invalid` when the types are not sound, saying all problems.
    pub async fn open_memory(self) -> Result<Runtime> {
        self.open_on(Arc::new(MemoryStore::new(SHARDS, adjoin_engine::random()?)?)).await
    }

    /// Runs in this process on a store.
    ///
    /// # Errors
    /// `Invalid` when the types are not sound, saying all problems; what the store says.
    pub async fn open_on(self, store: Arc<dyn Store>) -> Result<Runtime> {
        Runtime::start(self, store).await
    }

    /// Serves the handlers to proxies at this address until the process is told to end (SIGTERM, Ctrl-C). An empty
    /// address is what the variable `ADJOIN_FUNCTION_LISTEN` says, as `adjoin dev` sets it, or else `127.0.0.1:8080`.
    ///
    /// # Errors
    /// `Invalid` when the types are not sound, `Unavailable` when the address cannot be had.
    pub async fn serve(self, address: &str) -> Result<()> {
        let served = self.bind(address).await?;
        served.until_told().await
    }

    fn define(mut self, make: impl FnOnce(&Surroundings) -> Arc<dyn Definition> + Send + 'static) -> Self {
        self.types.push(Box::new(make));
        self
    }

    pub(crate) fn worker_count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if self.workers == 0 { cores() } else { self.workers }
    }

    /// The types as a host hears of them and as workers run them.
    pub(crate) fn types(&mut self, around: &Surroundings) -> Result<(Arc<Spec>, Arc<Types>)> {
        let made: Vec<_> = std::mem::take(&mut self.types).into_iter().map(|make| make(around)).collect();
        let spec = Spec::new(SDK, made.iter().map(|made| made.spec().clone()).collect());
        spec.check()?;
        let types = made.into_iter().map(|made| (made.spec().name.clone(), made)).collect();
        Ok((Arc::new(spec), Arc::new(types)))
    }
}
