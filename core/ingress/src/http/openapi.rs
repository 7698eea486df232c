// SPDX-License-Identifier: Apache-2.0
//! `/openapi.json`: the HTTP API of every entity type as OpenAPI 3.1.

use adjoin_entity::spec::{EntityType, Handler};
use serde_json::{Map, Value, json};

use crate::http::index;
use crate::routes::{Route, Table, TypeRoutes};
use crate::schema::hoist::Hoist;
use crate::schema::node::Node;
use crate::schema::shape::{Basic, Shape, parameters};
use crate::transcode;

/// The document as JSON text.
pub(crate) fn document(table: &Table) -> String {
    let mut hoist = Hoist::default();
    let mut paths = Map::new();
    for routes in table.types() {
        for route in routes.iter() {
            let handler = route.handler();
            let path = format!("/{}/{{key}}/{}", routes.entity_type.name, handler.name);
            paths.insert(path, operations(route, handler, &mut hoist));
        }
    }
    let mut schemas: Map<String, Value> = hoist.moved.into_iter().collect();
    transcode::describe(&table.contracts().router, &mut paths, &mut schemas);
    schemas.insert(PROBLEM.into(), problem_schema());
    let services =
        table.contracts().services.iter().map(|name| json!({"name": name, "description": "by its contract"}));
    let tags: Vec<Value> = table.types().map(|routes| tag(routes)).chain(services).collect();
    let document = json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": "adjoin", "version": env!("CARGO_PKG_VERSION"),
            "description": "The entity types of this service: commands by POST, queries by GET or POST."},
        "tags": tags,
        "paths": paths,
        "components": {"schemas": schemas, "parameters": fixed_parameters(), "headers": fixed_headers(), "responses": {
            "Problem": {"description": "What went wrong, by RFC 9457.", "content": {"application/problem+json":
                {"schema": {"$ref": "#/components/schemas/adjoin.Problem"}}}}}},
    });
    document.to_string()
}

const PROBLEM: &str = "adjoin.Problem";

fn tag(routes: &TypeRoutes) -> Value {
    let EntityType { name, kind, summary, .. } = &*routes.entity_type;
    let kind = index::kind(*kind);
    let description = if summary.is_empty() { kind.to_owned() } else { format!("{summary} ({kind})") };
    json!({"name": &**name, "description": description})
}

fn operations(route: &Route, handler: &Handler, hoist: &mut Hoist) -> Value {
    let input = Node::parse(&handler.input_schema).unwrap_or(Node::Null);
    let owner = &*route.entity_type.name;
    let id = format!("{owner}.{}", handler.name);
    let mut post = operation(route, handler, &id, hoist);
    if handler.query {
        post["operationId"] = format!("{id}.post").into();
    }
    if let Some(body) = request_body(handler, &input, owner, hoist) {
        post["requestBody"] = body;
    }
    let mut operations = json!({"parameters": [{"$ref": "#/components/parameters/key"}], "post": post});
    if handler.query {
        let mut get = operation(route, handler, &id, hoist);
        if let Some(list) = get["parameters"].as_array_mut() {
            list.extend(query_parameters(&input, owner, hoist));
        }
        operations["get"] = get;
    }
    operations
}

fn operation(route: &Route, handler: &Handler, id: &str, hoist: &mut Hoist) -> Value {
    let mut fixed = vec!["requestTimeout"];
    if handler.query {
        fixed.extend(["watch", "lastEventId"]);
    } else {
        fixed.push("idempotencyKey");
    }
    if route.has_state() {
        fixed.push("ifMatch");
    }
    let fixed: Vec<Value> =
        fixed.iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")})).collect();
    let mut operation = json!({
        "operationId": id,
        "tags": [&*route.entity_type.name],
        "parameters": fixed,
        "responses": {"200": answer(route, handler, hoist), "default": {"$ref": "#/components/responses/Problem"}},
    });
    if !handler.summary.is_empty() {
        operation["summary"] = handler.summary.clone().into();
    }
    operation
}

fn answer(route: &Route, handler: &Handler, hoist: &mut Hoist) -> Value {
    let schema = match Node::parse(&handler.output_schema) {
        Ok(node) => hoist.schema(&node, &route.entity_type.name),
        Err(_) => json!({}),
    };
    let text = json!({"schema": {"type": "string", "description": "Each event's data is one such value."}});
    let mut content = Map::new();
    if handler.streamed_out {
        content.insert("application/x-ndjson".into(), json!({"schema": schema}));
        content.insert("text/event-stream".into(), text);
        return json!({"description": "The elements of the reply.", "content": content});
    }
    content.insert("application/json".into(), json!({"schema": schema}));
    if handler.query {
        content.insert("text/event-stream".into(), text);
    }
    let mut answer = json!({"description": "The result.", "content": content});
    if route.has_state() {
        answer["headers"] = json!({"ETag": {"$ref": "#/components/headers/ETag"}});
    }
    answer
}

fn request_body(handler: &Handler, input: &Node, owner: &str, hoist: &mut Hoist) -> Option<Value> {
    let kind = if handler.streamed_in { "application/x-ndjson" } else { "application/json" };
    let (schema, required) = match parameters(input) {
        None => (json!({}), false),
        Some(parameters) if parameters.is_empty() => return None,
        Some(parameters) => {
            let required = parameters.len() == 1 && !parameters[0].1.nullable;
            (hoist.schema(input, owner), required)
        }
    };
    Some(json!({"required": required, "content": {kind: {"schema": schema}}}))
}

fn query_parameters(input: &Node, owner: &str, hoist: &mut Hoist) -> Vec<Value> {
    let Some(found) = parameters(input) else { return Vec::new() };
    if let [(_, shape)] = found.as_slice()
        && !shape.properties().is_empty()
    {
        let fields =
            shape.properties().iter().map(|(name, node)| (name.as_str(), shape.at(node), node, shape.requires(name)));
        return fields
            .map(|(name, shape, node, required)| parameter(input, name, shape, node, required, owner, hoist))
            .collect();
    }
    let single = found.len() == 1;
    let parameters = found.iter().map(|(name, shape)| {
        let node = if single { input } else { input.field("properties").field(name) };
        let required = if single { !shape.nullable } else { Shape::of(input, input).requires(name) };
        (*name, *shape, node, required)
    });
    parameters
        .map(|(name, shape, node, required)| parameter(input, name, shape, node, required, owner, hoist))
        .collect()
}

fn parameter(
    input: &Node,
    name: &str,
    shape: Shape<'_>,
    node: &Node,
    required: bool,
    owner: &str,
    hoist: &mut Hoist,
) -> Value {
    let schema = hoist.part(input, node, owner);
    let scalar = |basic| matches!(basic, Basic::Text | Basic::Integer | Basic::Number | Basic::Bool);
    let by_name = scalar(shape.basic()) || (shape.basic() == Basic::List && scalar(shape.items().basic()));
    let mut parameter = json!({"name": name, "in": "query", "required": required});
    if by_name {
        parameter["schema"] = schema;
    } else {
        parameter["content"] = json!({"application/json": {"schema": schema}});
    }
    parameter
}

fn fixed_parameters() -> Value {
    let header = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema});
    json!({
        "key": {"name": "key", "in": "path", "required": true, "description": "The entity's key, percent-encoded.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 1024}},
        "watch": {"name": "watch", "in": "query", "required": false, "allowEmptyValue": true,
            "description": "The answer now and after every change, as server-sent events.", "schema": {"type": "boolean"}},
        "lastEventId": header("last-event-id", "A watch goes on after this sequence.", json!({"type": "integer", "minimum": 0})),
        "idempotencyKey": header("idempotency-key", "Makes the command safe to send again.",
            json!({"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[ -~]+$"})),
        "ifMatch": header("if-match", "Run only at this sequence, an ETag of an earlier answer; else 412.",
            json!({"type": "string", "pattern": "^\"[0-9]{1,19}\"$"})),
        "requestTimeout": header("request-timeout", "Seconds that the caller waits.",
            json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000})),
    })
}

fn fixed_headers() -> Value {
    json!({"ETag": {"description": "The entity's sequence that the answer rests on.",
        "schema": {"type": "string", "pattern": "^\"[0-9]+\"$"}}})
}

fn problem_schema() -> Value {
    let kinds: Vec<&str> = adjoin_model::Kind::ALL.iter().map(|kind| kind.name()).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "kind", "code", "outcome", "context"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What happened, where, and what to do."},
            "kind": {"enum": kinds},
            "code": {"type": "string", "description": "The canonical code of gRPC."},
            "outcome": {"enum": ["none", "unknown"], "description": "Only after none may it be sent again without a key."},
            "context": {"type": "object", "additionalProperties": {"type": "string"}},
            "retryAfterMs": {"type": "integer", "minimum": 0},
        },
    })
}
