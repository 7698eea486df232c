// SPDX-License-Identifier: Apache-2.0
//! Entities of a running host.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use adjoin_engine::{Engine, Request};
use adjoin_entity::Operation;
use adjoin_model::{EntityId, Kind, Payload, check_name};
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use super::Admin;
use super::problem::Problem;
use crate::inspect::{self, Doomed, EntityLine, EntityView};

/// How long an entity may take to answer; the store's view is shown when it does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

const PAGE_MAX: usize = 10_000;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    after: Option<String>,
    #[serde(default = "page_max")]
    limit: usize,
}

fn page_max() -> usize {
    PAGE_MAX
}

/// Types that the function declares or the journal holds.
pub(super) async fn types(State(admin): State<Arc<Admin>>) -> Result<Json<Vec<String>>, Problem> {
    let declared = admin.engine()?.types();
    let mut types: BTreeSet<String> = admin.engine()?.store().types().await?.into_iter().collect();
    types.extend(declared.iter().map(|known| known.entity_type.name.to_string()));
    Ok(Json(types.into_iter().collect()))
}

/// A page of the entities of a type, and whether more follow.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path(entity_type): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Json<(Vec<EntityLine>, bool)>, Problem> {
    check_name("entity type", &entity_type)?;
    let store = admin.engine()?.store();
    let limit = query.limit.clamp(1, PAGE_MAX);
    Ok(Json(inspect::entities(&**store, &entity_type, query.after.as_deref(), limit).await?))
}

/// One entity: its present state as the function encodes it, where a function is connected.
pub(super) async fn view(
    State(admin): State<Arc<Admin>>,
    Path((entity_type, key)): Path<(String, String)>,
) -> Result<Json<EntityView>, Problem> {
    let entity = EntityId::new(entity_type, key)?;
    let engine = admin.engine()?;
    let mut view = inspect::view(&**engine.store(), &entity).await?;
    if view.sequence > 0 && !view.deleted {
        present(engine, entity, &mut view).await;
    }
    Ok(Json(view))
}

/// Asks the function; what it cannot say leaves the store's view as it is.
async fn present(engine: &Engine, entity: EntityId, view: &mut EntityView) {
    let connected = engine.types().get(entity.entity_type()).is_some_and(adjoin_engine::Known::connected);
    if !connected {
        view.state_from = format!("{} (no function that has this type is connected)", view.state_from);
        return;
    }
    match engine.call(request(entity, Operation::State)).await {
        Ok(reply) => {
            view.state = reply.payload.as_ref().map_or(serde_json::Value::Null, inspect::plain);
            view.sequence = reply.sequence;
            view.state_from = "the function".into();
        }
        Err(error) => view.state_from = format!("{} (the function could not say: {error})", view.state_from),
    }
}

/// Deletes an entity; gives the sequence of the deletion.
pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    Path((entity_type, key)): Path<(String, String)>,
) -> Result<Json<u64>, Problem> {
    let entity = EntityId::new(entity_type, key)?;
    let reply = admin.engine()?.call(request(entity, Operation::Delete)).await?;
    Ok(Json(reply.sequence))
}

/// Ends the activation of an idle entity; gives the sequence it stood at.
pub(super) async fn passivate(
    State(admin): State<Arc<Admin>>,
    Path((entity_type, key)): Path<(String, String)>,
) -> Result<Json<u64>, Problem> {
    let entity = EntityId::new(entity_type, key)?;
    let reply = admin.engine()?.call(request(entity, Operation::Passivate)).await?;
    Ok(Json(reply.sequence))
}

#[derive(Deserialize)]
pub(super) struct PurgeQuery {
    #[serde(default)]
    force: bool,
}

/// Purges an entity; gives the sequence that it ended at.
pub(super) async fn purge(
    State(admin): State<Arc<Admin>>,
    Path((entity_type, key)): Path<(String, String)>,
    Query(query): Query<PurgeQuery>,
) -> Result<Json<u64>, Problem> {
    let entity = EntityId::new(entity_type, key)?;
    let engine = admin.engine()?;
    let Doomed { mut sequence, deleted } = inspect::doomed(&**engine.store(), &entity, query.force).await?;
    if !deleted {
        sequence = engine.call(request(entity.clone(), Operation::Delete)).await?.sequence;
    }
    // No activation may outlive the entity that it is one of. One that comes between these steps and writes is refused by
    // the store: before the purge it lives again, after it its next sequence is not the first.
    let_go(engine, &entity).await?;
    inspect::forget(&**engine.store(), &entity, query.force).await?;
    if let Err(error) = let_go(engine, &entity).await {
        tracing::info!(%entity, %error, "an activation came while the entity was purged; it ends when it writes");
    }
    Ok(Json(sequence))
}

/// Ends the activation, if there is one.
async fn let_go(engine: &Engine, entity: &EntityId) -> adjoin_model::Result<()> {
    match engine.call(request(entity.clone(), Operation::Passivate)).await {
        Err(error) if error.kind != Kind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn request(entity: EntityId, operation: Operation) -> Request {
    let nothing = Payload::new("json", bytes::Bytes::new());
    Request { operation, timeout: Some(ANSWER_WITHIN), ..Request::new(entity, "", nothing) }
}
