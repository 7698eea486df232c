// SPDX-License-Identifier: Apache-2.0
//! What is acknowledged outlives the function and the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use serde_json::{Value, json};

use super::value_entity;
use crate::host::{Host, Part};
use crate::scenario::{Scenario, scenarios};

const MODEL: &str = "cloudstate.tck.model.EventSourcedTckModel";
const VALUES: &str = "cloudstate.tck.model.valueentity.ValueEntityTckModel";
const CART: &str = "adjoin.interop.cart.Cart";
const PROCESS: &str = "/cloudstate.tck.model.EventSourcedTckModel/Process";
/// Entities that are written to at once while the proxy is killed, and how much is acknowledged before.
const WRITERS: usize = 8;
const ACKNOWLEDGED_FIRST: usize = 200;

pub(super) fn scenarios() -> Vec<Scenario<Host>> {
    let mut all = scenarios!(
        MODEL,
        [
            events_outlive_a_function_that_is_told_to_end,
            events_outlive_a_function_that_is_killed,
            events_outlive_a_proxy_that_is_killed,
            every_acknowledged_event_outlives_a_kill_under_load,
        ]
    );
    all.extend(scenarios!(VALUES, [a_value_outlives_both, a_deleted_value_stays_deleted]));
    all.extend(scenarios!(CART, [a_cart_outlives_both_at_once]));
    all
}

async fn restart(host: &Host, part: Part, told: bool) -> Result<(), String> {
    host.end(part, told).await?;
    host.begin(part).await
}

async fn emit(host: &Host, id: &str, value: &str, text: &str) -> Result<(), String> {
    let asked = json!({"id": id, "actions": [{"emit": {"value": value}}]});
    host.client.answers(PROCESS, &asked, &json!({"message": text})).await
}

/// Reads until it is answered again, and compares.
async fn is_still(host: &Host, path: &str, asked: &Value, expected: &Value) -> Result<(), String> {
    let answer = host.recovers(path, asked).await?;
    let answer = serde_json::to_value(&answer).map_err(|error| error.to_string())?;
    if answer == *expected { Ok(()) } else { Err(format!("{path} {asked} answers {answer}, not {expected}")) }
}

async fn written_before_and_after(host: &Host, id: &str, part: Part, told: bool) -> Result<(), String> {
    let mut text = String::new();
    for number in 1..=7 {
        text.push_str(&number.to_string());
        emit(host, id, &number.to_string(), &text).await?;
    }
    restart(host, part, told).await?;
    is_still(host, PROCESS, &json!({"id": id}), &json!({"message": "1234567"})).await?;
    emit(host, id, "8", "12345678").await
}

async fn events_outlive_a_function_that_is_told_to_end(host: &Host) -> Result<(), String> {
    written_before_and_after(host, "told", Part::Function, true).await
}

async fn events_outlive_a_function_that_is_killed(host: &Host) -> Result<(), String> {
    written_before_and_after(host, "killed", Part::Function, false).await
}

async fn events_outlive_a_proxy_that_is_killed(host: &Host) -> Result<(), String> {
    written_before_and_after(host, "proxy", Part::Proxy, false).await
}

/// Emits one event after the other until one is not acknowledged; tells how many were.
async fn write(host: &Host, id: &str, acknowledged: &AtomicUsize) -> usize {
    for count in 0.. {
        let asked = json!({"id": id, "actions": [{"emit": {"value": "x"}}]});
        if !matches!(host.client.ask(PROCESS, &asked).await, Ok(Ok(_))) {
            return count;
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    0
}

async fn every_acknowledged_event_outlives_a_kill_under_load(host: &Host) -> Result<(), String> {
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let ids: Vec<String> = (0..WRITERS).map(|number| format!("load-{number}")).collect();
    let writers = join_all(ids.iter().map(|id| write(host, id, &acknowledged)));
    let killer = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
        while acknowledged.load(Ordering::Relaxed) < ACKNOWLEDGED_FIRST {
            ticks.tick().await;
        }
        host.end(Part::Proxy, false).await
    };
    let limit = std::time::Duration::from_secs(60);
    let both = tokio::time::timeout(limit, async { tokio::join!(writers, killer) }).await;
    let (counts, killed) = both.map_err(|_| format!("{acknowledged:?} events were acknowledged in {limit:?}"))?;
    killed?;
    host.begin(Part::Proxy).await?;
    for (id, count) in ids.iter().zip(counts) {
        let answer = host.recovers(PROCESS, &json!({"id": id})).await?;
        let kept = crate::site::text(&answer, "message").len();
        // One more may have become durable without an answer.
        if kept != count && kept != count + 1 {
            return Err(format!("{count} events of {id} were acknowledged, {kept} are there"));
        }
    }
    Ok(())
}

async fn a_value_outlives_both(host: &Host) -> Result<(), String> {
    let path = value_entity::PROCESS;
    let asked = json!({"id": "kept", "actions": [{"update": {"value": "v"}}]});
    host.client.answers(path, &asked, &json!({"message": "v"})).await?;
    for part in [Part::Function, Part::Proxy] {
        restart(host, part, false).await?;
        is_still(host, path, &json!({"id": "kept"}), &json!({"message": "v"})).await?;
    }
    Ok(())
}

async fn a_deleted_value_stays_deleted(host: &Host) -> Result<(), String> {
    let path = value_entity::PROCESS;
    let asked = json!({"id": "deleted", "actions": [{"update": {"value": "v"}}]});
    host.client.answers(path, &asked, &json!({"message": "v"})).await?;
    let asked = json!({"id": "deleted", "actions": [{"delete": {}}]});
    host.client.answers(path, &asked, &json!({"message": ""})).await?;
    restart(host, Part::Proxy, false).await?;
    is_still(host, path, &json!({"id": "deleted"}), &json!({})).await
}

async fn a_cart_outlives_both_at_once(host: &Host) -> Result<(), String> {
    let item = |product: &str| json!({"productId": product, "name": product, "quantity": 1});
    for product in ["tea", "jam", "ink", "oil"] {
        host.http.answers("POST /carts/ada/items", Some(&item(product)), &json!({})).await?;
    }
    host.end(Part::Function, false).await?;
    host.end(Part::Proxy, false).await?;
    host.begin(Part::Function).await?;
    host.begin(Part::Proxy).await?;
    let all = ["tea", "jam", "ink", "oil"].map(item);
    is_still(host, &format!("/{CART}/GetCart"), &json!({"userId": "ada"}), &json!({"items": all})).await
}
