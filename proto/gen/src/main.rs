// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod code;
mod files;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Writes the Rust code of the protocols from their .proto files.
#[derive(Parser)]
struct Arguments {
    /// Only compare: name the files that differ, and fail if there are any.
    #[arg(long)]
    check: bool,
    /// The checkout.
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = code::generate(&arguments.root).and_then(|files| {
        if arguments.check { files::compare(&arguments.root, &files) } else { files::write(&arguments.root, &files) }
    });
    match done {
        Ok(said) => {
            eprintln!("{said}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
