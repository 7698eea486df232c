// SPDX-License-Identifier: Apache-2.0
//! Contract-first methods in the OpenAPI document.

use std::collections::BTreeSet;

use adjoin_entity::spec::Answers;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::transcode::binding::{Binding, BodyRule};
use crate::transcode::fields::{Path, is_scalar};
use crate::transcode::output;
use crate::transcode::router::Router;
use crate::transcode::template::Segment;

/// HTTP methods that a path item has a place for.
const OPERATIONS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];

/// Adds the paths of every rule, and the schemas that they need.
pub(crate) fn describe(router: &Router, paths: &mut Map<String, Value>, schemas: &mut Map<String, Value>) {
    let mut wanted = Schemas::default();
    let mut bindings = Vec::new();
    router.each(|binding| bindings.push(binding.clone()));
    bindings.sort_by(|left, right| (&left.path, &left.verb).cmp(&(&right.path, &right.verb)));
    for binding in bindings.iter().filter(|binding| OPERATIONS.contains(&&*binding.verb)) {
        let item = paths.entry(path(binding)).or_insert_with(|| json!({}));
        item[binding.verb.to_ascii_lowercase()] = operation(binding, &mut wanted);
    }
    while let Some(message) = wanted.open.pop() {
        let schema = message_schema(&message, &mut wanted);
        schemas.insert(message.full_name().into(), schema);
    }
}

/// Messages that a reference leads to.
#[derive(Default)]
struct Schemas {
    known: BTreeSet<String>,
    open: Vec<MessageDescriptor>,
}

impl Schemas {
    fn reference(&mut self, message: &MessageDescriptor) -> Value {
        if self.known.insert(message.full_name().into()) {
            self.open.push(message.clone());
        }
        json!({"$ref": format!("#/components/schemas/{}", message.full_name())})
    }
}

/// `/v1/{name}:verb`: OpenAPI knows variables of one segment only, so each stands for all that it holds.
fn path(binding: &Binding) -> String {
    let template = &binding.template;
    let mut made = String::new();
    let mut at = 0;
    while at < template.segments.len() {
        made.push('/');
        let variable = template.variables.iter().find(|variable| variable.from == at);
        match (variable, &template.segments[at]) {
            (Some(variable), _) => {
                made.push_str(&format!("{{{}}}", variable.field));
                at = variable.to;
                continue;
            }
            (None, Segment::Literal(text)) => made.push_str(text),
            (None, Segment::One | Segment::Rest) => made.push_str(&format!("{{segment{at}}}")),
        }
        at += 1;
    }
    if made.is_empty() {
        made.push('/');
    }
    if let Some(verb) = &template.verb {
        made.push(':');
        made.push_str(verb);
    }
    made
}

fn operation(binding: &Binding, schemas: &mut Schemas) -> Value {
    let served = &binding.served;
    let (service, method) = served.path.trim_start_matches('/').split_once('/').unwrap_or_default();
    let failure = match served.answers {
        Answers::Adjoin => json!({"$ref": "#/components/responses/Problem"}),
        Answers::Cloudstate => {
            json!({"description": "What went wrong.", "content": {"text/plain": {"schema": {"type": "string"}}}})
        }
    };
    let mut made = json!({
        "operationId": format!("{service}.{method}.{}", id_of(binding)),
        "tags": [service],
        "parameters": parameters(binding, schemas),
        "responses": {"200": {"description": "The reply.", "content": reply(binding, schemas)}, "default": failure},
    });
    if let Some(content) = body(binding, schemas) {
        made["requestBody"] = json!({"required": false, "content": content});
    }
    made
}

/// One method may have several ways: an operation is named by its own.
fn id_of(binding: &Binding) -> String {
    let path = binding.path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    format!("{}{}", binding.verb.to_ascii_lowercase(), path.collect::<String>())
}

fn body(binding: &Binding, schemas: &mut Schemas) -> Option<Value> {
    let schema = match &binding.body {
        BodyRule::None => return None,
        _ if binding.takes_raw() => return Some(json!({"*/*": {}})),
        BodyRule::Whole => schemas.reference(&binding.served.method.input),
        BodyRule::Field(field) => field_schema(field, schemas),
    };
    let kind = if binding.served.method.client_streaming { "application/x-ndjson" } else { "application/json" };
    Some(json!({kind: {"schema": schema}}))
}

fn reply(binding: &Binding, schemas: &mut Schemas) -> Value {
    if output::is_raw(binding) {
        return json!({"*/*": {}});
    }
    let schema = match &binding.response {
        None => schemas.reference(&binding.served.method.output),
        Some(field) => field_schema(field, schemas),
    };
    let text = json!({"schema": {"type": "string", "description": "Each event's data is one such value."}});
    match (binding.served.method.server_streaming, binding.served.answers) {
        (false, _) => json!({"application/json": {"schema": schema}}),
        (true, Answers::Adjoin) => json!({"application/x-ndjson": {"schema": schema}, "text/event-stream": text}),
        (true, Answers::Cloudstate) => json!({"application/json": {"schema": schema}, "text/event-stream": text}),
    }
}

fn parameters(binding: &Binding, schemas: &mut Schemas) -> Vec<Value> {
    let mut made = Vec::new();
    for (variable, path) in binding.template.variables.iter().zip(&binding.variables) {
        let schema = path.last().map_or(json!({}), |field| field_schema(field, schemas));
        made.push(json!({"name": variable.field, "in": "path", "required": true, "schema": schema}));
    }
    let covered =
        |at: usize| binding.template.variables.iter().any(|variable| (variable.from..variable.to).contains(&at));
    let free = binding.template.segments.iter().enumerate().filter(|(at, _)| !covered(*at));
    for (at, _) in free.filter(|(_, segment)| !matches!(segment, Segment::Literal(_))) {
        made.push(
            json!({"name": format!("segment{at}"), "in": "path", "required": true, "schema": {"type": "string"}}),
        );
    }
    if binding.body != BodyRule::Whole {
        for path in queried(binding) {
            let name = path.iter().map(FieldDescriptor::name).collect::<Vec<_>>().join(".");
            let schema = path.last().map_or(json!({}), |field| field_schema(field, schemas));
            made.push(json!({"name": name, "in": "query", "required": false, "schema": schema}));
        }
    }
    made
}

/// Fields that a query can set, those of messages in the input included.
fn queried(binding: &Binding) -> Vec<Path> {
    let mut found = Vec::new();
    let taken = |path: &Path| binding.variables.contains(path) || binding.body == BodyRule::Field(path[0].clone());
    for field in binding.served.method.input.fields() {
        let inner = field.kind().as_message().filter(|_| !field.is_list() && !field.is_map()).cloned();
        match inner {
            _ if is_scalar(&field) => found.push(vec![field]),
            Some(message) => {
                let inner = message.fields().filter(is_scalar);
                found.extend(inner.map(|inner| vec![field.clone(), inner]));
            }
            None => {}
        }
    }
    found.retain(|path| !taken(path));
    found
}

fn message_schema(message: &MessageDescriptor, schemas: &mut Schemas) -> Value {
    let fields = message.fields().map(|field| (field.json_name().to_owned(), field_schema(&field, schemas)));
    let properties: Map<String, Value> = fields.collect();
    json!({"type": "object", "properties": properties})
}

fn field_schema(field: &FieldDescriptor, schemas: &mut Schemas) -> Value {
    if field.is_map() {
        let value = field.kind().as_message().and_then(|entry| entry.get_field(2));
        let value = value.map_or(json!({}), |value| kind_schema(&value.kind(), schemas));
        return json!({"type": "object", "additionalProperties": value});
    }
    let one = kind_schema(&field.kind(), schemas);
    if field.is_list() { json!({"type": "array", "items": one}) } else { one }
}

fn kind_schema(kind: &Kind, schemas: &mut Schemas) -> Value {
    match kind {
        Kind::Double | Kind::Float => json!({"type": "number"}),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
        Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({"type": "string", "format": "int64"}),
        Kind::Uint64 | Kind::Fixed64 => json!({"type": "string", "format": "uint64"}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::String => json!({"type": "string"}),
        Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Kind::Enum(of) if of.full_name() == "google.protobuf.NullValue" => json!({"type": "null"}),
        Kind::Enum(of) => {
            let names: BTreeSet<String> = of.values().map(|value| value.name().to_owned()).collect();
            json!({"type": "string", "enum": names})
        }
        Kind::Message(message) => well_known(message, schemas),
    }
}

/// Messages of `google.protobuf` have JSON forms of their own.
fn well_known(message: &MessageDescriptor, schemas: &mut Schemas) -> Value {
    match message.full_name().strip_prefix("google.protobuf.") {
        Some("Timestamp") => json!({"type": "string", "format": "date-time"}),
        Some("Duration") => json!({"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$"}),
        Some("FieldMask") => json!({"type": "string"}),
        Some("Struct" | "Any" | "Empty") => json!({"type": "object"}),
        Some("ListValue") => json!({"type": "array", "items": {}}),
        Some("Value") => json!({}),
        Some(name) if name.ends_with("Value") => {
            message.get_field(1).map_or(json!({}), |field| kind_schema(&field.kind(), schemas))
        }
        _ => schemas.reference(message),
    }
}
