// SPDX-License-Identifier: Apache-2.0
//! The program `shop`: the same entities in this process, or behind the proxy.
#![expect(clippy::print_stdout, reason = "whoever started it reads its ready line")]

use adjoin::Runtime;
use adjoin_shop::shop;
use clap::Parser;

/// The shop in Rust.
#[derive(Parser)]
enum Home {
    /// Serves the handlers to a proxy.
    Serve {
        /// Where to listen.
        #[arg(default_value = "127.0.0.1:8080")]
        address: String,
    },
    /// Runs in this process.
    Open {
        /// Where the journal is kept; `memory` keeps none.
        folder: String,
        /// Serves HTTP and gRPC there.
        #[arg(long)]
        http: Option<String>,
    },
}

#[tokio::main]
async fn main() -> adjoin::Result<()> {
    match Home::parse() {
        Home::Serve { address } => {
            let serving = shop().bind(&address).await?;
            println!("shop serves a proxy at tcp://{}", serving.address());
            serving.until_told().await
        }
        Home::Open { folder, http } => open(&folder, http).await,
    }
}

async fn open(folder: &str, http: Option<String>) -> adjoin::Result<()> {
    let app = match http {
        Some(address) => shop().http(address),
        None => shop(),
    };
    let rt = if folder == "memory" { app.open_memory().await? } else { app.open(folder).await? };
    println!("{}", ready(&rt, folder));
    adjoin::told_to_end().await?;
    rt.close().await
}

fn ready(rt: &Runtime, folder: &str) -> String {
    match rt.address() {
        Some(address) => format!("shop is ready on http://{address}, journal in {folder}"),
        None => format!("shop is ready without a port, journal in {folder}"),
    }
}
