// SPDX-License-Identifier: Apache-2.0
//! Messages of the protocol as scenarios write them.

use serde_json::{Value, json};

/// A message as it travels in others: its type, and its fields.
pub(crate) fn any(kind: &str, fields: &Value) -> Value {
    let mut all = json!({"@type": format!("type.googleapis.com/{kind}")});
    if let (Some(all), Some(fields)) = (all.as_object_mut(), fields.as_object()) {
        all.extend(fields.clone());
    }
    all
}

/// A well-known type, whose JSON form stands under `value`.
pub(crate) fn empty() -> Value {
    json!({"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}})
}

/// The client action that answers this.
pub(crate) fn reply(payload: Value) -> Value {
    json!({"reply": {"payload": payload}})
}

/// The client action that hands the command on.
pub(crate) fn forward(service: &str, command: &str, payload: Value) -> Value {
    json!({"forward": {"serviceName": service, "commandName": command, "payload": payload}})
}

/// One side effect.
pub(crate) fn effect(service: &str, command: &str, payload: Value, synchronous: bool) -> Value {
    json!({"serviceName": service, "commandName": command, "payload": payload, "synchronous": synchronous})
}

/// Two objects as one; what the second has counts.
pub(crate) fn with(mut one: Value, two: &Value) -> Value {
    if let (Some(one), Some(two)) = (one.as_object_mut(), two.as_object()) {
        one.extend(two.clone());
    }
    one
}
