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

/// One durable effect that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EffectLine {
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

    /// Whether it waits for an operator.
    pub(crate) fn is_stuck(&self) -> bool {
        self.state == "stuck"
    }
}

impl Row for EffectLine {
    const COLUMNS: &'static [&'static str] = &["PLACE", "STATE", "ENTITY", "COMMAND", "ATTEMPTS", "FROM", "ERROR"];

    fn cells(&self) -> Vec<String> {
        vec![
            Place { shard: ShardId(self.shard), position: self.position }.to_string(),
            self.state.clone(),
            shown(&format!("{}/{}", self.entity_type, self.key), 60),
            self.command.clone(),
            self.attempts.to_string(),
            self.from.clone(),
            shown(&self.error, 100),
        ]
    }
}

/// What a folder holds, by shard and position.
///
/// # Errors
/// What the store says.
pub(crate) async fn effects(store: &dyn Store, limit: usize) -> Result<Vec<EffectLine>> {
    let mut lines = Vec::new();
    for shard in store.with_effects().await? {
        let left = store.unfinished(shard).await?;
        let mut its: Vec<_> = left.outbox.iter().chain(&left.inbox).collect();
        its.sort_by_key(|(position, _)| *position);
        lines.extend(its.iter().filter_map(|(position, record)| EffectLine::stored(shard, *position, record)));
        if lines.len() >= limit {
            break;
        }
    }
    lines.truncate(limit);
    Ok(lines)
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
    fn a_place_is_read_as_it_is_shown() {
        let place = Place { shard: ShardId(7), position: 42 };
        assert_eq!(place.to_string().parse::<Place>().ok(), Some(place));
        for bad in ["", "7", "7:", ":42", "a:b", "7:42:1"] {
            assert!(bad.parse::<Place>().is_err(), "{bad:?}");
        }
    }
}
