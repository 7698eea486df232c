// SPDX-License-Identifier: Apache-2.0
//! The journal of a running host, as JSON lines.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::Admin;
use super::problem::Problem;
use crate::inspect::{self, RecordRow, TailQuery, VerifyReport};

/// One record a line; a last line that is a problem says why there are no more.
pub(super) async fn tail(State(admin): State<Arc<Admin>>, Query(query): Query<TailQuery>) -> Result<Response, Problem> {
    let records = inspect::tail(admin.engine()?.store().clone(), query);
    let lines = ReceiverStream::new(records).map(|row| Ok::<_, std::convert::Infallible>(line(row)));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

fn line(row: adjoin_model::Result<RecordRow>) -> Bytes {
    let json = row
        .and_then(|row| serde_json::to_string(&row).map_err(|error| adjoin_model::Error::internal(error.to_string())));
    let mut text = json.unwrap_or_else(|error| Problem(error).json());
    text.push('\n');
    text.into()
}

/// Reads everything and checks it, beside the work of the host.
pub(super) async fn verify(State(admin): State<Arc<Admin>>) -> Result<Json<VerifyReport>, Problem> {
    Ok(Json(admin.store()?.verify().await?))
}
