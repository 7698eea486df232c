// SPDX-License-Identifier: Apache-2.0
//! The message of a request: its body, its query and its path.

use std::sync::Arc;

use adjoin_model::{Error, Result};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};

use crate::http::json;
use crate::http::query::Pairs;
use crate::transcode::binding::{Binding, BodyRule};
use crate::transcode::encode::encode;
use crate::transcode::fields;
use crate::transcode::router;

/// Values of one body: a small one costs some hundred bytes once it is a message.
const VALUES: usize = 1_000_000;

pub(crate) const HTTP_BODY: &str = "google.api.HttpBody";

/// What a request says beside its body.
pub(crate) struct Input {
    binding: Arc<Binding>,
    captures: Vec<String>,
    pairs: Vec<(String, String)>,
    content_type: String,
    json_depth: u8,
}

impl Input {
    /// # Errors
    /// `Invalid` for a broken escape.
    pub(crate) fn new(
        binding: Arc<Binding>,
        path: &str,
        pairs: &Pairs<'_>,
        headers: &HeaderMap,
        json_depth: u8,
    ) -> Result<Self> {
        let captures = router::captures(&binding, path)?;
        let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.as_deref().unwrap_or("").to_owned()));
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        Ok(Self { binding, captures, pairs: pairs.collect(), content_type, json_depth })
    }

    /// The encoded message.
    ///
    /// # Errors
    /// `Invalid` for what the message cannot hold.
    pub(crate) fn message(&self, body: Bytes) -> Result<Bytes> {
        let mut message = self.of_body(body)?;
        if self.binding.body != BodyRule::Whole {
            self.query(&mut message)?;
        }
        for (path, text) in self.binding.variables.iter().zip(&self.captures) {
            fields::set(&mut message, path, text)?;
        }
        Ok(encode(&self.binding.served.method, &message))
    }

    fn of_body(&self, body: Bytes) -> Result<DynamicMessage> {
        let input = &self.binding.served.method.input;
        match &self.binding.body {
            BodyRule::None => Ok(DynamicMessage::new(input.clone())),
            BodyRule::Whole if input.full_name() == HTTP_BODY => Ok(self.http_body(input, body)),
            BodyRule::Whole => json(input, None, &body, self.json_depth),
            BodyRule::Field(field) => match field.kind().as_message() {
                Some(message) if message.full_name() == HTTP_BODY && !field.is_list() => {
                    let mut made = DynamicMessage::new(input.clone());
                    made.set_field(field, Value::Message(self.http_body(message, body)));
                    Ok(made)
                }
                _ => json(input, Some(field.json_name()), &body, self.json_depth),
            },
        }
    }

    /// A body as it is.
    fn http_body(&self, of: &MessageDescriptor, body: Bytes) -> DynamicMessage {
        let mut made = DynamicMessage::new(of.clone());
        let set = [(1, Value::String(self.content_type.clone())), (2, Value::Bytes(body))];
        for (number, value) in set {
            // A HttpBody of somebody else's making may have other fields; those stay empty.
            let _ = made.try_set_field_by_number(number, value);
        }
        made
    }

    fn query(&self, message: &mut DynamicMessage) -> Result<()> {
        let mut given: Vec<String> = Vec::new();
        for (name, text) in &self.pairs {
            let invalid = |said: String| Error::invalid(said).at("parameter", cut(name));
            let path = fields::find(&self.binding.served.method.input, name).map_err(invalid)?;
            let full = path.iter().map(|field| field.number().to_string()).collect::<Vec<_>>().join(".");
            let once = path.last().is_some_and(|field| !field.is_list());
            if once && given.contains(&full) {
                return Err(invalid("this parameter stands twice".into()));
            }
            given.push(full);
            fields::set(message, &path, text)?;
        }
        Ok(())
    }
}

/// JSON of the whole message, or of one field. An empty body is an empty message.
pub(crate) fn json(of: &MessageDescriptor, field: Option<&str>, body: &[u8], depth: u8) -> Result<DynamicMessage> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(DynamicMessage::new(of.clone()));
    }
    json::check(body, depth)?;
    check_values(body)?;
    let wrapped;
    let text = match field {
        None => body,
        // It is one JSON value, so it can say nothing about other fields.
        Some(name) => {
            wrapped = [b"{\"", name.as_bytes(), b"\":", body, b"}"].concat();
            &wrapped
        }
    };
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = DynamicMessage::deserialize(of.clone(), &mut reader);
    read.map_err(|error| Error::invalid(format!("the body is no {}: {}", of.full_name(), cut(&error.to_string()))))
}

/// Counts what may become a value, before anything does.
fn check_values(body: &[u8]) -> Result<()> {
    let (mut values, mut in_text, mut escaped) = (0usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    if values <= VALUES { Ok(()) } else { Err(Error::invalid(format!("a body has at most {VALUES} values here"))) }
}

/// Words of a client, cut to what fits a message.
fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}
