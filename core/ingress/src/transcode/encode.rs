// SPDX-License-Identifier: Apache-2.0
//! Messages as bytes, the same ones for the same message: an idempotency key stands for its payload. Only within
//! an `Any`, or a group of proto2, may the entries of a map come in another order the next time.

use std::collections::HashMap;

use adjoin_contract::Method;
use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, ReflectMessage as _, Value};

/// Encodes an input of a method, maps in the order of their keys.
pub(crate) fn encode(method: &Method, message: &DynamicMessage) -> Bytes {
    if !method.holds_maps {
        return message.encode_to_vec().into();
    }
    let mut made = Vec::with_capacity(message.encoded_len());
    write(message, &mut made);
    made.into()
}

fn write(message: &DynamicMessage, into: &mut Vec<u8>) {
    let one = |set: &dyn Fn(&mut DynamicMessage)| {
        let mut one = DynamicMessage::new(message.descriptor());
        set(&mut one);
        one.encode_to_vec()
    };
    for (field, value) in message.fields() {
        match value {
            Value::Map(entries) => map(&field, entries, into),
            value if !field.is_group() && messages(field.number(), value, into) => {}
            value => into.extend(one(&|one| one.set_field(&field, value.clone()))),
        }
    }
    for (extension, value) in message.extensions() {
        if extension.is_group() || !messages(extension.number(), value, into) {
            into.extend(one(&|one| one.set_extension(&extension, value.clone())));
        }
    }
}

fn map(field: &FieldDescriptor, entries: &HashMap<MapKey, Value>, into: &mut Vec<u8>) {
    let mut entries: Vec<(&MapKey, &Value)> = entries.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    for (key, value) in entries {
        if let Some(entry) = entry(field, key, value) {
            nested(field.number(), &entry, into);
        }
    }
}

fn entry(field: &FieldDescriptor, key: &MapKey, value: &Value) -> Option<DynamicMessage> {
    let mut entry = DynamicMessage::new(field.kind().as_message()?.clone());
    entry.try_set_field_by_number(1, key.clone().into()).ok()?;
    entry.try_set_field_by_number(2, value.clone()).ok()?;
    Some(entry)
}

/// Writes a message, or each of a list of them; says whether the value is one of these.
fn messages(number: u32, value: &Value, into: &mut Vec<u8>) -> bool {
    let all = match value {
        Value::Message(_) => std::slice::from_ref(value),
        Value::List(list) => list,
        _ => return false,
    };
    let is_scalar = all.first().is_none_or(|first| first.as_message().is_none());
    if is_scalar {
        return false;
    }
    all.iter().filter_map(Value::as_message).for_each(|inner| nested(number, inner, into));
    true
}

fn nested(number: u32, message: &DynamicMessage, into: &mut Vec<u8>) {
    let mut inner = Vec::with_capacity(message.encoded_len());
    write(message, &mut inner);
    encode_key(number, WireType::LengthDelimited, into);
    encode_varint(inner.len() as u64, into);
    into.extend_from_slice(&inner);
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_contract::{Contract, Limits};

    fn method(name: &str) -> Method {
        let mut compiler = protox::Compiler::new(["../contract/tests/protos"]).expect("a folder");
        compiler.include_imports(true).open_file("maps.proto").expect("sound files");
        let contract = Contract::parse(&compiler.encode_file_descriptor_set().into(), &Limits::default());
        let contract = contract.expect("a contract");
        contract.service("maps.Maps").and_then(|maps| maps.method(name)).expect("a method").clone()
    }

    fn back(method: &Method, json: &str) -> DynamicMessage {
        let mut reader = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize(method.input.clone(), &mut reader).expect("a message");
        let bytes = encode(method, &message);
        assert_eq!(bytes.len(), message.encoded_len());
        let read = DynamicMessage::decode(method.input.clone(), bytes).expect("its own bytes");
        assert_eq!(read, message);
        read
    }

    #[test]
    fn nothing_is_lost_on_the_way() {
        back(&method("OfPlain"), r#"{"text":"a","again":{"again":{"text":"b"}}}"#);
        back(&method("OfOuter"), r#"{"inner":[{"holder":{"counts":{"a":1,"b":0}}},{},{"outer":{"inner":[{}]}}]}"#);
        let open = r#"{"text":"a","plain":{"x":{"text":"y"},"z":{}},"[maps.more]":"b","[maps.numbers]":[1,2],
            "[maps.held]":{"counts":{"b":2,"a":1},"text":"c"}}"#;
        assert_eq!(back(&method("OfOpen"), open).extensions().count(), 3);
        back(&method("OfExtended"), r#"{"[maps.late]":{"counts":{"a":1}}}"#);
    }

    #[test]
    fn a_map_within_an_extension_is_in_order_too() {
        let method = method("OfExtended");
        let entries: Vec<String> = (0..50).map(|n| format!("\"{n}\":{n}")).collect();
        let encoded = |entries: Vec<String>| {
            let json = format!(r#"{{"[maps.late]":{{"counts":{{{}}}}}}}"#, entries.join(","));
            let mut reader = serde_json::Deserializer::from_str(&json);
            encode(&method, &DynamicMessage::deserialize(method.input.clone(), &mut reader).expect("a message"))
        };
        assert_eq!(encoded(entries.clone()), encoded(entries.into_iter().rev().collect()));
    }
}
