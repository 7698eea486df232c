// SPDX-License-Identifier: Apache-2.0
//! Which handlers there are, by name: one look-up in a hash map for a call.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use adjoin_engine::{Catalog, Engine};
use adjoin_entity::spec::{EntityKind, EntityType, Handler};
use adjoin_model::{Error, Result};
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::contract::{Contracts, is_contract_first};
use crate::http::openapi;
use crate::http::params::Params;
use crate::meter::{self, TypeCounts};
use crate::schema::typed::Typed;

/// Requests that may wait for the first function at once.
const WAITING: usize = 1024;

/// One handler of an entity type.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) entity_type: Arc<EntityType>,
    /// Its place in the type's handlers.
    at: usize,
    pub(crate) params: Params,
    counts: Arc<TypeCounts>,
}

impl Route {
    pub(crate) fn handler(&self) -> &Handler {
        &self.entity_type.handlers[self.at]
    }

    /// The request under way is for this handler.
    pub(crate) fn seen(&self, watch: bool) {
        meter::seen(&self.counts, self.handler(), watch);
    }

    /// Whether a watch, an `ETag` and a condition mean something.
    pub(crate) fn has_state(&self) -> bool {
        self.entity_type.kind != EntityKind::Action
    }
}

/// The handlers of one entity type.
#[derive(Debug)]
pub(crate) struct TypeRoutes {
    pub(crate) entity_type: Arc<EntityType>,
    handlers: HashMap<Arc<str>, Arc<Route>>,
}

impl TypeRoutes {
    fn of(entity_type: &Arc<EntityType>) -> Self {
        let counts = Arc::new(TypeCounts::new(entity_type.name.clone()));
        let routes = entity_type.handlers.iter().enumerate().map(|(at, handler)| {
            let params = Params::of(&handler.input_schema);
            (
                handler.name.clone(),
                Arc::new(Route { entity_type: entity_type.clone(), at, params, counts: counts.clone() }),
            )
        });
        Self { entity_type: entity_type.clone(), handlers: routes.collect() }
    }

    pub(crate) fn find(&self, command: &str) -> Option<&Arc<Route>> {
        self.handlers.get(command)
    }

    /// Its handlers in order of declaration.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.entity_type.handlers.iter().filter_map(|handler| self.handlers.get(&handler.name))
    }
}

/// The handlers of one catalogue.
#[derive(Debug, Default)]
pub(crate) struct Table {
    catalog: Arc<Catalog>,
    /// Code-first ones; the others are in `contracts`.
    types: HashMap<Arc<str>, Arc<TypeRoutes>>,
    contracts: Arc<Contracts>,
    /// Derived when somebody first asks.
    typed: Arc<OnceLock<Arc<Typed>>>,
    /// The same.
    openapi: Arc<OnceLock<Bytes>>,
}

impl Table {
    /// What is known of `earlier` and has not changed is taken over.
    fn of(catalog: Arc<Catalog>, earlier: &Self) -> Self {
        let routes = |entity_type: &Arc<EntityType>| match earlier.types.get(&entity_type.name) {
            Some(routes) if Arc::ptr_eq(&routes.entity_type, entity_type) => routes.clone(),
            _ => Arc::new(TypeRoutes::of(entity_type)),
        };
        let types: HashMap<_, _> = catalog
            .iter()
            .filter(|known| !is_contract_first(&known.entity_type))
            .map(|known| (known.entity_type.name.clone(), routes(&known.entity_type)))
            .collect();
        let unchanged = types.len() == earlier.types.len()
            && types
                .iter()
                .all(|(name, routes)| earlier.types.get(name).is_some_and(|other| Arc::ptr_eq(routes, other)));
        let derived = if unchanged { (earlier.typed.clone(), earlier.openapi.clone()) } else { Default::default() };
        let contracts = Contracts::of(&catalog, &earlier.contracts);
        contracts
            .notes
            .iter()
            .filter(|note| !earlier.contracts.notes.contains(note))
            .for_each(|note| tracing::warn!("{note}"));
        // A document that shows a contract is made again: what a contract says may have changed with the same types.
        let coded = contracts.router.is_empty() && earlier.contracts.router.is_empty();
        let openapi = if coded { derived.1 } else { Arc::default() };
        Self { catalog, types, contracts: Arc::new(contracts), typed: derived.0, openapi }
    }

    /// The route of a command.
    ///
    /// # Errors
    /// `NotFound`, saying which of the two is not there.
    pub(crate) fn find(&self, entity_type: &str, command: &str) -> Result<&Arc<Route>> {
        let Some(routes) = self.types.get(entity_type) else {
            return Err(Error::not_found("no function declares this entity type").at("type", shown(entity_type)));
        };
        let missing = || {
            let error = Error::not_found("this entity type has no such command or query");
            error.at("type", entity_type).at("command", shown(command))
        };
        routes.find(command).ok_or_else(missing)
    }

    /// Whether no function has ever come.
    pub(crate) fn is_empty(&self) -> bool {
        self.catalog.is_empty()
    }

    /// The services of contract-first types.
    pub(crate) fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// The derived gRPC services of these types.
    pub(crate) fn typed(&self, app: &App) -> Arc<Typed> {
        let derive = || {
            let types: Vec<Arc<EntityType>> = self.types().map(|routes| routes.entity_type.clone()).collect();
            let typed = Typed::of(&types, &app.lock, app.settings.schema_bytes, app.fixed_files.clone());
            for note in &typed.notes {
                tracing::warn!("{note}");
            }
            Arc::new(typed)
        };
        self.typed.get_or_init(derive).clone()
    }

    /// The OpenAPI document of these types.
    pub(crate) fn openapi(&self) -> Bytes {
        self.openapi.get_or_init(|| openapi::document(self).into()).clone()
    }

    /// Every type, ordered by name.
    pub(crate) fn types(&self) -> impl Iterator<Item = &Arc<TypeRoutes>> {
        self.catalog.iter().filter_map(|known| self.types.get(&known.entity_type.name))
    }
}

/// A name that a client chose, cut to what fits a message.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// The present table of an engine.
pub(crate) struct Routes {
    engine: Engine,
    table: RwLock<Arc<Table>>,
    waiting: Semaphore,
}

impl Routes {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, table: RwLock::default(), waiting: Semaphore::new(WAITING) }
    }

    /// The handlers that are known now.
    pub(crate) fn now(&self) -> Arc<Table> {
        let catalog = self.engine.types();
        // A pointer is whole at any time.
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner).clone();
        if Arc::ptr_eq(&table.catalog, &catalog) {
            return table;
        }
        let table = Arc::new(Table::of(catalog, &table));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table.clone();
        table
    }

    /// Reads contracts as they come, so that what is wrong with one is in the log before anybody calls it.
    pub(crate) async fn follow(&self, closing: CancellationToken) {
        let mut news = self.engine.watch_types();
        loop {
            self.now();
            tokio::select! {
                () = closing.cancelled() => return,
                changed = news.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The same; until the first function ever has come, waits for it as long as a call would.
    ///
    /// # Errors
    /// `Unavailable` when none comes.
    pub(crate) async fn ready(&self) -> Result<Arc<Table>> {
        let table = self.now();
        if !table.is_empty() {
            return Ok(table);
        }
        let none = || Error::unavailable("no function has connected yet").retry_after(1000);
        let _place = self.waiting.try_acquire().map_err(|_| none())?;
        let mut news = self.engine.watch_types();
        let come = news.wait_for(|catalog| !catalog.is_empty());
        let limit = Duration::from_millis(self.engine.settings().function_wait_ms);
        tokio::time::timeout(limit, come).await.map_err(|_| none())?.map_err(|_| none())?;
        Ok(self.now())
    }
}
