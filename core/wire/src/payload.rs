// SPDX-License-Identifier: Apache-2.0
//! The small pieces that frames share: payloads, metadata, entity ids, command ids.

use adjoin_model::{CommandId, EntityId, Error, Metadata, Payload, Result};
use bytes::Bytes;

use crate::protocol;

/// Payloads up to this size are copied out of the batch they came in: somebody may keep one for long, and a slice
/// would keep a megabyte alive with it. Larger ones stay slices.
const COPIED_BYTES: usize = 1024;

/// A peer broke the contract at this field.
pub(crate) fn broken(field: &'static str, said: impl Into<String>) -> Error {
    Error::protocol(said).at("field", field)
}

pub(crate) fn payload_out(payload: Payload) -> protocol::Payload {
    protocol::Payload { type_name: payload.type_name.as_ref().to_owned(), data: payload.data }
}

pub(crate) fn payload_in(payload: protocol::Payload) -> Payload {
    let data = if payload.data.len() <= COPIED_BYTES { Bytes::copy_from_slice(&payload.data) } else { payload.data };
    Payload { type_name: payload.type_name.into(), data }
}

/// A payload that may be absent when it is empty: a command or a message without a body.
pub(crate) fn body_out(payload: Payload) -> Option<protocol::Payload> {
    let empty = payload.type_name.is_empty() && payload.data.is_empty();
    (!empty).then(|| payload_out(payload))
}

pub(crate) fn body_in(payload: Option<protocol::Payload>) -> Payload {
    payload_in(payload.unwrap_or_default())
}

/// A payload that says what it is.
pub(crate) fn named_in(field: &'static str, payload: protocol::Payload) -> Result<Payload> {
    if payload.type_name.is_empty() {
        return Err(broken(field, "a payload here has a type name"));
    }
    Ok(payload_in(payload))
}

pub(crate) fn metadata_out(metadata: Metadata) -> Vec<protocol::MetadataEntry> {
    metadata.into_iter().map(|(name, value)| protocol::MetadataEntry { name, value }).collect()
}

pub(crate) fn metadata_in(metadata: Vec<protocol::MetadataEntry>) -> Metadata {
    metadata.into_iter().map(|entry| (entry.name, entry.value)).collect()
}

pub(crate) fn entity_in(field: &'static str, entity_type: String, key: String) -> Result<EntityId> {
    EntityId::new(entity_type, key).map_err(|error| broken(field, error.message))
}

pub(crate) fn command_id_out(id: CommandId) -> Bytes {
    Bytes::copy_from_slice(&id.0.to_be_bytes())
}

pub(crate) fn command_id_in(id: &[u8]) -> Result<CommandId> {
    let bytes = id.try_into().map_err(|_| broken("command_id", format!("it has 16 bytes, not {}", id.len())))?;
    Ok(CommandId(u128::from_be_bytes(bytes)))
}

/// An id that is never 0.
pub(crate) fn id_in(field: &'static str, id: u64) -> Result<u64> {
    if id == 0 { Err(broken(field, "it is never 0")) } else { Ok(id) }
}

/// A message or a oneof that is always there.
pub(crate) fn present<T>(field: &'static str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| broken(field, "it is missing"))
}
