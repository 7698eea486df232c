// SPDX-License-Identifier: Apache-2.0
//! What `response_body` names, as the reference proxy of the Cloudstate protocol shows it: a message as the JSON of a
//! message, anything else made into a `google.protobuf.Value` first. There every number is a double, bytes are text, and
//! only fields that are set are shown.

use std::fmt::Write as _;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, Value};

use crate::transcode::print;

/// One field of a reply.
pub(crate) fn field(message: &DynamicMessage, field: &FieldDescriptor) -> Option<Vec<u8>> {
    let value = message.get_field(field);
    if let Value::Message(inner) = &*value {
        return print::message(inner);
    }
    let mut made = String::new();
    write(&field.kind(), &value, &mut made)?;
    Some(made.into_bytes())
}

fn write(kind: &Kind, value: &Value, into: &mut String) -> Option<()> {
    match value {
        Value::Bool(value) => write!(into, "{value}").ok(),
        Value::I32(value) => number(f64::from(*value), into),
        Value::U32(value) => number(f64::from(*value), into),
        #[expect(clippy::cast_precision_loss, reason = "as the reference does")]
        Value::I64(value) => number(*value as f64, into),
        #[expect(clippy::cast_precision_loss, reason = "as the reference does")]
        Value::U64(value) => number(*value as f64, into),
        Value::F32(value) => number(f64::from(*value), into),
        Value::F64(value) => number(*value, into),
        Value::String(value) => text(value, into),
        Value::Bytes(value) => text(&String::from_utf8_lossy(value), into),
        Value::EnumNumber(number) => match kind.as_enum().and_then(|of| of.get_value(*number)) {
            Some(value) => text(value.name(), into),
            None => text(&format!("UNKNOWN_ENUM_VALUE_{}_{number}", kind.as_enum()?.name()), into),
        },
        Value::Message(message) => {
            let fields = message.fields().map(|(field, value)| (field.json_name().to_owned(), field.kind(), value));
            object(fields, into)
        }
        Value::List(values) => list(values.iter(), into, |value, into| write(kind, value, into)),
        Value::Map(entries) => {
            let entry = kind.as_message()?;
            let (key, value) = (entry.get_field(1)?.kind(), entry.get_field(2)?.kind());
            list(print::sorted(entries).into_iter(), into, |(name, held), into| {
                let name = value_of(name);
                object([("key".to_owned(), key.clone(), &name), ("value".to_owned(), value.clone(), held)], into)
            })
        }
    }
}

fn value_of(key: &MapKey) -> Value {
    key.clone().into()
}

fn object<'a>(fields: impl IntoIterator<Item = (String, Kind, &'a Value)>, into: &mut String) -> Option<()> {
    into.push('{');
    for (at, (name, kind, value)) in fields.into_iter().enumerate() {
        if at > 0 {
            into.push(',');
        }
        text(&name, into)?;
        into.push(':');
        write(&kind, value, into)?;
    }
    into.push('}');
    Some(())
}

fn list<T>(
    values: impl Iterator<Item = T>,
    into: &mut String,
    mut each: impl FnMut(T, &mut String) -> Option<()>,
) -> Option<()> {
    into.push('[');
    for (at, value) in values.enumerate() {
        if at > 0 {
            into.push(',');
        }
        each(value, into)?;
    }
    into.push(']');
    Some(())
}

fn text(text: &str, into: &mut String) -> Option<()> {
    into.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}

/// A double as Java writes it: `7.0`, `1.5E10`.
fn number(number: f64, into: &mut String) -> Option<()> {
    if !number.is_finite() {
        return text(print::beyond(number), into);
    }
    let plain = number == 0.0 || (1e-3..1e7).contains(&number.abs());
    if plain {
        return write!(into, "{number:?}").ok();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e')?;
    let point = if digits.contains('.') { "" } else { ".0" };
    write!(into, "{digits}{point}E{exponent}").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_does() {
        let cases = [
            (7.0, "7.0"),
            (-0.5, "-0.5"),
            (0.0, "0.0"),
            (0.001, "0.001"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (-12_345_678.5, "-1.23456785E7"),
            (0.000_12, "1.2E-4"),
            (f64::INFINITY, "\"Infinity\""),
        ];
        for (given, expected) in cases {
            let mut made = String::new();
            number(given, &mut made).expect("written");
            assert_eq!(made, expected);
        }
    }
}
