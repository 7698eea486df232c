// SPDX-License-Identifier: Apache-2.0
//! Fields of a message, set from texts: parts of a path, parameters of a query.

use adjoin_model::{Error, Result};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// A field within messages, outermost first.
pub(crate) type Path = Vec<FieldDescriptor>;

/// Fields within fields at most: a name can be as long as an address, and a message of a type that holds itself has no
/// depth of its own.
const DEEPEST: usize = 64;

/// Finds `sender.name`, by the names in the `.proto` or in JSON.
///
/// # Errors
/// What stands in the way.
pub(crate) fn find(message: &MessageDescriptor, dotted: &str) -> core::result::Result<Path, String> {
    if dotted.split('.').nth(DEEPEST).is_some() {
        return Err(format!("a name goes at most {DEEPEST} fields deep"));
    }
    let mut path = Path::new();
    let mut within = Some(message.clone());
    for name in dotted.split('.') {
        let Some(message) = within else { return Err(format!("{dotted:?} goes into a field that is no message")) };
        let field = message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name));
        let Some(field) = field else { return Err(format!("{} has no field {name:?}", message.full_name())) };
        within = (!field.is_list() && !field.is_map()).then(|| field.kind().as_message().cloned()).flatten();
        path.push(field);
    }
    Ok(path)
}

/// Whether a field can be set from texts.
pub(crate) fn is_scalar(field: &FieldDescriptor) -> bool {
    !field.is_map()
        && match field.kind() {
            Kind::Message(message) => TEXTS.contains(&message.full_name()) || wrapped(&message).is_some(),
            _ => true,
        }
}

/// Messages whose JSON form is a string.
const TEXTS: [&str; 3] = ["google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"];

/// Whether this is a message of `google/protobuf/wrappers.proto`, whose JSON form is that of its value.
pub(crate) fn is_wrapper(message: &MessageDescriptor) -> bool {
    wrapped(message).is_some()
}

/// The value of a message of `google/protobuf/wrappers.proto`.
pub(crate) fn wrapped(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    let name = message.full_name().strip_prefix("google.protobuf.")?.strip_suffix("Value")?;
    let known = ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"];
    if known.contains(&name) { message.get_field(1) } else { None }
}

/// Sets a field, or adds to a repeated one.
///
/// # Errors
/// `Invalid` for a text that the field cannot hold, and for a field that is no scalar.
pub(crate) fn set(message: &mut DynamicMessage, path: &[FieldDescriptor], text: &str) -> Result<()> {
    let Some((last, outer)) = path.split_last() else { return Ok(()) };
    let mut within = message;
    for field in outer {
        within = match within.get_field_mut(field) {
            Value::Message(inner) => inner,
            _ => return Err(Error::invalid(format!("{} is no message", field.name()))),
        };
    }
    if !is_scalar(last) {
        return Err(Error::invalid(format!("{} is set in the body only", last.name())).at("field", last.full_name()));
    }
    let value = scalar(&last.kind(), text)
        .map_err(|said| Error::invalid(format!("{} is to be {said}", last.name())).at("field", last.full_name()))?;
    if last.is_list() {
        if let Value::List(list) = within.get_field_mut(last) {
            list.push(value);
        }
    } else {
        within.set_field(last, value);
    }
    Ok(())
}

/// # Errors
/// What the text should be.
fn scalar(kind: &Kind, text: &str) -> core::result::Result<Value, &'static str> {
    fn number<T: std::str::FromStr>(text: &str, said: &'static str) -> core::result::Result<T, &'static str> {
        // Rust takes more than proto3 JSON has.
        let proto3 = ["NaN", "Infinity", "-Infinity"].contains(&text)
            || text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        if proto3 && !text.starts_with('+') { text.parse().map_err(|_| said) } else { Err(said) }
    }
    const INTEGER: &str = "an integer of its size";
    Ok(match kind {
        Kind::String => Value::String(text.into()),
        Kind::Bool if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        Kind::Bool if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        Kind::Bool => return Err("true or false"),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number(text, INTEGER)?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number(text, INTEGER)?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number(text, INTEGER)?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number(text, INTEGER)?),
        Kind::Float => Value::F32(number(text, "a number")?),
        Kind::Double => Value::F64(number(text, "a number")?),
        Kind::Bytes => Value::Bytes(bytes(text).ok_or("base64")?.into()),
        Kind::Enum(of) => {
            let by_name = of.get_value_by_name(text).map(|value| value.number());
            Value::EnumNumber(by_name.map_or_else(|| number(text, "one of its names"), Ok)?)
        }
        Kind::Message(of) => return within(of, text),
    })
}

fn within(of: &MessageDescriptor, text: &str) -> core::result::Result<Value, &'static str> {
    if let Some(field) = wrapped(of) {
        let mut made = DynamicMessage::new(of.clone());
        made.set_field(&field, scalar(&field.kind(), text)?);
        return Ok(Value::Message(made));
    }
    let json = serde_json::Value::String(text.into());
    let said = match of.name() {
        "Timestamp" => "a time such as 2024-05-06T07:08:09Z",
        "Duration" => "a time span such as 1.5s",
        _ => "names of fields with commas between",
    };
    DynamicMessage::deserialize(of.clone(), json).map(Value::Message).map_err(|_| said)
}

/// Any base64: of either alphabet, with or without padding. A space has been a `+` in the address.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    let text: String =
        text.chars().map(|c| if c == ' ' { '+' } else { c }).filter(|c| !c.is_ascii_whitespace()).collect();
    GeneralPurpose::new(&alphabet, config).decode(text).ok()
}
