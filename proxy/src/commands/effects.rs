// SPDX-License-Identifier: Apache-2.0
//! `adjoin effects`.

use clap::{Args, Subcommand};

use crate::failure::Outcome;
use crate::inspect::Place;
use crate::print::{self, Format};
use crate::source::{Source, SourceArgs};

/// List, retry and drop durable effects
///
/// A durable effect that cannot be run is tried again ever later and then stuck: it waits for you, or for a function
/// that has what it lacks. Those for the same entity that come after it go on without it.
///
/// Asks a running host by its admin API, or reads the folder of a host that does not run (--data).
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  adjoin effects ls                         everything that has not ended
  adjoin effects ls --stuck -o json
  adjoin effects retry 7:42                 try the one at this place again at once
  adjoin effects drop 7:42                  end it without running it")]
pub(crate) enum EffectsCommand {
    /// List the effects that have not ended
    Ls(LsArgs),
    /// Try one again at once
    ///
    /// It runs after those for the same entity that came in meanwhile. In a folder nothing runs: the next host that
    /// opens it tries every effect again.
    Retry(OneArgs),
    /// End one without running it
    ///
    /// This is written to the journal, and cannot be undone.
    Drop(OneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// Only those that are stuck. A running host knows them; a folder does not.
    #[arg(long, conflicts_with = "data")]
    stuck: bool,
    /// Look at no more than so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    limit: usize,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// Where it stands, as `adjoin effects ls` shows it.
    #[arg(value_name = "PLACE", value_parser = |text: &str| text.parse::<Place>().map_err(|failure| failure.to_string()))]
    place: Place,
    #[command(flatten)]
    source: SourceArgs,
}

impl EffectsCommand {
    pub(crate) async fn run(&self) -> Outcome<()> {
        let source = match self {
            Self::Ls(args) => args.source.open().await?,
            Self::Retry(args) | Self::Drop(args) => args.source.open().await?,
        };
        let done = match self {
            Self::Ls(args) => ls(args, &source).await,
            Self::Retry(args) => retry(args.place, &source).await,
            Self::Drop(args) => drop_one(args.place, &source).await,
        };
        source.close().await?;
        done
    }
}

async fn ls(args: &LsArgs, source: &Source) -> Outcome<()> {
    let lines = source.effects(args.limit).await?;
    print::all(args.output, lines.into_iter().filter(|line| !args.stuck || line.is_stuck()))
}

async fn retry(place: Place, source: &Source) -> Outcome<()> {
    source.retry_effect(place).await?;
    print::line(&format!("{place} is tried again"))
}

async fn drop_one(place: Place, source: &Source) -> Outcome<()> {
    source.drop_effect(place).await?;
    print::line(&format!("{place} is dropped"))
}
