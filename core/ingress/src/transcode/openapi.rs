// SPDX-License-Identifier: Apache-2.0
//! Contract-first methods in the OpenAPI document.

use std::collections::{BTreeSet, HashMap};

use adjoin_entity::spec::Answers;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::transcode::binding::{Binding, BodyRule};
use crate::transcode::fields::{Path, is_scalar, wrapped};
use crate::transcode::output;
use crate::transcode::router::Router;
use crate::transcode::template::Segment;

/// HTTP methods that a path item has a place for.
const OPERATIONS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];

/// The methods of a rule for any.
const ANY: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "PATCH"];

/// Segments that are added, at most, to tell a rule that ends in `**` from others.
const ADDED: usize = 8;

/// Adds the paths of every rule, and the schemas that they need.
pub(crate) fn describe(router: &Router, paths: &mut Map<String, Value>, schemas: &mut Map<String, Value>) {
    let mut wanted = Schemas::default();
    let mut bindings = Vec::new();
    router.each(|binding| bindings.push(binding.clone()));
    // The more exact rules first: they are met first, and take their places first.
    let rank = |binding: &Binding| (binding.verb == "*", ends_in_rest(binding));
    bindings.sort_by(|left, right| (rank(left), &left.path, &left.verb).cmp(&(rank(right), &right.path, &right.verb)));
    let mut spellings = Spellings::of(paths);
    for binding in &bindings {
        let verbs = if binding.verb == "*" { ANY.to_vec() } else { vec![binding.verb.as_str()] };
        for verb in verbs.into_iter().filter(|verb| OPERATIONS.contains(verb)) {
            place(binding, verb, paths, &mut spellings, &mut wanted);
        }
    }
    while let Some(message) = wanted.open.pop() {
        let schema = message_schema(&message, &mut wanted);
        schemas.insert(message.full_name().into(), schema);
    }
}

fn ends_in_rest(binding: &Binding) -> bool {
    binding.template.segments.last() == Some(&Segment::Rest)
}

/// Puts an operation where its path is. Of a rule that ends in `**` that may be a path of more segments, if others have
/// the shorter ones: it is met there.
fn place(
    binding: &Binding,
    verb: &str,
    paths: &mut Map<String, Value>,
    spellings: &mut Spellings,
    wanted: &mut Schemas,
) {
    let rest = ends_in_rest(binding);
    let mut pieces = pieces(binding, wanted);
    let method = verb.to_ascii_lowercase();
    for added in 1..=ADDED {
        let path = spellings.spell(&mut pieces, binding.template.verb.as_deref());
        let item = paths.entry(path).or_insert_with(|| json!({}));
        if item.get(&method).is_none() || !(rest || binding.verb == "*") {
            item[method] = operation(binding, verb, &pieces, wanted);
            return;
        }
        if !rest {
            return;
        }
        pieces.push(Piece::parameter(format!("more{added}"), json!({"type": "string"}), None));
    }
}

/// A segment of a path.
enum Piece {
    Literal(String),
    Parameter { name: String, schema: Value, said: Option<String> },
}

impl Piece {
    fn parameter(name: String, schema: Value, said: Option<String>) -> Self {
        Self::Parameter { name, schema, said }
    }
}

/// The names of parameters by the form of the path that they stand in: OpenAPI takes two paths that differ in names only
/// for one.
struct Spellings(HashMap<String, Vec<String>>);

impl Spellings {
    fn of(paths: &Map<String, Value>) -> Self {
        let name = |segment: &str| segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')).map(str::to_owned);
        let form =
            |path: &str| path.split('/').map(|one| name(one).map_or(one, |_| "{}")).collect::<Vec<_>>().join("/");
        Self(paths.keys().map(|path| (form(path), path.split('/').filter_map(name).collect())).collect())
    }

    /// The path; its parameters get the names that they have in the first path of this form.
    fn spell(&mut self, pieces: &mut [Piece], verb: Option<&str>) -> String {
        let end = verb.map_or(String::new(), |verb| format!(":{verb}"));
        let form = path(pieces, |_| "{}".into()) + &end;
        let own = pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Parameter { name, .. } => Some(name.clone()),
        });
        let mut names = self.0.entry(form).or_insert_with(|| own.collect()).iter();
        for piece in pieces.iter_mut() {
            if let Piece::Parameter { name, .. } = piece
                && let Some(known) = names.next()
            {
                name.clone_from(known);
            }
        }
        path(pieces, |name| format!("{{{name}}}")) + &end
    }
}

fn path(pieces: &[Piece], parameter: impl Fn(&str) -> String) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Literal(text) => format!("/{text}"),
        Piece::Parameter { name, .. } => format!("/{}", parameter(name)),
    };
    if pieces.is_empty() { "/".into() } else { pieces.iter().map(text).collect() }
}

/// The segments of a rule's path. OpenAPI knows parameters of one segment only: a variable of several is its literals and
/// one parameter for each `*`.
fn pieces(binding: &Binding, schemas: &mut Schemas) -> Vec<Piece> {
    let template = &binding.template;
    let is_free = |segment: &&Segment| !matches!(segment, Segment::Literal(_));
    let mut piece = |(at, segment): (usize, &Segment)| {
        if let Segment::Literal(text) = segment {
            return Piece::Literal(text.clone());
        }
        let said = (*segment == Segment::Rest).then(|| "What is left of the path, in one or more segments.".to_owned());
        let text = json!({"type": "string"});
        let variables = template.variables.iter().zip(&binding.variables);
        let Some((variable, path)) = variables.into_iter().find(|(one, _)| (one.from..one.to).contains(&at)) else {
            return Piece::parameter(format!("segment{at}"), text, said);
        };
        let segments = &template.segments[variable.from..variable.to];
        if segments.len() == 1 {
            let schema = path.last().map_or(text, |field| field_schema(field, schemas));
            return Piece::parameter(variable.field.clone(), schema, said);
        }
        let place = segments[..=at - variable.from].iter().filter(is_free).count();
        let name = if segments.iter().filter(is_free).count() == 1 {
            variable.field.clone()
        } else {
            format!("{}.{place}", variable.field)
        };
        Piece::parameter(name, text, said.or_else(|| Some(format!("A part of {}.", variable.field))))
    };
    template.segments.iter().enumerate().map(&mut piece).collect()
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

fn operation(binding: &Binding, verb: &str, pieces: &[Piece], schemas: &mut Schemas) -> Value {
    let served = &binding.served;
    let (service, method) = served.path.trim_start_matches('/').split_once('/').unwrap_or_default();
    let failure = match served.answers {
        Answers::Adjoin => json!({"$ref": "#/components/responses/Problem"}),
        Answers::Cloudstate => {
            json!({"description": "What went wrong.", "content": {"text/plain": {"schema": {"type": "string"}}}})
        }
    };
    let mut made = json!({
        "operationId": format!("{service}.{method}.{}", id_of(binding, verb)),
        "tags": [service],
        "parameters": parameters(binding, pieces, schemas),
        "responses": {"200": {"description": "The reply.", "content": reply(binding, schemas)}, "default": failure},
    });
    if let Some(content) = body(binding, schemas) {
        made["requestBody"] = json!({"required": false, "content": content});
    }
    made
}

/// One method may have several ways: an operation is named by its own.
fn id_of(binding: &Binding, verb: &str) -> String {
    let path = binding.path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    format!("{}{}", verb.to_ascii_lowercase(), path.collect::<String>())
}

fn body(binding: &Binding, schemas: &mut Schemas) -> Option<Value> {
    let schema = match &binding.body {
        BodyRule::None => return None,
        _ if binding.takes_raw() => return Some(json!({"*/*": {}})),
        BodyRule::Whole => well_known(&binding.served.method.input, schemas),
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
        None => well_known(&binding.served.method.output, schemas),
        Some(field) => field_schema(field, schemas),
    };
    let text = json!({"schema": {"type": "string", "description": "Each event's data is one such value."}});
    match (binding.served.method.server_streaming, binding.served.answers) {
        (false, _) => json!({"application/json": {"schema": schema}}),
        (true, Answers::Adjoin) => {
            let lines = json!({"schema": schema});
            json!({"application/x-ndjson": lines, "application/json": lines, "text/event-stream": text})
        }
        (true, Answers::Cloudstate) => json!({"application/json": {"schema": schema}, "text/event-stream": text}),
    }
}

fn parameters(binding: &Binding, pieces: &[Piece], schemas: &mut Schemas) -> Vec<Value> {
    let mut made = Vec::new();
    for piece in pieces {
        if let Piece::Parameter { name, schema, said } = piece {
            let mut one = json!({"name": name, "in": "path", "required": true, "schema": schema});
            if let Some(said) = said {
                one["description"] = json!(said);
            }
            made.push(one);
        }
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
        _ => match wrapped(message) {
            Some(field) => kind_schema(&field.kind(), schemas),
            None => schemas.reference(message),
        },
    }
}
