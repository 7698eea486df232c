// SPDX-License-Identifier: Apache-2.0
//! Durable effects of a running host.

use std::sync::Arc;

use adjoin_model::ShardId;
use axum::Json;
use axum::extract::{Path, Query, State};

use super::Admin;
use super::problem::Problem;
use crate::inspect::{EffectLine, EffectQuery};

/// Looked through for one page.
const MOST: usize = 1_000_000;

/// Those that have not ended, and whether more follow.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<EffectQuery>,
) -> Result<Json<(Vec<EffectLine>, bool)>, Problem> {
    let effects = admin.engine()?.effects(MOST).await;
    Ok(Json(query.page(effects.iter().map(EffectLine::of))))
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
