// SPDX-License-Identifier: Apache-2.0
//! Durable effects of a running host.

use std::sync::Arc;

use adjoin_model::ShardId;
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use super::Admin;
use super::problem::Problem;
use crate::inspect::EffectLine;

const MOST: usize = 100_000;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    #[serde(default = "most")]
    limit: usize,
}

fn most() -> usize {
    MOST
}

/// Those that have not ended.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<EffectLine>>, Problem> {
    let effects = admin.engine()?.effects(query.limit.min(MOST)).await;
    Ok(Json(effects.iter().map(EffectLine::of).collect()))
}

/// Has one tried again at once.
pub(super) async fn retry(
    State(admin): State<Arc<Admin>>,
    Path((shard, position)): Path<(u32, u64)>,
) -> Result<Json<()>, Problem> {
    admin.engine()?.retry_effect(ShardId(shard), position).await?;
    Ok(Json(()))
}

/// Ends one without running it.
pub(super) async fn drop_one(
    State(admin): State<Arc<Admin>>,
    Path((shard, position)): Path<(u32, u64)>,
) -> Result<Json<()>, Problem> {
    admin.engine()?.drop_effect(ShardId(shard), position).await?;
    Ok(Json(()))
}
