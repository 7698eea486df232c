// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]
#![expect(clippy::print_stdout, reason = "whoever started it reads its ready line")]

mod broken;
mod cell;
mod counter;
mod relay;
mod versioned;

use adjoin::App;
use clap::{Args, Parser};

/// The model service of the conformance cases.
#[derive(Parser)]
enum Home {
    /// Serves the handlers to a host.
    Serve {
        /// Where to listen.
        address: String,
        #[command(flatten)]
        variant: Variant,
    },
    /// Runs in this process.
    Open {
        /// Where the journal is kept; `memory` keeps none.
        folder: String,
        /// Serves HTTP and gRPC there.
        #[arg(long)]
        http: String,
        #[command(flatten)]
        variant: Variant,
    },
}

/// Which of its variants it is.
#[derive(Args)]
struct Variant {
    /// Version of the types that have several.
    #[arg(long, default_value_t = 1)]
    version: u32,
    /// Which rule it breaks, as an SDK or as a host.
    #[arg(long, env = "ADJOIN_CONFORMANCE_BROKEN")]
    broken: Option<String>,
}

fn app(variant: &Variant) -> adjoin::Result<App> {
    variant.broken.as_deref().map_or(Ok(()), broken::choose)?;
    let app = adjoin_shop::shop()
        .with::<counter::Counter>()
        .with::<cell::Brief>()
        .with_value::<cell::Cell>()
        .with_action(relay::Relay)
        .with_action(relay::Echo);
    Ok(versioned::with(app, variant.version))
}

#[tokio::main]
async fn main() -> adjoin::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    match Home::parse() {
        Home::Serve { address, variant } => {
            let serving = app(&variant)?.bind(&address).await?;
            println!("ready at tcp://{}", serving.address());
            serving.until_told().await
        }
        Home::Open { folder, http, variant } => {
            let app = app(&variant)?.http(http);
            let rt = if folder == "memory" { app.open_memory().await? } else { app.open(&folder).await? };
            println!("ready at http://{}", rt.address().map_or_else(String::new, |address| address.to_string()));
            adjoin::told_to_end().await?;
            rt.close().await
        }
    }
}
