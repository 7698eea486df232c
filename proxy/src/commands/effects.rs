// SPDX-License-Identifier: Apache-2.0
//! `adjoin effects`.

use clap::{Args, Subcommand};

use crate::failure::{Failure, Outcome};
use crate::inspect::{EffectLine, EffectQuery, Place};
use crate::print::{self, Format};
use crate::source::{Source, SourceArgs};

/// Asked for at once.
const PAGE: usize = 10_000;

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
  adjoin effects ls --stuck -o json         those that wait for you
  adjoin effects ls --after 7:42 --limit 20
  adjoin effects retry 7:42                 try the one at this place again at once
  adjoin effects drop 7:42                  end it without running it
  adjoin effects ls --stuck -o jsonl | jq -r .place | xargs -n1 adjoin effects retry")]
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
    /// Only those behind this place, in the order of shards and positions.
    #[arg(long, value_name = "PLACE", value_parser = place)]
    after: Option<Place>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// Where it stands, as `adjoin effects ls` shows it.
    #[arg(value_name = "PLACE", value_parser = place)]
    place: Place,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

fn place(text: &str) -> Result<Place, String> {
    text.parse().map_err(|failure: Failure| failure.to_string())
}

impl EffectsCommand {
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
    let mut rows = print::Rows::measured(args.output);
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut after = args.after;
    loop {
        let query =
            EffectQuery { stuck: args.stuck, after: after.map(|place| place.to_string()), limit: PAGE.min(left) };
        let (page, more) = source.effects(&query).await?;
        after = page.last().map(EffectLine::place);
        left -= page.len();
        page.into_iter().try_for_each(|line| rows.print(line))?;
        if !more || left == 0 || after.is_none() {
            return rows.end();
        }
    }
}

async fn retry(args: &OneArgs, source: &Source) -> Outcome<()> {
    source.retry_effect(args.place).await?;
    print::done(args.output, "place", &args.place, "is tried again")
}

async fn drop_one(args: &OneArgs, source: &Source) -> Outcome<()> {
    source.drop_effect(args.place).await?;
    print::done(args.output, "place", &args.place, "is dropped")
}
