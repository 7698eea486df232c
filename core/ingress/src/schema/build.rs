// SPDX-License-Identifier: Apache-2.0
//! Messages made of schemas: which type a field has, and which name a message gets and keeps.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::schema::lock::Lock;
use crate::schema::model::{Field, Label, Message, Type};
use crate::schema::name::{pascal, snake};
use crate::schema::node::Node;
use crate::schema::shape::{Basic, Shape};
use crate::schema::union::{Union, union};

/// Messages of one package.
pub(crate) struct Builder<'a> {
    lock: &'a Lock,
    package: String,
    /// Names that are taken, and the shape that took them.
    claims: HashMap<String, u64>,
    pub(crate) messages: Vec<Message>,
    pub(crate) owners: Vec<(String, String)>,
}

/// Whose messages are being made.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    /// `shop.Cart`.
    pub(crate) entity_type: &'a str,
    /// `Cart`.
    pub(crate) service: &'a str,
    /// `addItem`.
    pub(crate) handler: &'a str,
}

impl Site<'_> {
    fn owner(self) -> String {
        format!("{}/{}", self.entity_type, self.handler)
    }
}

impl<'a> Builder<'a> {
    /// `services` are names that messages cannot have.
    pub(crate) fn new(lock: &'a Lock, package: &str, services: impl Iterator<Item = String>) -> Self {
        let claims = services.map(|service| (service, 0)).collect();
        Self { lock, package: package.into(), claims, messages: Vec::new(), owners: Vec::new() }
    }

    fn full(&self, name: &str) -> String {
        if self.package.is_empty() { name.into() } else { format!("{}.{name}", self.package) }
    }

    /// Adds a message that nothing else shares, such as a request.
    pub(crate) fn own(&mut self, site: Site<'_>, name: &str, comment: String, fields: Vec<Field>) -> String {
        let mut hash = DefaultHasher::new();
        ("own", site.entity_type, site.handler, name).hash(&mut hash);
        let (full, plain) = self.claim(site, name, hash.finish());
        self.add(&full, &plain, comment, fields, None);
        full
    }

    fn add(&mut self, full: &str, plain: &str, comment: String, fields: Vec<Field>, tag: Option<String>) {
        let names: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
        let numbers = self.lock.number(full, Some(plain), &names);
        self.messages.push(Message { name: full.into(), fields, tag, numbers, comment });
    }

    /// A name for this shape, and the plainest one it could have had. One that another shape has taken gets the
    /// service in front; names of the lock stay with who has them.
    fn claim(&mut self, site: Site<'_>, name: &str, print: u64) -> (String, String) {
        let plain = self.full(name);
        let longer = self.full(&format!("{}{name}", pascal(site.service)));
        let longest = self.full(&format!("{}{}{name}", pascal(site.service), pascal(site.handler)));
        let numbered = (2..).map(|number| format!("{longest}{number}"));
        let all = [plain.clone(), longer, longest.clone()].into_iter().chain(numbered.take(64));
        let all: Vec<String> = all.collect();
        let free = |name: &&String| !self.claims.contains_key(*name);
        let owner = site.owner();
        let owned = |name: &&String| self.lock.owners.get(*name) == Some(&owner);
        let of_type = |name: &&String| {
            self.lock.owners.get(*name).is_some_and(|owner| owner.split('/').next() == Some(site.entity_type))
        };
        let chosen = all
            .iter()
            .find(|name| self.claims.get(*name) == Some(&print))
            .or_else(|| all.iter().filter(free).find(owned))
            .or_else(|| all.iter().filter(free).find(of_type))
            .or_else(|| all.iter().filter(free).find(|name| !self.lock.owners.contains_key(*name)))
            .or_else(|| all.iter().find(free))
            .unwrap_or(&longest)
            .clone();
        if self.claims.insert(chosen.clone(), print).is_none() {
            self.owners.push((chosen.clone(), owner));
        }
        (chosen, plain)
    }

    /// A field of this shape. `fallback` names its message where the schema names none.
    pub(crate) fn field(
        &mut self,
        site: Site<'_>,
        json: &str,
        shape: Shape<'_>,
        required: bool,
        fallback: &str,
    ) -> Field {
        let (kind, label) = match shape.basic() {
            Basic::List => (self.item(site, shape.items(), fallback), Label::Repeated),
            Basic::Object if is_map(shape) => {
                (self.item(site, shape.at(shape.node.field("additionalProperties")), fallback), Label::Map)
            }
            _ => {
                let label = if required && !shape.nullable { Label::Once } else { Label::Optional };
                (self.single(site, shape, fallback), label)
            }
        };
        Field { name: snake(json), json: json.into(), kind, label, required, tag: String::new() }
    }

    /// Fields by name, each name once.
    pub(crate) fn fields(&mut self, site: Site<'_>, shape: Shape<'_>, parent: &str) -> Vec<Field> {
        let mut taken = HashSet::new();
        let properties = shape.properties().iter();
        let fields = properties.map(|(json, node)| {
            let fallback = format!("{parent}{}", pascal(json));
            let mut field = self.field(site, json, shape.at(node), shape.requires(json), &fallback);
            distinct(&mut field.name, &mut taken);
            field
        });
        fields.collect()
    }

    /// An element of a list or a map, which can be neither itself, nor `null`.
    fn item(&mut self, site: Site<'_>, shape: Shape<'_>, fallback: &str) -> Type {
        let nested = shape.basic() == Basic::List || is_map(shape);
        if nested || shape.nullable { Type::Value } else { self.single(site, shape, fallback) }
    }

    pub(crate) fn single(&mut self, site: Site<'_>, shape: Shape<'_>, fallback: &str) -> Type {
        if let Some(union) = union(shape) {
            return self.union(site, shape, &union, fallback);
        }
        match shape.basic() {
            Basic::Bool => Type::Bool,
            Basic::Integer => integer(shape),
            Basic::Number if shape.node.field("format").text() == Some("float") => Type::Float,
            Basic::Number => Type::Double,
            Basic::Text => text(shape),
            Basic::Object if shape.node.get("properties").is_some() => self.object(site, shape, fallback),
            Basic::Object if !is_map(shape) => Type::Struct,
            Basic::Object | Basic::List | Basic::Null | Basic::Any => Type::Value,
        }
    }

    fn object(&mut self, site: Site<'_>, shape: Shape<'_>, fallback: &str) -> Type {
        let name = self.message_name(shape, fallback);
        let print = print(shape);
        let (full, plain) = self.claim(site, &name, print);
        if !self.is_made(&full) {
            // Stands there before its fields are made, since they may lead back to it.
            let comment = comment(shape.node);
            self.add(&full, &plain, comment.clone(), Vec::new(), None);
            let at = self.messages.len() - 1;
            let fields = self.fields(site, shape, &name);
            let names: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
            let numbers = self.lock.number(&full, Some(&plain), &names);
            self.messages[at] = Message { name: full.clone(), fields, tag: None, numbers, comment };
        }
        Type::Message(full)
    }

    fn union(&mut self, site: Site<'_>, shape: Shape<'_>, union: &Union<'_>, fallback: &str) -> Type {
        let name = self.message_name(shape, fallback);
        let (full, plain) = self.claim(site, &name, print(shape));
        if self.is_made(&full) {
            return Type::Message(full);
        }
        self.add(&full, &plain, String::new(), Vec::new(), None);
        let at = self.messages.len() - 1;
        let mut taken = HashSet::new();
        let variants = union.variants.iter().map(|(tag, variant)| {
            let mut field = self.field(site, tag, *variant, true, &format!("{name}{}", pascal(tag)));
            if matches!(field.label, Label::Repeated | Label::Map) {
                field.kind = Type::Value;
            }
            distinct(&mut field.name, &mut taken);
            Field { label: Label::OneOf, tag: tag.to_string(), ..field }
        });
        let fields: Vec<Field> = variants.collect();
        let names: Vec<&str> = fields.iter().map(|field| &*field.name).collect();
        let numbers = self.lock.number(&full, Some(&plain), &names);
        let tag = union.tag.map(ToOwned::to_owned);
        self.messages[at] = Message { name: full.clone(), fields, tag, numbers, comment: comment(shape.node) };
        Type::Message(full)
    }

    fn is_made(&self, full: &str) -> bool {
        self.messages.iter().any(|message| message.name == full)
    }

    fn message_name(&self, shape: Shape<'_>, fallback: &str) -> String {
        let named = shape.name.or_else(|| shape.node.field("title").text());
        let name = pascal(named.unwrap_or(fallback));
        let name = if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { pascal(fallback) };
        if name.is_empty() { "Value".into() } else { name }
    }
}

/// What a schema says for people.
pub(crate) fn comment(node: &Node) -> String {
    node.field("description").text().unwrap_or_default().to_owned()
}

fn distinct(name: &mut String, taken: &mut HashSet<String>) {
    while !taken.insert(name.clone()) {
        name.push('_');
    }
}

/// Texts to values of one shape.
fn is_map(shape: Shape<'_>) -> bool {
    shape.basic() == Basic::Object
        && shape.node.get("properties").is_none()
        && matches!(shape.node.field("additionalProperties"), Node::Fields(fields) if !fields.is_empty())
}

fn integer(shape: Shape<'_>) -> Type {
    let bound = |name| shape.node.field(name).number().and_then(serde_json::Number::as_i128);
    match (shape.node.field("format").text(), bound("minimum"), bound("maximum")) {
        (Some("int32" | "int16" | "int8"), ..) => Type::Int32,
        (Some("uint32" | "uint16" | "uint8"), ..) => Type::Uint32,
        (Some("uint64" | "uint"), ..) => Type::Uint64,
        (None, Some(least), Some(most)) if (least, most) == (i128::from(i32::MIN), i128::from(i32::MAX)) => Type::Int32,
        (None, Some(0), Some(most)) if most == i128::from(u32::MAX) => Type::Uint32,
        (None, Some(0), Some(most)) if most == i128::from(u64::MAX) => Type::Uint64,
        _ => Type::Int64,
    }
}

fn text(shape: Shape<'_>) -> Type {
    match (shape.node.field("format").text(), shape.node.field("contentEncoding").text()) {
        (Some("date-time"), _) => Type::Timestamp,
        (_, Some("base64")) | (Some("byte" | "binary" | "base64"), _) => Type::Bytes,
        _ => Type::Text,
    }
}

/// Stands for everything a shape says, references followed: equal prints are one message.
fn print(shape: Shape<'_>) -> u64 {
    let mut prints = HashMap::new();
    shape.print(&mut prints)
}
