// SPDX-License-Identifier: Apache-2.0
//! Messages as bytes, the same ones for the same message: an idempotency key stands for its payload.

use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, ReflectMessage as _, Value};

/// Encodes a message, maps in the order of their keys.
pub(crate) fn encode(message: &DynamicMessage) -> Bytes {
    let mut made = Vec::with_capacity(message.encoded_len());
    write(message, &mut made);
    made.into()
}

fn write(message: &DynamicMessage, into: &mut Vec<u8>) {
    for (field, value) in message.fields() {
        match value {
            Value::Map(entries) => {
                let mut entries: Vec<(&MapKey, &Value)> = entries.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                for (key, value) in entries {
                    if let Some(entry) = entry(&field, key, value) {
                        nested(&field, &entry, into);
                    }
                }
            }
            Value::Message(inner) if !field.is_group() => nested(&field, inner, into),
            Value::List(list) if !field.is_group() && field.kind().as_message().is_some() => {
                list.iter().filter_map(Value::as_message).for_each(|inner| nested(&field, inner, into));
            }
            _ => alone(message, &field, value, into),
        }
    }
}

fn entry(field: &FieldDescriptor, key: &MapKey, value: &Value) -> Option<DynamicMessage> {
    let mut entry = DynamicMessage::new(field.kind().as_message()?.clone());
    entry.try_set_field_by_number(1, key.clone().into()).ok()?;
    entry.try_set_field_by_number(2, value.clone()).ok()?;
    Some(entry)
}

fn nested(field: &FieldDescriptor, message: &DynamicMessage, into: &mut Vec<u8>) {
    let mut inner = Vec::with_capacity(message.encoded_len());
    write(message, &mut inner);
    encode_key(field.number(), WireType::LengthDelimited, into);
    encode_varint(inner.len() as u64, into);
    into.extend_from_slice(&inner);
}

fn alone(message: &DynamicMessage, field: &FieldDescriptor, value: &Value, into: &mut Vec<u8>) {
    let mut one = DynamicMessage::new(message.descriptor());
    one.set_field(field, value.clone());
    into.extend(one.encode_to_vec());
}
