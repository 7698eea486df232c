// SPDX-License-Identifier: Apache-2.0
//! Messages as proto3 JSON, defaults written out, maps in the order of their keys: the same text for the same message.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, SerializeOptions, Value};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq as _, Serializer};

use crate::transcode::fields::is_wrapper;

/// Messages within messages at most. Decoding bounds those of one message by 100, but each `Any` is decoded by itself.
const DEEPEST: u8 = 200;

/// A message as JSON; none for what has no such form, such as an `Any` of an unknown type.
pub(crate) fn message(message: &DynamicMessage) -> Option<Vec<u8>> {
    serde_json::to_vec(&Shown { it: message, left: DEEPEST }).ok()
}

/// One field as JSON; `null` for one that is not set.
pub(crate) fn field(message: &DynamicMessage, field: &FieldDescriptor) -> Option<Vec<u8>> {
    if field.supports_presence() && !message.has_field(field) {
        return Some(b"null".to_vec());
    }
    let value = message.get_field(field);
    serde_json::to_vec(&Shown { it: &(&*value, &field.kind()), left: DEEPEST }).ok()
}

/// Something that has a JSON form, with how many messages it may hold in each other.
struct Shown<'a, T> {
    it: &'a T,
    left: u8,
}

/// A value and what its field says it is.
type Typed<'a> = (&'a Value, &'a Kind);

impl Serialize for Shown<'_, DynamicMessage> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Some(left) = self.left.checked_sub(1) else { return Err(S::Error::custom("too many within each other")) };
        let descriptor = self.it.descriptor();
        let name = descriptor.full_name();
        match name.strip_prefix("google.protobuf.") {
            Some("Any") => any(self.it, to, left),
            Some("Struct" | "ListValue") => inner(self.it, to, left),
            Some("Value") => value(self.it, to, left),
            Some("Timestamp" | "Duration" | "FieldMask" | "Empty") => {
                self.it.serialize_with_options(to, &SerializeOptions::new())
            }
            Some(_) if is_wrapper(&descriptor) => inner(self.it, to, left),
            _ => {
                let mut map = to.serialize_map(None)?;
                fields(&mut map, self.it, left)?;
                map.end()
            }
        }
    }
}

/// A message that stands for its one field.
fn inner<S: Serializer>(message: &DynamicMessage, to: S, left: u8) -> Result<S::Ok, S::Error> {
    let Some(field) = message.descriptor().get_field(1) else { return to.serialize_none() };
    Shown { it: &(&*message.get_field(&field), &field.kind()), left }.serialize(to)
}

fn fields<M: SerializeMap>(map: &mut M, message: &DynamicMessage, left: u8) -> Result<(), M::Error> {
    for field in message.descriptor().fields() {
        if !field.supports_presence() || message.has_field(&field) {
            let value = message.get_field(&field);
            map.serialize_entry(field.json_name(), &Shown { it: &(&*value, &field.kind()), left })?;
        }
    }
    for (extension, value) in message.extensions() {
        map.serialize_entry(extension.json_name(), &Shown { it: &(value, &extension.kind()), left })?;
    }
    Ok(())
}

/// The message within, beside its type. One that is empty is an empty object.
fn any<S: Serializer>(message: &DynamicMessage, to: S, left: u8) -> Result<S::Ok, S::Error> {
    let said: prost_types::Any = message.transcode_to().map_err(S::Error::custom)?;
    let mut map = to.serialize_map(None)?;
    if said == prost_types::Any::default() {
        return map.end();
    }
    let name = said.type_url.rsplit_once('/').map_or(&*said.type_url, |(_, name)| name);
    let known = message.descriptor().parent_pool().get_message_by_name(name);
    let Some(known) = known else { return Err(S::Error::custom("an Any of a type that is not known")) };
    let inner = DynamicMessage::decode(known, &*said.value).map_err(S::Error::custom)?;
    map.serialize_entry("@type", &said.type_url)?;
    if has_own_form(name, &inner) {
        map.serialize_entry("value", &Shown { it: &inner, left })?;
    } else {
        fields(&mut map, &inner, left)?;
    }
    map.end()
}

fn has_own_form(name: &str, message: &DynamicMessage) -> bool {
    const OWN: [&str; 8] = ["Any", "Duration", "Empty", "FieldMask", "ListValue", "Struct", "Timestamp", "Value"];
    name.strip_prefix("google.protobuf.").is_some_and(|short| OWN.contains(&short)) || is_wrapper(&message.descriptor())
}

/// A `google.protobuf.Value`: whatever it holds.
fn value<S: Serializer>(message: &DynamicMessage, to: S, left: u8) -> Result<S::Ok, S::Error> {
    match message.fields().next() {
        None => to.serialize_none(),
        Some((_, Value::F64(number))) if !number.is_finite() => {
            Err(S::Error::custom("a Value holds no number that JSON has not"))
        }
        Some((field, value)) => Shown { it: &(value, &field.kind()), left }.serialize(to),
    }
}

impl Serialize for Shown<'_, Typed<'_>> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (value, kind) = *self.it;
        let left = self.left;
        match value {
            Value::Bool(value) => to.serialize_bool(*value),
            Value::I32(value) => to.serialize_i32(*value),
            Value::U32(value) => to.serialize_u32(*value),
            Value::I64(value) => to.collect_str(value),
            Value::U64(value) => to.collect_str(value),
            Value::F32(value) if value.is_finite() => to.serialize_f32(*value),
            Value::F32(value) => to.serialize_str(beyond(f64::from(*value))),
            Value::F64(value) if value.is_finite() => to.serialize_f64(*value),
            Value::F64(value) => to.serialize_str(beyond(*value)),
            Value::String(value) => to.serialize_str(value),
            Value::Bytes(value) => to.collect_str(&Base64Display::new(value, &STANDARD)),
            Value::EnumNumber(number) => enumerated(*number, kind, to),
            Value::Message(message) => Shown { it: message, left }.serialize(to),
            Value::List(values) => {
                let mut list = to.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Shown { it: &(value, kind), left })?;
                }
                list.end()
            }
            Value::Map(entries) => {
                let mut map = to.serialize_map(Some(entries.len()))?;
                let of = kind.as_message().and_then(|entry| entry.get_field(2)).map(|value| value.kind());
                let Some(of) = of else { return Err(S::Error::custom("a map without values")) };
                for (key, value) in sorted(entries) {
                    map.serialize_entry(&text_of(key), &Shown { it: &(value, &of), left })?;
                }
                map.end()
            }
        }
    }
}

fn enumerated<S: Serializer>(number: i32, kind: &Kind, to: S) -> Result<S::Ok, S::Error> {
    match kind.as_enum() {
        Some(of) if of.full_name() == "google.protobuf.NullValue" => to.serialize_none(),
        of => match of.and_then(|of| of.get_value(number)) {
            Some(value) => to.serialize_str(value.name()),
            None => to.serialize_i32(number),
        },
    }
}

/// How proto3 JSON writes a number that JSON has not.
pub(super) fn beyond(number: f64) -> &'static str {
    match number {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

/// The entries of a map, always in the same order.
pub(super) fn sorted(entries: &HashMap<MapKey, Value>) -> Vec<(&MapKey, &Value)> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

fn text_of(key: &MapKey) -> Cow<'_, str> {
    match key {
        MapKey::Bool(key) => key.to_string().into(),
        MapKey::I32(key) => key.to_string().into(),
        MapKey::I64(key) => key.to_string().into(),
        MapKey::U32(key) => key.to_string().into(),
        MapKey::U64(key) => key.to_string().into(),
        MapKey::String(key) => key.as_str().into(),
    }
}
