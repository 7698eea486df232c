// SPDX-License-Identifier: Apache-2.0
//! The stateless service: what people write today. Every request fetches the cart under a row lock, changes it, writes
//! it back; or, as the well-written variant, does it in one statement.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use serde_json::Value;
use tokio_postgres::NoTls;

use crate::Outcome;

/// Connections: as many as the benches have callers.
const POOL: usize = 64;

/// Serves until it is killed; prints its address.
pub(crate) fn run(database: &str) -> Outcome<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(database))
}

async fn serve(database: &str) -> Outcome<()> {
    let config: tokio_postgres::Config = database.parse()?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let pool = Pool::builder(Manager::from_config(config, NoTls, recycling)).max_size(POOL).build()?;
    pool.get()
        .await?
        .batch_execute("CREATE TABLE IF NOT EXISTS cart (key text PRIMARY KEY, items text NOT NULL)")
        .await?;
    let app =
        Router::new().route("/locked/{key}", post(locked)).route("/one/{key}", post(one_statement)).with_state(pool);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("stateless service on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

type Answer = Result<String, (axum::http::StatusCode, String)>;

fn failed(error: impl std::fmt::Display) -> (axum::http::StatusCode, String) {
    (axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// A transaction: select for update, change, update, commit.
async fn locked(State(pool): State<Pool>, Path(key): Path<String>, body: String) -> Answer {
    // On a task of its own: a client that hangs up must not drop a half-done transaction back into the pool.
    tokio::spawn(async move { add_locked(&pool, &key, &body).await.map(|count| count.to_string()).map_err(failed) })
        .await
        .map_err(failed)?
}

async fn add_locked(pool: &Pool, key: &str, body: &str) -> Outcome<usize> {
    let item: Value = serde_json::from_str(body)?;
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let select = transaction.prepare_cached("SELECT items FROM cart WHERE key = $1 FOR UPDATE").await?;
    let row = transaction.query_opt(&select, &[&key]).await?;
    let known = row.is_some();
    let text: String = row.map_or_else(|| "{}".into(), |row| row.get(0));
    let mut items: BTreeMap<String, Value> = serde_json::from_str(&text)?;
    items.insert(item["product"].as_str().unwrap_or_default().into(), item);
    let text = serde_json::to_string(&items)?;
    let write = if known {
        "UPDATE cart SET items = $2 WHERE key = $1"
    } else {
        "INSERT INTO cart VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET items = $2"
    };
    let write = transaction.prepare_cached(write).await?;
    transaction.execute(&write, &[&key, &text]).await?;
    transaction.commit().await?;
    Ok(items.len())
}

/// The same in one statement, where the change can be said in SQL.
async fn one_statement(State(pool): State<Pool>, Path(key): Path<String>, body: String) -> Answer {
    tokio::spawn(async move { add_in_one(&pool, &key, &body).await.map(|count| count.to_string()).map_err(failed) })
        .await
        .map_err(failed)?
}

async fn add_in_one(pool: &Pool, key: &str, body: &str) -> Outcome<usize> {
    let item: Value = serde_json::from_str(body)?;
    const UPSERT: &str = "INSERT INTO cart VALUES ($1, jsonb_build_object($2::text, $3::text::jsonb)::text) \
         ON CONFLICT (key) DO UPDATE SET items = (cart.items::jsonb || jsonb_build_object($2::text, $3::text::jsonb))::text \
         RETURNING (SELECT count(*) FROM jsonb_object_keys(items::jsonb))";
    let client = pool.get().await?;
    let statement = client.prepare_cached(UPSERT).await?;
    let product = item["product"].as_str().unwrap_or_default().to_owned();
    let row = client.query_one(&statement, &[&key, &product, &item.to_string()]).await?;
    Ok(usize::try_from(row.get::<_, i64>(0))?)
}
