// SPDX-License-Identifier: Apache-2.0
//! `adjoin eventing`.

use clap::{Args, Subcommand};

use crate::failure::Outcome;
use crate::inspect::{Letter, ShardLine, by_consumer};
use crate::print::{self, Format};
use crate::source::{Source, SourceArgs};

/// List consumers of events; retry and drop their dead letters
///
/// A consumer is a group that is given the events of one event log. An event that it does not take is given to it again
/// ever later, and is a dead letter in the end: it waits for you, and those behind it go on without it.
///
/// Asks a running host by its admin API, or reads the folder of a host that does not run (--data).
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  adjoin eventing ls                                every consumer, and how far behind it is
  adjoin eventing ls --shards -o json               the same, shard by shard
  adjoin eventing ls --dead                         every dead letter
  adjoin eventing retry shop.Cart/mail/7:42         try this one again at once
  adjoin eventing drop shop.Cart/mail/7:42          end it without running it")]
pub(crate) enum EventingCommand {
    /// List consumers, or their dead letters
    Ls(LsArgs),
    /// Try a dead letter again at once
    ///
    /// Once: one that fails again stays a dead letter. In a folder nothing runs: start a host on it first.
    Retry(OneArgs),
    /// End a dead letter without running it
    ///
    /// This is written to the journal, and cannot be undone. The event itself stays.
    Drop(OneArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// One row for each consumer and shard.
    #[arg(long, conflicts_with = "dead")]
    shards: bool,
    /// The dead letters.
    #[arg(long)]
    dead: bool,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// Which, as `adjoin eventing ls --dead` shows it.
    #[arg(value_name = "LETTER", value_parser = |text: &str| text.parse::<Letter>().map_err(|failure| failure.to_string()))]
    letter: Letter,
    #[command(flatten)]
    source: SourceArgs,
}

impl EventingCommand {
    pub(crate) async fn run(&self) -> Outcome<()> {
        let source = match self {
            Self::Ls(args) => args.source.open().await?,
            Self::Retry(args) | Self::Drop(args) => args.source.open().await?,
        };
        let done = match self {
            Self::Ls(args) => ls(args, &source).await,
            Self::Retry(args) => retry(&args.letter, &source).await,
            Self::Drop(args) => drop_one(&args.letter, &source).await,
        };
        source.close().await?;
        done
    }
}

async fn ls(args: &LsArgs, source: &Source) -> Outcome<()> {
    let lines = source.consumers().await?;
    match args {
        LsArgs { dead: true, .. } => print::all(args.output, lines.into_iter().flat_map(ShardLine::letters)),
        LsArgs { shards: true, .. } => print::all(args.output, lines),
        LsArgs { .. } => print::all(args.output, by_consumer(lines)),
    }
}

async fn retry(letter: &Letter, source: &Source) -> Outcome<()> {
    source.retry_letter(letter).await?;
    print::line(&format!("{letter} is tried again"))
}

async fn drop_one(letter: &Letter, source: &Source) -> Outcome<()> {
    source.drop_letter(letter).await?;
    print::line(&format!("{letter} is dropped"))
}
