// SPDX-License-Identifier: Apache-2.0
//! The shop in a folder, on a store compiled with `mutant-unsynced`: it acknowledges what only the page cache has. The
//! crash proof must find it out.
#![expect(clippy::print_stdout, reason = "whoever started it reads its ready line")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: adjoin-bench-unsynced FOLDER");
        return ExitCode::FAILURE;
    };
    match open(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("adjoin-bench-unsynced: {error}");
            ExitCode::FAILURE
        }
    }
}

fn open(folder: &str) -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let rt = adjoin_shop::shop().http("127.0.0.1:0").open(folder).await?;
        let address = rt.address().ok_or("the shop has no port")?;
        println!("a shop that does not sync is ready on http://{address}, journal in {folder}");
        adjoin::told_to_end().await?;
        Ok(rt.close().await?)
    })
}
