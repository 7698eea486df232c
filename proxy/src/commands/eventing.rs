// SPDX-License-Identifier: Apache-2.0
//! `adjoin eventing`.

use clap::{Args, Subcommand};

use crate::failure::Outcome;
use crate::inspect::{ConsumerQuery, Letter};
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
  adjoin eventing ls --dead                         dead letters, and how each failed last
  adjoin eventing ls --dead --consumer shop.Cart/mail --limit 5000
  adjoin eventing retry shop.Cart/mail/7:42         try this one again at once
  adjoin eventing drop shop.Cart/mail/7:42          end it without running it
  adjoin eventing ls --dead -o jsonl | jq -r .letter | xargs -n1 adjoin eventing retry")]
pub(crate) enum EventingCommand {
    /// List consumers, or their dead letters
    Ls(LsArgs),
    /// Try a dead letter again at once
    ///
    /// Once: one that fails again stays a dead letter; it has run when `ls --dead` does not show it any more. In a folder
    /// nothing runs: start a host on it first.
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
    /// Only of this consumer.
    #[arg(long, value_name = "LOG/GROUP", value_parser = consumer)]
    consumer: Option<String>,
    /// With --shards or --dead: at most so many.
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
    /// Which, as `adjoin eventing ls --dead` shows it.
    #[arg(value_name = "LETTER", value_parser = |text: &str| text.parse::<Letter>().map_err(|failure| failure.to_string()))]
    letter: Letter,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// A log has no slash, a group may.
fn consumer(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((log, group)) if !log.is_empty() && !group.is_empty() => Ok(text.into()),
        _ => Err("write it as LOG/GROUP, as in shop.Cart/mail".into()),
    }
}

impl EventingCommand {
    pub(crate) async fn run(&self) -> Outcome<()> {
        let source = match self {
            Self::Ls(args) => args.source.open().await?,
            Self::Retry(args) | Self::Drop(args) => args.source.open().await?,
        };
        let done = match self {
            Self::Ls(args) => ls(args, &source).await,
            Self::Retry(args) => retry(args, &source).await,
            Self::Drop(args) => drop_one(args, &source).await,
        };
        source.close().await?;
        done
    }
}

async fn ls(args: &LsArgs, source: &Source) -> Outcome<()> {
    let query = ConsumerQuery { consumer: args.consumer.clone(), limit: args.limit };
    let more = match args {
        LsArgs { dead: true, .. } => {
            let (letters, more) = source.letters(&query).await?;
            print::all(args.output, letters)?;
            more
        }
        LsArgs { shards: true, .. } => {
            let (shards, more) = source.consumer_shards(&query).await?;
            print::all(args.output, shards)?;
            more
        }
        LsArgs { .. } => {
            let all = source.consumers().await?;
            print::all(args.output, all.into_iter().filter(|line| query.wants(line.name())))?;
            false
        }
    };
    if more {
        print::cut(args.limit);
    }
    Ok(())
}

async fn retry(args: &OneArgs, source: &Source) -> Outcome<()> {
    source.retry_letter(&args.letter).await?;
    print::done(args.output, "letter", &args.letter, "is tried again")
}

async fn drop_one(args: &OneArgs, source: &Source) -> Outcome<()> {
    source.drop_letter(&args.letter).await?;
    print::done(args.output, "letter", &args.letter, "is dropped")
}
