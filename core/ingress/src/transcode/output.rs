// SPDX-License-Identifier: Apache-2.0
//! Replies as bodies: proto3 JSON with defaults, or the bytes of a `google.api.HttpBody`.

use adjoin_engine::Element;
use adjoin_entity::spec::Answers;
use adjoin_model::{Error, Result};
use bytes::Bytes;
use http::HeaderValue;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::transcode::binding::{Binding, is_http_body};
use crate::transcode::input::HTTP_BODY;
use crate::transcode::{print, reference};

/// The body of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) data: Bytes,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Whether replies are bodies as they are. The reference proxy of the Cloudstate protocol shows a field of a reply as JSON
/// in any case.
pub(crate) fn is_raw(binding: &Binding) -> bool {
    match &binding.response {
        None => binding.served.method.output.full_name() == HTTP_BODY,
        Some(field) => binding.served.answers == Answers::Adjoin && is_http_body(field),
    }
}

/// The body for an encoded reply.
///
/// # Errors
/// `Protocol` when the function's bytes are no such message: the command itself has ended well.
pub(crate) fn of(binding: &Binding, reply: &[u8]) -> Result<Output> {
    let output = &binding.served.method.output;
    let message = DynamicMessage::decode(output.clone(), reply).map_err(|_| unfit(output.full_name()))?;
    if is_raw(binding) {
        let field = binding.response.as_ref().map(|field| message.get_field(field));
        let inner = field.as_deref().and_then(prost_reflect::Value::as_message);
        return Ok(raw(inner.unwrap_or(&message)));
    }
    let data = match (&binding.response, binding.served.answers) {
        (None, _) => print::message(&message),
        (Some(field), Answers::Adjoin) => print::field(&message, field),
        (Some(field), Answers::Cloudstate) => reference::field(&message, field),
    };
    let data = data.ok_or_else(|| unfit(output.full_name()))?;
    Ok(Output { content_type: Some(JSON), data: data.into() })
}

/// What the first element of a stream of bodies says of their type: a Cloudstate function's beside it, another's in it.
pub(crate) fn content_type(binding: &Binding, element: &Element) -> Option<HeaderValue> {
    match binding.served.answers {
        Answers::Cloudstate => {
            let said = element.metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            said.and_then(|(_, kind)| HeaderValue::from_str(kind).ok())
        }
        Answers::Adjoin => of(binding, &element.payload.as_ref()?.data).ok()?.content_type,
    }
}

/// The JSON of a whole encoded message.
///
/// # Errors
/// As [`of`].
pub(crate) fn whole(output: &MessageDescriptor, reply: &[u8]) -> Result<Bytes> {
    let unfit = || unfit(output.full_name());
    let message = DynamicMessage::decode(output.clone(), reply).map_err(|_| unfit())?;
    print::message(&message).map(Bytes::from).ok_or_else(unfit)
}

fn unfit(name: &str) -> Error {
    Error::protocol(format!("the function's reply is no {name}; the command itself has ended well"))
}

fn raw(message: &DynamicMessage) -> Output {
    let content_type = message.get_field_by_number(1).and_then(|value| HeaderValue::from_str(value.as_str()?).ok());
    let data = message.get_field_by_number(2).and_then(|value| value.as_bytes().cloned());
    Output { content_type: content_type.filter(|value| !value.is_empty()), data: data.unwrap_or_default() }
}
