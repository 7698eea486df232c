// SPDX-License-Identifier: Apache-2.0
//! Consumers of events of a running host.

use std::sync::Arc;

use adjoin_model::{ConsumerId, ShardId};
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::Admin;
use super::problem::Problem;
use crate::inspect::{ConsumerLine, ConsumerQuery, LetterLine, ShardLine, by_consumer};

/// Lines that are looked through: 256 consumers in nearly 4096 shards.
const MOST: usize = 1_000_000;

/// Which dead letter.
#[derive(Deserialize)]
pub(super) struct LetterQuery {
    log: String,
    group: String,
    shard: u32,
    position: u64,
}

async fn lines(admin: &Admin) -> Result<Vec<ShardLine>, Problem> {
    let consumers = admin.engine()?.consumers(MOST).await;
    Ok(consumers.iter().map(ShardLine::of).collect())
}

/// How they stand, over all shards.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Result<Json<Vec<ConsumerLine>>, Problem> {
    Ok(Json(by_consumer(lines(&admin).await?)))
}

/// The same, shard by shard, and whether more follow.
pub(super) async fn shards(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<ConsumerQuery>,
) -> Result<Json<(Vec<ShardLine>, bool)>, Problem> {
    Ok(Json(query.shards(lines(&admin).await?)))
}

/// Their dead letters, and whether more follow.
pub(super) async fn letters(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<ConsumerQuery>,
) -> Result<Json<(Vec<LetterLine>, bool)>, Problem> {
    Ok(Json(query.letters(lines(&admin).await?)))
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
