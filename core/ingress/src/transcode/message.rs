// SPDX-License-Identifier: Apache-2.0
//! Messages of a method as JSON, where no rule says how they travel.

use adjoin_contract::Method;
use adjoin_model::{Error, Result};
use bytes::Bytes;

use crate::transcode::encode::encode;
use crate::transcode::{fields, input, output};

/// The encoded input that one JSON value says; nothing says an empty one. `key` is the entity's, where there is one: it
/// fills the field that the body leaves out.
///
/// # Errors
/// `Invalid` for what the message cannot hold, and for one that names another entity.
pub(crate) fn read(method: &Method, body: &[u8], depth: u8, key: Option<&str>) -> Result<Bytes> {
    let mut message = input::json(&method.input, None, body, depth)?;
    let Some(key) = key else { return Ok(encode(method, &message)) };
    if let [field] = &method.key_fields[..]
        && let Some(field) = method.input.get_field(field.number)
        && !message.has_field(&field)
    {
        fields::set(&mut message, &[field], key)?;
    }
    let encoded = encode(method, &message);
    let named = method.key(&encoded)?;
    if named != key {
        let said = "the body names another entity than the call: say the same in both, or leave the body's out";
        return Err(Error::invalid(said).at("message", method.input.full_name()));
    }
    Ok(encoded)
}

/// An encoded output as JSON, defaults written out.
///
/// # Errors
/// `Protocol` when the function's bytes are no such message.
pub(crate) fn show(method: &Method, reply: &[u8]) -> Result<Bytes> {
    output::whole(&method.output, reply)
}
