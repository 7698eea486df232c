// SPDX-License-Identifier: Apache-2.0
//! `adjoin entity`.

use std::io::{BufRead, IsTerminal};

use adjoin_model::EntityId;
use clap::{Args, Subcommand};

use crate::failure::{Exit, Failure, Outcome};
use crate::inspect::{EntityLine, TailQuery, entity_of};
use crate::print::{self, Format, Row, Rows};
use crate::source::{Source, SourceArgs};

/// Keys asked for at once.
const PAGE: usize = 1000;

/// List, read, delete and purge entities
///
/// Asks a running host by its admin API, or reads the folder of a host that does not run (--data).
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  adjoin entity ls                                  entity types
  adjoin entity ls shop.Cart --limit 20
  adjoin entity get shop.Cart/ada -o json
  adjoin entity history shop.Cart/ada
  adjoin entity history shop.Cart/ada --data .adjoin -o jsonl | jq .data
  adjoin entity delete shop.Cart/ada --yes
  adjoin entity purge shop.Cart ada --yes
  adjoin entity passivate shop.Cart ada")]
pub(crate) enum EntityCommand {
    /// List entity types, or the entities of one type
    Ls(LsArgs),
    /// Show the state of an entity
    ///
    /// A running host asks the function, so the state is the present one. From a folder, a value is shown as it is, an
    /// event-sourced entity as its last snapshot: only a function can fold events.
    Get(OneArgs),
    /// Show every record that an entity ever had
    History(OneArgs),
    /// Delete an entity without asking the function
    ///
    /// Writes a record with the next sequence; the history stays. Asks first when run in a terminal.
    Delete(DeleteArgs),
    /// Remove everything of a deleted entity, for good
    ///
    /// Its events or values, snapshots and remembered idempotency keys go, and with them its last sequence: an entity of
    /// this key begins again at 1. Refused (exit code 4) while the entity is not deleted or idempotency keys of it are
    /// remembered; exit code 5 while it has calls or watches. Asks first when run in a terminal.
    Purge(PurgeArgs),
    /// End the activation of an idle entity: the next command loads it again
    ///
    /// Nothing is written. Exit code 3 when it is not active in this host, 5 while it has calls or watches.
    Passivate(NamedArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// Only entities of this type; without it, the types are listed.
    entity_type: Option<String>,
    /// Only keys after this one, in byte order.
    #[arg(long, value_name = "KEY")]
    after: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Deleted ones too.
    #[arg(long)]
    deleted: bool,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// Type and key, as in shop.Cart/ada.
    #[arg(value_parser = |text: &str| entity_of(text).map_err(|failure| failure.to_string()))]
    entity: EntityId,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// The entity type, or type and key as in shop.Cart/ada.
    entity: String,
    /// The key, where the first word is the type alone.
    key: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl NamedArgs {
    fn entity(&self) -> Outcome<EntityId> {
        match &self.key {
            Some(key) => Ok(EntityId::new(self.entity.as_str(), key.as_str())?),
            None => entity_of(&self.entity),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    #[command(flatten)]
    one: NamedArgs,
    /// Also one that is not deleted, which is deleted first, and one whose idempotency keys are remembered.
    #[arg(long)]
    force: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl EntityCommand {
    pub(crate) async fn run(&self) -> Outcome<()> {
        let source = match self {
            Self::Ls(args) => &args.source,
            Self::Get(args) | Self::History(args) => &args.source,
            Self::Delete(args) => &args.one.source,
            Self::Purge(args) => &args.one.source,
            Self::Passivate(args) => &args.source,
        };
        let source = source.open().await?;
        let done = match self {
            Self::Ls(args) => ls(args, &source).await,
            Self::Get(args) => get(args, &source).await,
            Self::History(args) => history(args, &source).await,
            Self::Delete(args) => delete(args, &source).await,
            Self::Purge(args) => purge(args, &source).await,
            Self::Passivate(args) => passivate(args, &source).await,
        };
        source.close().await?;
        done
    }
}

#[derive(serde::Serialize)]
struct TypeRow {
    entity_type: String,
}

impl Row for TypeRow {
    const COLUMNS: &'static [&'static str] = &["TYPE"];

    fn cells(&self) -> Vec<String> {
        vec![self.entity_type.clone()]
    }
}

async fn ls(args: &LsArgs, source: &Source) -> Outcome<()> {
    let Some(entity_type) = &args.entity_type else {
        let mut rows = Rows::measured(args.output);
        for entity_type in source.types().await? {
            rows.print(TypeRow { entity_type })?;
        }
        return rows.end();
    };
    adjoin_model::check_name("entity type", entity_type)?;
    let mut rows = Rows::measured(args.output);
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut after = args.after.clone();
    loop {
        let (page, more) = source.entities(entity_type, after.as_deref(), PAGE.min(left.max(1))).await?;
        after = page.last().map(|line| line.key.clone());
        let wanted = page.into_iter().filter(|line| args.deleted || !line.deleted);
        for line in wanted.take(left).collect::<Vec<EntityLine>>() {
            left -= 1;
            rows.print(line)?;
        }
        if !more || left == 0 || after.is_none() {
            return rows.end();
        }
    }
}

async fn get(args: &OneArgs, source: &Source) -> Outcome<()> {
    let view = source.view(&args.entity).await?;
    print::one(args.output, &view)?;
    if view.sequence == 0 {
        return Err(nothing(&args.entity));
    }
    Ok(())
}

async fn history(args: &OneArgs, source: &Source) -> Outcome<()> {
    let mut records = source.records(TailQuery::entity(&args.entity)).await?;
    let mut rows = Rows::streamed(args.output);
    let mut empty = true;
    while let Some(row) = records.next().await? {
        empty = false;
        rows.print(row)?;
    }
    rows.end()?;
    if empty { Err(nothing(&args.entity)) } else { Ok(()) }
}

fn nothing(entity: &EntityId) -> Failure {
    Failure::new(Exit::NotFound, format!("nothing was ever written for {entity}"))
        .help("`adjoin entity ls TYPE` lists the keys of a type")
}

async fn delete(args: &DeleteArgs, source: &Source) -> Outcome<()> {
    let entity = &args.one.entity;
    if !args.yes {
        confirm("Delete", entity)?;
    }
    let sequence = source.delete(entity).await?;
    match args.one.output {
        Format::Table => print::line(&format!("{entity} is deleted, sequence {sequence}")),
        Format::Json | Format::Jsonl => print::line(&format!("{{\"sequence\":{sequence}}}")),
    }
}

async fn purge(args: &PurgeArgs, source: &Source) -> Outcome<()> {
    let entity = args.one.entity()?;
    if !args.yes {
        confirm("Purge", &entity)?;
    }
    let sequence = source.purge(&entity, args.force).await?;
    match args.one.output {
        Format::Table => print::line(&format!("{entity} is purged; it ended at sequence {sequence}")),
        Format::Json | Format::Jsonl => print::line(&format!("{{\"sequence\":{sequence}}}")),
    }
}

async fn passivate(args: &NamedArgs, source: &Source) -> Outcome<()> {
    let entity = args.entity()?;
    let sequence = source.passivate(&entity).await?;
    match args.output {
        Format::Table => print::line(&format!("{entity} is not active any more, sequence {sequence}")),
        Format::Json | Format::Jsonl => print::line(&format!("{{\"sequence\":{sequence}}}")),
    }
}

/// Never waits for an answer that nobody can give.
fn confirm(what: &str, entity: &EntityId) -> Outcome<()> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::usage(format!("`{what} {entity}?` wants a word")).help("say --yes"));
    }
    print::line(&format!("{what} {entity}? [y/N]"))?;
    let mut answer = String::new();
    let read = input.lock().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::new(Exit::Refused, "nothing was done")),
    }
}
