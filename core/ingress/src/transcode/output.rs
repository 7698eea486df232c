// SPDX-License-Identifier: Apache-2.0
//! Replies as bodies: proto3 JSON with defaults, or the bytes of a `google.api.HttpBody`.

use std::ops::Range;

use adjoin_model::{Error, Result};
use bytes::Bytes;
use http::HeaderValue;
use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, SerializeOptions};

use crate::transcode::binding::Binding;
use crate::transcode::input::HTTP_BODY;

/// The body of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) data: Bytes,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Whether replies are bodies as they are.
pub(crate) fn is_raw(binding: &Binding) -> bool {
    binding.served.method.output.full_name() == HTTP_BODY && binding.response.is_none()
}

/// The body for an encoded reply.
///
/// # Errors
/// `Protocol` when the function's bytes are no such message: the command itself has ended well.
pub(crate) fn of(binding: &Binding, reply: &[u8]) -> Result<Output> {
    let output = &binding.served.method.output;
    let message = DynamicMessage::decode(output.clone(), reply).map_err(|_| unfit(output.full_name()))?;
    if is_raw(binding) {
        return Ok(raw(&message));
    }
    let data = match &binding.response {
        None => json(&message),
        Some(field) => field_json(&message, field),
    };
    Ok(Output { content_type: Some(JSON), data: data.ok_or_else(|| unfit(output.full_name()))? })
}

/// The JSON of a whole encoded message.
///
/// # Errors
/// As [`of`].
pub(crate) fn whole(output: &MessageDescriptor, reply: &[u8]) -> Result<Bytes> {
    let unfit = || unfit(output.full_name());
    let message = DynamicMessage::decode(output.clone(), reply).map_err(|_| unfit())?;
    json(&message).ok_or_else(unfit)
}

fn unfit(name: &str) -> Error {
    Error::protocol(format!("the function's reply is no {name}; the command itself has ended well"))
}

fn options() -> SerializeOptions {
    SerializeOptions::new().skip_default_fields(false)
}

fn json(message: &DynamicMessage) -> Option<Bytes> {
    let mut data = Vec::new();
    message.serialize_with_options(&mut serde_json::Serializer::new(&mut data), &options()).ok()?;
    Some(data.into())
}

/// The JSON of one field, as it stands in that of its message; `null` where that leaves it out.
fn field_json(message: &DynamicMessage, field: &FieldDescriptor) -> Option<Bytes> {
    let (whole, name) = (json(message)?, serde_json::to_vec(field.json_name()).ok()?);
    let value = value_of(&whole, &name).map(|place| whole.slice(place));
    Some(value.unwrap_or(Bytes::from_static(b"null")))
}

/// Where the value of a member stands in an object without white space; `name` with its quotes.
fn value_of(object: &[u8], name: &[u8]) -> Option<Range<usize>> {
    let mut from = 1;
    while object.first() == Some(&b'{') && from + 1 < object.len() {
        let colon = from + length(&object[from..]);
        let (begin, known) = (colon + 1, &object[from..colon]);
        let end = begin + length(object.get(begin..)?);
        if known == name {
            return Some(begin..end);
        }
        from = end + 1;
    }
    None
}

/// Bytes of the name or value at the begin: up to what separates it from the next.
fn length(json: &[u8]) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let ends = |byte: &u8| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'}' | b']' | b',' | b':' if depth == 0 => return true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        false
    };
    json.iter().position(ends).unwrap_or(json.len())
}

fn raw(message: &DynamicMessage) -> Output {
    let content_type = message.get_field_by_number(1).and_then(|value| HeaderValue::from_str(value.as_str()?).ok());
    let data = message.get_field_by_number(2).and_then(|value| value.as_bytes().cloned());
    Output { content_type: content_type.filter(|value| !value.is_empty()), data: data.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_whatever_stands_before_it() {
        let object = br#"{"a":"}\",:{","b":[{"c":1},[2]],"c":0.1,"\"d":{"c":{}},"e":null}"#;
        let found = |name: &str| value_of(object, name.as_bytes()).map(|place| &object[place]);
        assert_eq!(found("\"a\""), Some(&br#""}\",:{""#[..]));
        assert_eq!(found("\"b\""), Some(&br#"[{"c":1},[2]]"#[..]));
        assert_eq!(found("\"c\""), Some(&b"0.1"[..]));
        assert_eq!(found(r#""\"d""#), Some(&br#"{"c":{}}"#[..]));
        assert_eq!((found("\"e\""), found("\"f\"")), (Some(&b"null"[..]), None));
        for other in ["{}", "[1]", "\"c\"", "", "{", r#"{"a"#] {
            assert_eq!(value_of(other.as_bytes(), b"\"c\""), None, "{other}");
        }
    }
}
