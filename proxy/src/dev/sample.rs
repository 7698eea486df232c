// SPDX-License-Identifier: Apache-2.0
//! A first call to try, made from what the function declares.

use std::net::SocketAddr;

use adjoin_entity::spec::{EntityKind, EntityType};
use serde_json::{Map, Value};

/// How deep a sample follows a schema; a recursive one has no end.
const DEPTH: usize = 6;

/// A curl line for the first command of a type, with a body that fits its schema as far as that can be told.
pub(crate) fn curl(listen: SocketAddr, entity_type: &EntityType) -> Option<String> {
    let handler = entity_type.handlers.iter().find(|handler| !handler.query && !handler.streamed_in)?;
    let key = if entity_type.kind == EntityKind::Action { "any" } else { "ada" };
    let url = format!("http://{listen}/{}/{key}/{}", entity_type.name, handler.name);
    let body = serde_json::from_str(&handler.input_schema).ok().and_then(|schema| body(&schema));
    match body {
        Some(body) => Some(format!("curl {url} --json '{}'", body.to_string().replace('\'', "'\\''"))),
        None => Some(format!("curl -X POST {url}")),
    }
}

fn body(schema: &Value) -> Option<Value> {
    let parameters = schema.get("x-adjoin-params").and_then(Value::as_array);
    if parameters.is_some_and(Vec::is_empty) {
        return None;
    }
    Some(sample(schema, schema, DEPTH))
}

fn sample(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#')) {
        return root.pointer(target).map_or(Value::Null, |target| sample(target, root, depth - 1));
    }
    let given = ["default", "const"].iter().find_map(|word| schema.get(word));
    let listed = ["examples", "enum"].iter().find_map(|word| schema.get(word)?.get(0));
    if let Some(value) = given.or(listed) {
        return value.clone();
    }
    if let Some(first) = ["anyOf", "oneOf", "allOf"].iter().find_map(|word| schema.get(word)?.get(0)) {
        return sample(first, root, depth - 1);
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => object(schema, root, depth),
        Some("array") => Value::Array(schema.get("items").map(|it| sample(it, root, depth - 1)).into_iter().collect()),
        Some("string") => "text".into(),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("boolean") => true.into(),
        _ => Value::Null,
    }
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let fields = schema.get("properties").and_then(Value::as_object);
    let entries = fields.into_iter().flatten().map(|(name, field)| (name.clone(), sample(field, root, depth - 1)));
    Value::Object(entries.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sample_fits_its_schema() {
        let schema = json!({
            "$ref": "#/$defs/Item",
            "x-adjoin-params": ["item"],
            "$defs": { "Item": { "type": "object", "properties": {
                "product": { "type": "string" }, "qty": { "type": "integer", "default": 3 },
                "tags": { "type": "array", "items": { "anyOf": [{ "type": "boolean" }] } } } } }
        });
        assert_eq!(body(&schema), Some(json!({ "product": "text", "qty": 3, "tags": [true] })));
    }

    #[test]
    fn a_command_without_parameters_has_no_body() {
        assert_eq!(body(&json!({ "x-adjoin-params": [] })), None);
    }

    #[test]
    fn a_recursive_schema_ends() {
        let schema = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
        assert!(body(&schema).is_some());
    }
}
