// SPDX-License-Identifier: Apache-2.0
//! The key of an entity, read from an encoded message without building it.

use std::fmt::Write as _;

use adjoin_model::{Error, Result};
use bytes::{Buf, Bytes};
use prost::encoding::{self, WireType};
use prost_reflect::{FieldDescriptor, Kind, Value};

use crate::scan::next;

/// A field of a method's input that is a part of the key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyField {
    /// The field's name in the `.proto`.
    pub name: String,
    /// Its number.
    pub number: u32,
    kind: Kind,
    default: Value,
}

impl KeyField {
    /// # Errors
    /// `Invalid` for a field whose value has no stable text: bytes, messages, lists.
    pub(crate) fn new(field: &FieldDescriptor) -> Result<Self> {
        let no_text = matches!(field.kind(), Kind::Bytes | Kind::Message(_)) || field.is_list() || field.is_map();
        if no_text {
            let name = field.full_name();
            return Err(Error::invalid(format!("{name} cannot be an entity key: use a string or a number, once")));
        }
        let (name, number) = (field.name().to_owned(), field.number());
        Ok(Self { name, number, kind: field.kind(), default: field.default_value() })
    }

    fn accepts(&self, wire: WireType) -> bool {
        wire == self.kind.wire_type()
    }

    fn write(&self, body: Option<&Bytes>, out: &mut String) -> Result<()> {
        match body {
            None => write_value(&self.kind, &self.default, out),
            Some(body) => write_value(&self.kind, &self.read(body)?, out),
        }
        Ok(())
    }

    fn read(&self, body: &Bytes) -> Result<Value> {
        let broken = || Error::invalid(format!("the key field {} cannot be read", self.name));
        let mut body = body.clone();
        let value = match &self.kind {
            Kind::String => Value::String(std::str::from_utf8(&body).map_err(|_| broken())?.into()),
            Kind::Double => Value::F64(body.try_get_f64_le().map_err(|_| broken())?),
            Kind::Float => Value::F32(body.try_get_f32_le().map_err(|_| broken())?),
            Kind::Fixed32 => Value::U32(body.try_get_u32_le().map_err(|_| broken())?),
            Kind::Fixed64 => Value::U64(body.try_get_u64_le().map_err(|_| broken())?),
            Kind::Sfixed32 => Value::I32(body.try_get_i32_le().map_err(|_| broken())?),
            Kind::Sfixed64 => Value::I64(body.try_get_i64_le().map_err(|_| broken())?),
            kind => from_varint(kind, encoding::decode_varint(&mut body).map_err(|_| broken())?),
        };
        Ok(value)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "protobuf truncates varints so")]
fn from_varint(kind: &Kind, varint: u64) -> Value {
    match kind {
        Kind::Bool => Value::Bool(varint != 0),
        Kind::Int32 => Value::I32(varint as i32),
        Kind::Uint32 => Value::U32(varint as u32),
        Kind::Int64 => Value::I64(varint as i64),
        Kind::Sint32 => Value::I64(zigzag(u64::from(varint as u32))),
        Kind::Sint64 => Value::I64(zigzag(varint)),
        Kind::Enum(_) => Value::EnumNumber(varint as i32),
        _ => Value::U64(varint),
    }
}

#[expect(clippy::cast_possible_wrap, reason = "zigzag is defined so")]
fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Text as it is, numbers in decimal, `true` and `false`, the name of an enum's value.
fn write_value(kind: &Kind, value: &Value, out: &mut String) {
    let written = match value {
        Value::String(text) => {
            out.push_str(text);
            Ok(())
        }
        Value::Bool(value) => write!(out, "{value}"),
        Value::I32(value) => write!(out, "{value}"),
        Value::I64(value) => write!(out, "{value}"),
        Value::U32(value) => write!(out, "{value}"),
        Value::U64(value) => write!(out, "{value}"),
        Value::F32(value) => write!(out, "{value:?}"),
        Value::F64(value) => write!(out, "{value:?}"),
        Value::EnumNumber(number) => match kind.as_enum().and_then(|list| list.get_value(*number)) {
            Some(value) => write!(out, "{}", value.name()),
            None => write!(out, "{number}"),
        },
        // Refused when the field was made.
        Value::Bytes(_) | Value::Message(_) | Value::List(_) | Value::Map(_) => Ok(()),
    };
    debug_assert!(written.is_ok(), "text takes everything");
}

/// The key that an encoded message names: the values of its key fields, joined by `-`.
///
/// # Errors
/// `Invalid` for an empty key and for bytes that are no message.
pub(crate) fn key(fields: &[KeyField], payload: &Bytes) -> Result<String> {
    let mut bodies: Vec<Option<Bytes>> = vec![None; fields.len()];
    let mut bytes = payload.clone();
    while bytes.has_remaining() {
        let entry = next(&mut bytes)?;
        // Of a field that stands twice, the last one counts; one of another type is none.
        let at = fields.iter().position(|field| field.number == entry.tag && field.accepts(entry.wire));
        if let Some(at) = at {
            bodies[at] = Some(entry.body);
        }
    }
    let mut key = String::new();
    for (at, (field, body)) in fields.iter().zip(&bodies).enumerate() {
        if at > 0 {
            key.push('-');
        }
        field.write(body.as_ref(), &mut key)?;
    }
    if key.is_empty() {
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        return Err(Error::invalid(format!("the entity key is empty: set {}", names.join(", "))));
    }
    Ok(key)
}
