// SPDX-License-Identifier: Apache-2.0
//! `adjoin journal`.

use clap::{Args, Subcommand};

use crate::failure::{Exit, Failure, Outcome};
use crate::inspect::TailQuery;
use crate::print::{self, Format, Rows};
use crate::source::{Source, SourceArgs};

/// Read and verify the journal
///
/// Asks a running host by its admin API, or reads the folder of a host that does not run (--data).
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  adjoin journal tail                               the newest 20 records
  adjoin journal tail --follow --type shop.Cart     and what comes from now on
  adjoin journal cat --data .adjoin -o jsonl > backup.jsonl
  adjoin journal verify --data .adjoin      reads everything, checks every checksum")]
pub(crate) enum JournalCommand {
    /// Show the newest records
    Tail(TailArgs),
    /// Print every record, shard by shard in the order of positions
    Cat(CatArgs),
    /// Read everything and check it: gaps, checksums, sequences
    ///
    /// Goes on behind what is damaged: exit code 6, and up to 1000 places are named, the others counted. One damage may
    /// show twice: where it stands, and where something points to it.
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    query: TailQuery,
    /// How many of the newest.
    #[arg(short = 'n', long, default_value_t = 20)]
    lines: usize,
    /// Go on with what is written from now on, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    #[command(flatten)]
    query: TailQuery,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl JournalCommand {
    pub(crate) async fn run(&self) -> Outcome<()> {
        let source = match self {
            Self::Tail(args) => args.source.open().await?,
            Self::Cat(args) => args.source.open().await?,
            Self::Verify(args) => args.source.open().await?,
        };
        let done = match self {
            Self::Tail(args) => {
                let query = TailQuery { newest: Some(args.lines), follow: args.follow, ..args.query.clone() };
                show(&source, query, args.output).await
            }
            Self::Cat(args) => show(&source, args.query.clone(), args.output).await,
            Self::Verify(args) => verify(&source, args.output).await,
        };
        source.close().await?;
        done
    }
}

async fn show(source: &Source, query: TailQuery, output: Format) -> Outcome<()> {
    let mut records = source.records(query).await?;
    let mut rows = Rows::streamed(output);
    while let Some(row) = records.next().await? {
        rows.print(row)?;
    }
    rows.end()
}

async fn verify(source: &Source, output: Format) -> Outcome<()> {
    let report = source.verify().await?;
    print::one(output, &report)?;
    let Some(first) = report.damages.first() else { return Ok(()) };
    if output == Format::Table {
        report.damages.iter().try_for_each(|damage| print::line(damage))?;
    }
    let places = report.damaged();
    Err(Failure::new(Exit::Corrupt, format!("the journal is damaged in {places} places; the first: {first}"))
        .help("keep the folder as it is and restore a copy; what is damaged is never read as something else"))
}
