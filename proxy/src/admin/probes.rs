// SPDX-License-Identifier: Apache-2.0
//! What orchestrators and monitoring ask.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Admin;
use super::problem::Problem;

/// A loop that does not answer within this is stuck.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);

/// 200 when commands are served; 503 with the reason otherwise.
pub(super) async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let readiness = admin.readiness.now();
    match readiness.reason() {
        None => (StatusCode::OK, Json(json!({ "ready": true }))).into_response(),
        Some(reason) => {
            let body = json!({ "ready": false, "reason": reason });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

/// 200 as long as every loop turns; 503 when one is stuck or has stopped: only a restart helps then.
pub(super) async fn alive(State(admin): State<Arc<Admin>>) -> Response {
    let reason = match admin.engine() {
        Err(_) => None,
        Ok(engine) => match timeout(ALIVE_WITHIN, engine.status()).await {
            Err(_) => Some(format!("a loop has not answered for {} s", ALIVE_WITHIN.as_secs())),
            Ok(status) => {
                let failed = status.failed().next();
                failed.map(|index| format!("loop {index} has stopped after a bug: see the log"))
            }
        },
    };
    match reason {
        None => (StatusCode::OK, Json(json!({ "alive": true }))).into_response(),
        Some(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "alive": false, "reason": reason }))).into_response()
        }
    }
}

/// Every metric in the text form of Prometheus.
pub(super) async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    crate::metrics::process();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.metrics.render()).into_response()
}

/// The engine at this moment.
pub(super) async fn status(State(admin): State<Arc<Admin>>) -> Result<Json<Value>, Problem> {
    let (engine, _) = admin.node()?;
    let status = engine.status().await;
    let loops: Vec<Value> = status.loops.iter().map(loop_status).collect();
    let store = engine.store();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": admin.readiness.now().reason().is_none(),
        "reason": admin.readiness.now().reason(),
        "store": { "name": store.capability().name, "durable": store.capability().durable, "shards": store.meta().shards },
        "calls": status.calls,
        "call_bytes": status.call_bytes,
        "draining": status.draining,
        "sessions": status.sessions.len(),
        "loops": loops,
    })))
}

fn loop_status(one: &adjoin_engine::LoopStatus) -> Value {
    let machine = &one.machine;
    let slow = machine
        .slow
        .iter()
        .map(|it| json!({ "entity": it.entity.to_string(), "command": &*it.name, "waited_ms": it.waited_ms }));
    let deadly =
        machine.deadly.iter().map(|(entity, name)| json!({ "entity": entity.to_string(), "command": &**name }));
    json!({
        "loop": one.index,
        "calls": machine.calls,
        "entities": machine.entities,
        "activating": machine.activating,
        "dedups_dropped": machine.dedups_dropped,
        "slow": slow.collect::<Vec<_>>(),
        "deadly": deadly.collect::<Vec<_>>(),
        "failed": one.failed,
    })
}
