// SPDX-License-Identifier: Apache-2.0
//! gRPC services made of entity types: a method for each handler, and one that watches for each query.

use std::collections::HashSet;
use std::sync::Arc;

use adjoin_entity::spec::{EntityType, Handler};

use crate::schema::build::{Builder, Site};
use crate::schema::lock::Lock;
use crate::schema::model::{Derived, Field, Label, Method, Package, Service, Type};
use crate::schema::name::{package_and_service, pascal};
use crate::schema::node::Node;
use crate::schema::shape::{Shape, parameters};

/// Packages that are not the user's.
const OURS: [&str; 3] = ["adjoin", "google", "grpc"];

/// Derives every type that has at most `schema_bytes` of schemas.
pub(crate) fn derive(types: &[Arc<EntityType>], lock: &Lock, schema_bytes: usize) -> Derived {
    let mut derived = Derived { lock: lock.clone(), ..Derived::default() };
    for (name, types) in packages(types, schema_bytes, &mut derived.notes) {
        let package = package(name, &types, lock, &mut derived);
        derived.packages.push(package);
    }
    derived
}

/// One file that is being made, and where what it needs goes.
struct Writer<'a, 'l> {
    builder: Builder<'l>,
    notes: &'a mut Vec<String>,
}

fn packages(
    types: &[Arc<EntityType>],
    schema_bytes: usize,
    notes: &mut Vec<String>,
) -> Vec<(String, Vec<Arc<EntityType>>)> {
    let mut packages: Vec<(String, Vec<Arc<EntityType>>)> = Vec::new();
    let mut services = HashSet::new();
    for entity_type in types {
        let (package, service) = package_and_service(&entity_type.name);
        let why = if OURS.contains(&package.split('.').next().unwrap_or("")) {
            Some("its package is not free")
        } else if schemas(entity_type) > schema_bytes {
            Some("its schemas are too large")
        } else if !services.insert((package.clone(), service)) {
            Some("another type has the same name in protobuf")
        } else {
            None
        };
        if let Some(why) = why {
            notes.push(format!("{} has no gRPC service of its own: {why}", entity_type.name));
            continue;
        }
        match packages.iter_mut().find(|(name, _)| *name == package) {
            Some((_, types)) => types.push(entity_type.clone()),
            None => packages.push((package, vec![entity_type.clone()])),
        }
    }
    packages
}

fn schemas(entity_type: &EntityType) -> usize {
    entity_type.handlers.iter().map(|handler| handler.input_schema.len() + handler.output_schema.len()).sum()
}

fn package(name: String, types: &[Arc<EntityType>], lock: &Lock, derived: &mut Derived) -> Package {
    let mut package = Package { name, ..Package::default() };
    let names = types.iter().map(|entity_type| package.full(&package_and_service(&entity_type.name).1));
    let builder = Builder::new(lock, &package.name, names.collect::<Vec<_>>().into_iter());
    let mut writer = Writer { builder, notes: &mut derived.notes };
    // Those that own names of the lock come first, so that a new type takes none of them.
    let owns = |entity_type: &&Arc<EntityType>| {
        lock.owners.values().any(|owner| owner.split('/').next() == Some(&*entity_type.name))
    };
    let (first, later): (Vec<_>, Vec<_>) = types.iter().partition(owns);
    package.services = first.into_iter().chain(later).map(|entity_type| writer.service(entity_type)).collect();
    package.services.sort_by_key(|service| types.iter().position(|other| Arc::ptr_eq(other, &service.entity_type)));
    let Builder { messages, owners, .. } = writer.builder;
    for message in &messages {
        derived.lock.messages.insert(message.name.clone(), message.numbers.clone());
    }
    for (message, owner) in owners {
        derived.lock.owners.entry(message).or_insert(owner);
    }
    package.messages = messages;
    package
}

impl Writer<'_, '_> {
    fn service(&mut self, entity_type: &Arc<EntityType>) -> Service {
        let (_, name) = package_and_service(&entity_type.name);
        // A handler's own name goes before one that only watches.
        let own: HashSet<String> = entity_type.handlers.iter().map(|handler| pascal(&handler.name)).collect();
        let mut taken = HashSet::new();
        let mut methods = Vec::new();
        for handler in &entity_type.handlers {
            let site = Site { entity_type: &entity_type.name, service: &name, handler: &handler.name };
            let name = pascal(&handler.name);
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !taken.insert(name.clone()) {
                let said =
                    format!("{}.{} has no gRPC method: {name:?} is no free name", entity_type.name, handler.name);
                self.notes.push(said);
                continue;
            }
            let watch = format!("Watch{name}");
            methods.push(self.method(site, handler, name, false));
            if handler.query && !own.contains(&watch) {
                methods.push(self.method(site, handler, watch, true));
            }
        }
        Service { entity_type: entity_type.clone(), name, methods }
    }

    fn method(&mut self, site: Site<'_>, handler: &Handler, name: String, watch: bool) -> Method {
        let input = self.request(site, handler, &name);
        let output = self.response(site, handler, &name, watch);
        Method {
            input,
            output,
            handler: handler.name.clone(),
            watch,
            streamed_in: handler.streamed_in,
            streamed_out: handler.streamed_out || watch,
            comment: if watch {
                format!("The answer of {} now and after every change.", pascal(&handler.name))
            } else {
                handler.summary.clone()
            },
            name,
        }
    }

    fn request(&mut self, site: Site<'_>, handler: &Handler, method: &str) -> String {
        let node = Node::parse(&handler.input_schema).unwrap_or(Node::Null);
        let mut fields = vec![plain("key", Type::Text)];
        let parameters = parameters(&node);
        match &parameters {
            None => fields.push(Field { label: Label::Optional, ..plain("body", Type::Value) }),
            Some(parameters) => {
                let several = parameters.len() > 1;
                for (name, shape) in parameters {
                    let whole = Shape::of(&node, &node);
                    let required = !several || whole.requires(name);
                    let fallback = format!("{}{}", pascal(&handler.name), pascal(name));
                    fields.push(self.builder.field(site, name, *shape, required, &fallback));
                }
            }
        }
        distinct(&mut fields);
        self.builder.own(site, &format!("{method}Request"), String::new(), fields)
    }

    fn response(&mut self, site: Site<'_>, handler: &Handler, method: &str, watch: bool) -> String {
        let mut fields = Vec::new();
        match Node::parse(&handler.output_schema) {
            Err(_) => fields.push(plain("value", Type::Value)),
            Ok(node) if node.field("type").text() == Some("null") => {}
            Ok(node) => {
                let fallback = format!("{}Value", pascal(&handler.name));
                fields.push(self.builder.field(site, "value", Shape::of(&node, &node), true, &fallback));
            }
        }
        if watch {
            fields.push(plain("sequence", Type::Uint64));
        }
        self.builder.own(site, &format!("{method}Response"), String::new(), fields)
    }
}

fn plain(name: &str, kind: Type) -> Field {
    Field { name: name.into(), json: name.into(), kind, label: Label::Once, required: true, tag: String::new() }
}

/// A parameter called `key` stands behind the entity's key.
fn distinct(fields: &mut [Field]) {
    let mut taken = HashSet::new();
    for field in fields {
        while !taken.insert(field.name.clone()) {
            field.name.push('_');
        }
    }
}
