// SPDX-License-Identifier: Apache-2.0
//! Durable effects that have not ended, of a running host or in a folder that nothing holds.

use std::fmt;
use std::str::FromStr;

use adjoin_entity::{EffectState, EffectStatus, Errand};
use adjoin_model::{Body, DurableCall, Ended, EntityId, Error, Origin, Position, Record, Result, ShardId};
use adjoin_storage::Store;
use serde::{Deserialize, Serialize};

use super::delete::{append, now};
use crate::failure::Failure;
use crate::print::{Row, shown};

/// Where a durable effect stands, as `SHARD:POSITION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shard: ShardId,
    pub(crate) position: Position,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.shard, self.position)
    }
}

impl FromStr for Place {
    type Err = Failure;

    fn from_str(text: &str) -> core::result::Result<Self, Failure> {
        let parsed = text.split_once(':').and_then(|(shard, position)| {
            Some(Self { shard: ShardId(shard.parse().ok()?), position: position.parse().ok()? })
        });
        parsed.ok_or_else(|| {
            Failure::usage(format!("{text:?} is no place")).help("write it as `adjoin effects ls` shows it, as in 7:42")
        })
    }
}

/// Which effects are listed. In the query of an address a place is `SHARD:POSITION`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EffectQuery {
    /// Only those that are stuck.
    #[serde(default)]
    pub(crate) stuck: bool,
    /// Only those behind this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    /// At most so many.
    pub(crate) limit: usize,
}

impl EffectQuery {
    /// The first of those that are wanted, and whether more follow. Lines come in the order of their places.
    pub(crate) fn page(&self, lines: impl Iterator<Item = EffectLine>) -> (Vec<EffectLine>, bool) {
        let after: Option<Place> = self.after.as_ref().and_then(|place| place.parse().ok());
        let behind =
            |line: &EffectLine| after.is_none_or(|after| (line.shard, line.position) > (after.shard.0, after.position));
        let mut wanted = lines.filter(|line| behind(line) && (!self.stuck || line.is_stuck()));
        let page = wanted.by_ref().take(self.limit).collect();
        (page, wanted.next().is_some())
    }
}

/// One durable effect that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EffectLine {
    /// Names it to `adjoin effects retry` and `drop`.
    place: String,
    /// In whose outbox or inbox it is.
    shard: u32,
    /// At which position.
    position: u64,
    /// `sending` (in the outbox), `waiting`, `running`, `ending`, `resting` (it failed and is tried again) or `stuck`.
    state: String,
    /// The entity type that is to be called.
    entity_type: String,
    /// Its key.
    key: String,
    /// The command that is to run.
    command: String,
    /// That command's id, the same at every attempt.
    id: String,
    /// How often it failed.
    attempts: u32,
    /// The outbox record that it comes from, as `SHARD:POSITION`.
    from: String,
    /// How it failed last; empty when it did not.
    error: String,
}

impl EffectLine {
    /// As a running host knows it.
    pub(crate) fn of(effect: &EffectStatus) -> Self {
        let state = match effect.state {
            EffectState::Sending => "sending",
            EffectState::Inbox(Errand::Waiting) => "waiting",
            EffectState::Inbox(Errand::Running) => "running",
            EffectState::Inbox(Errand::Ending | Errand::Ended) => "ending",
            EffectState::Inbox(Errand::Resting) => "resting",
            EffectState::Inbox(Errand::Stuck) => "stuck",
        };
        let line = Self::new(effect.shard, effect.position, state, (&effect.target, &effect.command), effect.origin);
        Self {
            id: effect.id.to_string(),
            attempts: effect.attempts,
            error: effect.error.as_ref().map(Error::to_string).unwrap_or_default(),
            ..line
        }
    }

    /// As it is stored: how often it failed, and so whether it is stuck, is known to a running host only.
    fn stored(shard: ShardId, position: Position, record: &Record) -> Option<Self> {
        let line = |state, call: &DurableCall, origin, id: adjoin_model::CommandId| {
            let line = Self::new(shard, position, state, (&call.entity, &call.command), origin);
            Self { id: id.to_string(), ..line }
        };
        let own = Origin { shard, position };
        match &record.body {
            Body::Outbox(call) => Some(line("sending", call, own, own.command(record.command))),
            Body::Inbox(incoming) => Some(line("waiting", &incoming.call, incoming.origin, record.command)),
            Body::Event(_)
            | Body::Value(_)
            | Body::Superseded
            | Body::Delete
            | Body::Dedup(_)
            | Body::Done { .. }
            | Body::Consumed(_) => None,
        }
    }

    /// Nothing is known of its attempts.
    fn new(shard: ShardId, position: Position, state: &str, call: (&EntityId, &str), origin: Origin) -> Self {
        let (target, command) = call;
        Self {
            place: Place { shard, position }.to_string(),
            shard: shard.0,
            position,
            state: state.into(),
            entity_type: target.entity_type().into(),
            key: target.key().into(),
            command: command.into(),
            id: String::new(),
            attempts: 0,
            from: Place { shard: origin.shard, position: origin.position }.to_string(),
            error: String::new(),
        }
    }

    /// Where it stands.
    pub(crate) fn place(&self) -> Place {
        Place { shard: ShardId(self.shard), position: self.position }
    }

    /// Whether it waits for an operator.
    pub(crate) fn is_stuck(&self) -> bool {
        self.state == "stuck"
    }
}

impl Row for EffectLine {
    const COLUMNS: &'static [&'static str] = &["PLACE", "STATE", "ENTITY", "COMMAND", "ATTEMPTS", "FROM", "ERROR"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.place().to_string(),
            self.state.clone(),
            shown(&format!("{}/{}", self.entity_type, self.key), 60),
            self.command.clone(),
            self.attempts.to_string(),
            self.from.clone(),
            shown(&self.error, 100),
        ]
    }
}

/// What a folder holds of those that are wanted, by shard and position, and whether more follow.
///
/// # Errors
/// What the store says.
pub(crate) async fn effects(store: &dyn Store, query: &EffectQuery) -> Result<(Vec<EffectLine>, bool)> {
    let mut lines = Vec::new();
    for shard in store.with_effects().await? {
        let left = store.unfinished(shard).await?;
        let mut its: Vec<_> = left.outbox.iter().chain(&left.inbox).collect();
        its.sort_by_key(|(position, _)| *position);
        lines.extend(its.iter().filter_map(|(position, record)| EffectLine::stored(shard, *position, record)));
    }
    Ok(query.page(lines.into_iter()))
}

/// Ends an effect in a folder that no host holds, without running it.
///
/// # Errors
/// `NotFound` when no inbox record stands there that has not ended; what the store says.
pub(crate) async fn drop_effect(store: &dyn Store, place: Place) -> Result<()> {
    let left = store.unfinished(place.shard).await?;
    let Some((_, record)) = left.inbox.into_iter().find(|(position, _)| *position == place.position) else {
        let said =
            "no durable effect waits there in an inbox; one that is still in an outbox goes on to its inbox first";
        return Err(Error::not_found(said).at("place", place));
    };
    let body = Body::Done { inbox: place.position, ended: Ended::Dropped };
    append(store, place.shard, Record { sequence: 0, at: now(), body, ..record }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_is_wanted_behind_a_place() {
        let line = |shard, position, state: &str| {
            let target = EntityId::new("t", "k").expect("an id");
            let origin = Origin { shard: ShardId(shard), position };
            EffectLine::new(ShardId(shard), position, state, (&target, "c"), origin)
        };
        let lines =
            || [line(1, 2, "stuck"), line(1, 3, "resting"), line(2, 1, "stuck"), line(2, 9, "stuck")].into_iter();
        let page = |stuck, after: Option<&str>, limit| {
            let (page, more) = EffectQuery { stuck, after: after.map(str::to_owned), limit }.page(lines());
            (page.iter().map(|line| line.place().to_string()).collect::<Vec<_>>(), more)
        };
        assert_eq!(page(true, None, 2), (vec!["1:2".into(), "2:1".into()], true), "not the first two of all");
        assert_eq!(page(true, Some("2:1"), 2), (vec!["2:9".into()], false));
        assert_eq!(page(false, Some("1:2"), 1), (vec!["1:3".into()], true));
    }

    #[test]
    fn a_place_is_read_as_it_is_shown() {
        let place = Place { shard: ShardId(7), position: 42 };
        assert_eq!(place.to_string().parse::<Place>().ok(), Some(place));
        for bad in ["", "7", "7:", ":42", "a:b", "7:42:1"] {
            assert!(bad.parse::<Place>().is_err(), "{bad:?}");
        }
    }
}
