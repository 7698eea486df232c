// SPDX-License-Identifier: Apache-2.0
//! A host of the sidecar's shape that can be broken: what the cases must find out where host and function are two
//! processes. Without a variant it is honest. It takes the words of `adjoin serve` that the runner gives.
#![expect(clippy::print_stdout, reason = "whoever started it reads its ready line")]

mod broken;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adjoin::{Error, Result};
use adjoin_engine::{Engine, Settings, SystemClock};
use adjoin_function::{DialSettings, Status, supervise};
use adjoin_rocksdb::RocksStore;
use adjoin_storage::{MemoryStore, Store};
use clap::Parser;
use tokio::net::TcpListener;

/// Ends within this when it is told to.
const GRACE_MS: u64 = 5_000;

#[derive(Parser)]
enum Words {
    /// Serves.
    Serve(Serve),
}

#[derive(clap::Args)]
struct Serve {
    #[arg(long)]
    listen: String,
    /// Taken and not served: the cases ask nothing there.
    #[arg(long)]
    admin: String,
    #[arg(long)]
    function: String,
    #[arg(long)]
    memory: bool,
    #[arg(long)]
    data: Option<PathBuf>,
    #[arg(long, env = "ADJOIN_CONFORMANCE_BROKEN")]
    broken: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Words::Serve(words) = Words::parse();
    words.broken.as_deref().map_or(Ok(()), broken::choose)?;
    let store = store(&words)?;
    let engine = Engine::start(store.clone(), Settings::default(), Arc::new(SystemClock)).await?;
    let limits = engine.settings().limits;
    let function = supervise(words.function.parse()?, DialSettings::default(), limits, engine.clone());
    let unavailable = |error: std::io::Error| Error::unavailable(format!("{}: {error}", words.listen));
    let listener = TcpListener::bind(&words.listen).await.map_err(unavailable)?;
    let ingress = adjoin_ingress::serve(engine.clone(), adjoin_ingress::Settings::default(), listener)?;
    println!("listening on http://{}, admin on {} left alone", ingress.address(), words.admin);
    let mut status = function.status();
    let connected = async move { status.wait_for(|status| matches!(status, Status::Connected { .. })).await.is_ok() };
    tokio::spawn(async move {
        if connected.await {
            println!("ready");
        }
    });
    adjoin::told_to_end().await?;
    ingress.close(Duration::from_millis(GRACE_MS)).await;
    engine.drain(engine.clock().now().mono.plus_ms(GRACE_MS)).await;
    function.stop().await;
    store.close().await
}

fn store(words: &Serve) -> Result<Arc<dyn Store>> {
    Ok(match &words.data {
        Some(folder) if !words.memory => Arc::new(RocksStore::open(folder, adjoin_rocksdb::Settings::new(1))?),
        _ => Arc::new(MemoryStore::new(1024, 1)?),
    })
}
