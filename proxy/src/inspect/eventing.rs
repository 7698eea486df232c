// SPDX-License-Identifier: Apache-2.0
//! Consumers of events and their dead letters, of a running host or in a folder that nothing holds.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use adjoin_entity::ConsumerStatus;
use adjoin_model::{
    Body, Consumed, ConsumerId, Consumption, DeadLetter, Ended, Error, Position, Progress, Record, Result, ShardId,
};
use adjoin_storage::Store;
use serde::{Deserialize, Serialize};

use super::delete::{append, now};
use super::{Place, time};
use crate::failure::Failure;
use crate::print::{Row, shown};

/// Which dead letter: `LOG/GROUP/SHARD:POSITION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) consumer: ConsumerId,
    pub(crate) place: Place,
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.consumer, self.place)
    }
}

impl FromStr for Letter {
    type Err = Failure;

    /// A log has no slash, a place has none, a group may.
    fn from_str(text: &str) -> core::result::Result<Self, Failure> {
        let parsed = text.split_once('/').and_then(|(log, rest)| {
            let (group, place) = rest.rsplit_once('/')?;
            Some(Self { consumer: ConsumerId::new(log, group).ok()?, place: place.parse().ok()? })
        });
        parsed.ok_or_else(|| {
            Failure::usage(format!("{text:?} names no dead letter"))
                .help("write it as `adjoin eventing ls --dead` shows it, as in shop.Cart/mail/7:42")
        })
    }
}

/// How a consumer stands in one shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShardLine {
    /// The event log: an entity type.
    log: String,
    /// The consumer group.
    group: String,
    shard: u32,
    /// Whether a connected function has it; unknown in a folder.
    declared: Option<bool>,
    /// Every event of the shard up to here has ended.
    position: u64,
    /// The shard's own position.
    head: u64,
    /// Events that were read and have not ended; unknown in a folder.
    open: Option<usize>,
    /// How one that was not taken failed last.
    error: String,
    dead: Vec<LetterLine>,
}

/// A dead letter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LetterLine {
    /// Names it to `adjoin eventing retry` and `drop`.
    letter: String,
    /// Whose event it is: `TYPE/KEY`.
    entity: String,
    /// How often it was tried.
    attempts: u32,
    /// When it was given up, in RFC 3339.
    at: String,
    /// How it failed last.
    error: String,
}

/// A consumer over all shards.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConsumerLine {
    log: String,
    group: String,
    /// Whether a connected function has it; null when a folder is read.
    declared: Option<bool>,
    /// Shards that have been written.
    shards: usize,
    /// Positions that it has not passed, of all records and all shards.
    behind: u64,
    /// Events that were read and have not ended.
    open: Option<usize>,
    /// Its dead letters.
    dead: usize,
    /// How an event that was not taken failed last.
    error: String,
}

impl ConsumerLine {
    /// Its log and group.
    pub(crate) fn name(&self) -> (&str, &str) {
        (&self.log, &self.group)
    }
}

impl ShardLine {
    /// As a running host knows it.
    pub(crate) fn of(status: &ConsumerStatus) -> Self {
        let letters = status.dead.iter().map(|(event, letter)| (*event, letter));
        Self {
            log: status.consumer.log().into(),
            group: status.consumer.group().into(),
            shard: status.shard.0,
            declared: Some(status.declared),
            position: status.position,
            head: status.head,
            open: Some(status.open),
            error: status.error.as_ref().map(Error::to_string).unwrap_or_default(),
            dead: letters
                .map(|(event, letter)| LetterLine::of(&status.consumer, status.shard, event, letter))
                .collect(),
        }
    }

    fn stored(shard: ShardId, head: Position, consumer: &ConsumerId, progress: &Progress) -> Self {
        let letters = progress.dead.iter();
        Self {
            log: consumer.log().into(),
            group: consumer.group().into(),
            shard: shard.0,
            declared: None,
            position: progress.passed,
            head,
            open: None,
            error: String::new(),
            dead: letters.map(|(event, letter)| LetterLine::of(consumer, shard, *event, letter)).collect(),
        }
    }
}

/// Which of them are listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConsumerQuery {
    /// Only of this consumer: `LOG/GROUP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) consumer: Option<String>,
    /// At most so many.
    pub(crate) limit: usize,
}

impl ConsumerQuery {
    /// Whether the consumer of this log and group is wanted.
    pub(crate) fn wants(&self, name: (&str, &str)) -> bool {
        let wanted = self.consumer.as_deref().map(|consumer| consumer.split_once('/').unwrap_or((consumer, "")));
        wanted.is_none_or(|wanted| wanted == name)
    }

    /// The first of those that are wanted, and whether more follow.
    pub(crate) fn shards(&self, lines: Vec<ShardLine>) -> (Vec<ShardLine>, bool) {
        let mut wanted = lines.into_iter().filter(|line| self.wants((&line.log, &line.group)));
        (wanted.by_ref().take(self.limit).collect(), wanted.next().is_some())
    }

    /// The first of their dead letters, and whether more follow.
    pub(crate) fn letters(&self, lines: Vec<ShardLine>) -> (Vec<LetterLine>, bool) {
        let its = lines.into_iter().filter(|line| self.wants((&line.log, &line.group)));
        let mut wanted = its.flat_map(|line| line.dead);
        (wanted.by_ref().take(self.limit).collect(), wanted.next().is_some())
    }
}

impl LetterLine {
    fn of(consumer: &ConsumerId, shard: ShardId, position: Position, letter: &DeadLetter) -> Self {
        Self {
            letter: Letter { consumer: consumer.clone(), place: Place { shard, position } }.to_string(),
            entity: letter.entity.to_string(),
            attempts: letter.attempts,
            at: time(letter.at.0),
            error: letter.error.clone(),
        }
    }
}

/// Consumers over all their shards.
pub(crate) fn by_consumer(shards: Vec<ShardLine>) -> Vec<ConsumerLine> {
    let mut all: BTreeMap<(String, String), ConsumerLine> = BTreeMap::new();
    for line in shards {
        let behind = line.head.saturating_sub(line.position);
        let entry = all.entry((line.log.clone(), line.group.clone())).or_insert_with(|| ConsumerLine {
            log: line.log.clone(),
            group: line.group.clone(),
            declared: line.declared,
            shards: 0,
            behind: 0,
            open: line.open.map(|_| 0),
            dead: 0,
            error: String::new(),
        });
        entry.shards += 1;
        entry.behind += behind;
        entry.open = entry.open.zip(line.open).map(|(sum, open)| sum + open);
        entry.dead += line.dead.len();
        if entry.error.is_empty() {
            entry.error = line.error;
        }
    }
    all.into_values().collect()
}

fn known<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "?".into(), |value| value.to_string())
}

fn yes(declared: Option<bool>) -> String {
    known(declared.map(|declared| if declared { "yes" } else { "no" }))
}

impl Row for ConsumerLine {
    const COLUMNS: &'static [&'static str] =
        &["LOG", "GROUP", "CONNECTED", "SHARDS", "BEHIND", "OPEN", "DEAD", "ERROR"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.log.clone(),
            shown(&self.group, 60),
            yes(self.declared),
            self.shards.to_string(),
            self.behind.to_string(),
            known(self.open),
            self.dead.to_string(),
            shown(&self.error, 100),
        ]
    }
}

impl Row for ShardLine {
    const COLUMNS: &'static [&'static str] =
        &["LOG", "GROUP", "SHARD", "CONNECTED", "POSITION", "HEAD", "OPEN", "DEAD", "ERROR"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.log.clone(),
            shown(&self.group, 60),
            self.shard.to_string(),
            yes(self.declared),
            self.position.to_string(),
            self.head.to_string(),
            known(self.open),
            self.dead.len().to_string(),
            shown(&self.error, 100),
        ]
    }
}

impl Row for LetterLine {
    const COLUMNS: &'static [&'static str] = &["LETTER", "ENTITY", "ATTEMPTS", "AT", "ERROR"];

    fn cells(&self) -> Vec<String> {
        vec![
            shown(&self.letter, 120),
            shown(&self.entity, 60),
            self.attempts.to_string(),
            self.at.clone(),
            shown(&self.error, 100),
        ]
    }
}

/// What a folder holds, by shard.
///
/// # Errors
/// What the store says.
pub(crate) async fn consumers(store: &dyn Store) -> Result<Vec<ShardLine>> {
    let mut lines = Vec::new();
    for shard in store.with_effects().await? {
        let head = store.head(shard).await?.position;
        let left = store.unfinished(shard).await?.consumers;
        lines.extend(left.iter().map(|(consumer, progress)| ShardLine::stored(shard, head, consumer, progress)));
    }
    Ok(lines)
}

/// Ends a dead letter in a folder that no host holds.
///
/// # Errors
/// `NotFound` when none stands there; what the store says.
pub(crate) async fn drop_letter(store: &dyn Store, letter: &Letter) -> Result<()> {
    let Letter { consumer, place: Place { shard, position } } = letter;
    let left = store.unfinished(*shard).await?.consumers;
    let found = left.into_iter().find(|(known, _)| known == consumer);
    let passed = found.as_ref().map_or(0, |(_, progress)| progress.passed);
    let Some(dead) = found.and_then(|(_, mut progress)| progress.dead.remove(position)) else {
        return Err(Error::not_found("no dead letter stands there, or it has ended").at("letter", letter));
    };
    let what = Consumed::ended(Ended::Dropped, *position, passed);
    let body = Body::Consumed(Box::new(Consumption { consumer: consumer.clone(), event: *position, what }));
    let command = adjoin_model::CommandId(adjoin_engine::random()?);
    append(store, *shard, Record { entity: dead.entity, sequence: 0, command, at: now(), body }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_as_it_is_shown() {
        let Ok(letter) = "shop.Cart/a/group/7:42".parse::<Letter>() else { panic!("a letter") };
        assert_eq!((letter.consumer.log(), letter.consumer.group()), ("shop.Cart", "a/group"));
        assert_eq!(letter.to_string(), "shop.Cart/a/group/7:42");
        for bad in ["", "shop.Cart", "shop.Cart/7:42", "/g/7:42", "shop.Cart/g/7", "shop.Cart/g/x:1"] {
            assert!(bad.parse::<Letter>().is_err(), "{bad:?}");
        }
    }
}
