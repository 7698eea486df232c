// SPDX-License-Identifier: Apache-2.0
//! Reads a store for people: the same rows whether a running host is asked or a folder that nothing holds.

mod delete;
mod effects;
mod entity;
mod eventing;
mod purge;
mod tail;
mod verify;

use adjoin_model::{Answer, Body, Consumed, Consumption, DedupKey, EntityId, Incoming, Payload, ShardId};
use adjoin_storage::StoredRecord;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::print::{Row, shown};
pub(crate) use delete::delete;
pub(crate) use effects::{EffectLine, EffectQuery, Place, drop_effect, effects};
pub(crate) use entity::{EntityLine, EntityView, entities, view};
pub(crate) use eventing::{
    ConsumerLine, ConsumerQuery, Letter, LetterLine, ShardLine, by_consumer, consumers, drop_letter,
};
pub(crate) use purge::{Doomed, doomed, forget, purge};
pub(crate) use tail::{TailQuery, tail};
pub(crate) use verify::{NAMED, VerifyReport};

/// One record of a journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecordRow {
    /// In which shard.
    pub(crate) shard: u32,
    /// Where in it.
    pub(crate) position: u64,
    /// The epoch that wrote it.
    pub(crate) epoch: u64,
    /// Of which entity type; empty when the record's content has gone.
    pub(crate) entity_type: String,
    /// Of which entity.
    pub(crate) key: String,
    /// The entity's sequence.
    pub(crate) sequence: u64,
    /// When the host took it, in RFC 3339.
    pub(crate) at: String,
    /// The command that wrote it, in hexadecimal.
    pub(crate) command: String,
    /// `event`, `value`, `superseded`, `delete`, `dedup`, `outbox`, `inbox`, `done`, `consumed` or `gone`.
    pub(crate) what: String,
    /// The stored name of its type.
    pub(crate) name: String,
    /// Its content.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) data: Value,
}

impl RecordRow {
    fn new(shard: ShardId, stored: StoredRecord) -> Self {
        let mut row = Self {
            shard: shard.0,
            position: stored.position,
            epoch: stored.epoch.0,
            entity_type: String::new(),
            key: String::new(),
            sequence: 0,
            at: String::new(),
            command: String::new(),
            what: "gone".into(),
            name: String::new(),
            data: Value::Null,
        };
        if let Some(record) = stored.record {
            row.entity_type = record.entity.entity_type().into();
            row.key = record.entity.key().into();
            row.sequence = record.sequence;
            row.at = time(record.at.0);
            row.command = record.command.to_string();
            row.describe(record.body);
        }
        row
    }

    fn describe(&mut self, body: Body) {
        let (what, name, data) = match body {
            Body::Event(payload) => ("event", payload.type_name.to_string(), plain(&payload)),
            Body::Value(payload) => ("value", payload.type_name.to_string(), plain(&payload)),
            Body::Superseded => ("superseded", String::new(), Value::Null),
            Body::Delete => ("delete", String::new(), Value::Null),
            Body::Dedup(dedup) => {
                let name = match dedup.key {
                    DedupKey::Client { command, key, .. } => format!("{command} {key}"),
                    DedupKey::Command(id) => id.to_string(),
                };
                ("dedup", name, answer(dedup.answer))
            }
            Body::Outbox(call) => ("outbox", format!("{}.{}", call.entity, call.command), plain(&call.payload)),
            Body::Inbox(Incoming { origin, call }) => {
                let data =
                    json!({ "from": format!("{}:{}", origin.shard, origin.position), "body": plain(&call.payload) });
                ("inbox", call.command.to_string(), data)
            }
            Body::Done { inbox, ended } => ("done", ended.name().into(), json!({ "inbox": inbox })),
            Body::Consumed(consumption) => consumed(*consumption),
        };
        self.what = what.into();
        self.name = name;
        self.data = data;
    }
}

impl Row for RecordRow {
    const COLUMNS: &'static [&'static str] = &["AT", "PLACE", "ENTITY", "SEQUENCE", "RECORD", "CONTENT"];

    fn cells(&self) -> Vec<String> {
        let content = if self.data.is_null() { String::new() } else { self.data.to_string() };
        let entity =
            if self.entity_type.is_empty() { "-".into() } else { format!("{}/{}", self.entity_type, self.key) };
        vec![
            format!("{:<24}", self.at),
            format!("{:<10}", format!("{}:{}", self.shard, self.position)),
            format!("{:<20}", shown(&entity, 60)),
            format!("{:>6}", format!("#{}", self.sequence)),
            format!("{:<18}", shown(format!("{} {}", self.what, self.name).trim_end(), 60)),
            shown(&content, 400),
        ]
    }
}

fn consumed(consumption: Consumption) -> (&'static str, String, Value) {
    let Consumption { consumer, event, what } = consumption;
    let (how, more) = match what {
        Consumed::Passed => ("passed", Value::Null),
        Consumed::Dead { attempts, error } => ("dead", json!({ "attempts": attempts, "error": error })),
        Consumed::Settled(ended) | Consumed::Ahead(ended) => (ended.name(), Value::Null),
    };
    let mut data = json!({ "consumer": consumer.to_string(), "event": event });
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
    ("consumed", how.into(), data)
}

fn answer(answer: Answer) -> Value {
    match answer {
        Answer::Reply { payload, .. } => json!({ "reply": payload.as_ref().map(plain) }),
        Answer::Failed(error) => json!({ "failed": error.to_string() }),
        Answer::Forward { entity, command, .. } => json!({ "forward": format!("{entity} {command}") }),
    }
}

/// A payload as JSON; one that is none as base64 in an object.
pub(crate) fn plain(payload: &Payload) -> Value {
    use base64::Engine as _;
    if payload.data.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(&payload.data).unwrap_or_else(|_| {
        json!({ "type": &*payload.type_name, "base64": base64::engine::general_purpose::STANDARD.encode(&payload.data) })
    })
}

/// RFC 3339 in UTC, with milliseconds.
pub(crate) fn time(wall_ms: u64) -> String {
    let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(wall_ms.min(253_402_300_799_999));
    humantime::format_rfc3339_millis(at).to_string()
}

/// `shop.Cart/ada` as type and key; the key may hold further slashes.
///
/// # Errors
/// Usage when it is neither.
pub(crate) fn entity_of(text: &str) -> Outcome<EntityId> {
    let (entity_type, key) = text.split_once('/').ok_or_else(|| {
        Failure::usage(format!("{text:?} names no entity")).help("write type/key, as in shop.Cart/ada")
    })?;
    Ok(EntityId::new(entity_type, key)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_is_no_json_is_shown_as_base64() {
        assert_eq!(plain(&Payload::new("json", &b"[1]"[..])), json!([1]));
        assert_eq!(plain(&Payload::new("Bytes", &b"\xff"[..])), json!({ "type": "Bytes", "base64": "/w==" }));
    }

    #[test]
    fn a_key_may_hold_slashes() {
        let entity = entity_of("shop.Cart/a/b").unwrap();
        assert_eq!((entity.entity_type(), entity.key()), ("shop.Cart", "a/b"));
        assert!(entity_of("shop.Cart").is_err() && entity_of("shop.Cart/").is_err());
    }

    #[test]
    fn any_wall_time_can_be_shown() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert!(time(u64::MAX).starts_with("9999"));
    }
}
