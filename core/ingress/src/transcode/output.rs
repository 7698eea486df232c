// SPDX-License-Identifier: Apache-2.0
//! Replies as bodies: proto3 JSON with defaults, or the bytes of a `google.api.HttpBody`.

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

fn field_json(message: &DynamicMessage, field: &FieldDescriptor) -> Option<Bytes> {
    let mut whole = message.serialize_with_options(serde_json::value::Serializer, &options()).ok()?;
    let value = whole.get_mut(field.json_name()).map(serde_json::Value::take);
    Some(value.unwrap_or_default().to_string().into())
}

fn raw(message: &DynamicMessage) -> Output {
    let content_type = message.get_field_by_number(1).and_then(|value| HeaderValue::from_str(value.as_str()?).ok());
    let data = message.get_field_by_number(2).and_then(|value| value.as_bytes().cloned());
    Output { content_type: content_type.filter(|value| !value.is_empty()), data: data.unwrap_or_default() }
}
