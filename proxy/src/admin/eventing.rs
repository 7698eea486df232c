// SPDX-License-Identifier: Apache-2.0
//! Consumers of events of a running host.

use std::sync::Arc;

use adjoin_model::{ConsumerId, ShardId};
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::Admin;
use super::problem::Problem;
use crate::inspect::ShardLine;

const MOST: usize = 100_000;

/// Which dead letter.
#[derive(Deserialize)]
pub(super) struct LetterQuery {
    log: String,
    group: String,
    shard: u32,
    position: u64,
}

/// How they stand, shard by shard.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Result<Json<Vec<ShardLine>>, Problem> {
    let consumers = admin.engine()?.consumers(MOST).await;
    Ok(Json(consumers.iter().map(ShardLine::of).collect()))
}

/// Has a dead letter tried again at once.
pub(super) async fn retry(
    State(admin): State<Arc<Admin>>,
    Query(letter): Query<LetterQuery>,
) -> Result<Json<()>, Problem> {
    let consumer = ConsumerId::new(letter.log, letter.group)?;
    admin.engine()?.retry_letter(ShardId(letter.shard), &consumer, letter.position).await?;
    Ok(Json(()))
}

/// Ends one without running it.
pub(super) async fn drop_one(
    State(admin): State<Arc<Admin>>,
    Query(letter): Query<LetterQuery>,
) -> Result<Json<()>, Problem> {
    let consumer = ConsumerId::new(letter.log, letter.group)?;
    admin.engine()?.drop_letter(ShardId(letter.shard), &consumer, letter.position).await?;
    Ok(Json(()))
}
