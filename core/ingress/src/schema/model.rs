// SPDX-License-Identifier: Apache-2.0
//! Derived messages and services, before they become descriptors or text.

use std::sync::Arc;

use adjoin_entity::spec::EntityType;

use crate::schema::lock::{Lock, Numbers};

/// The type of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Uint32,
    Bool,
    Text,
    Bytes,
    /// A derived message, by full name.
    Message(String),
    Timestamp,
    Struct,
    Value,
}

/// How often a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// Once; its default counts as said.
    Once,
    /// Once or not at all.
    Optional,
    Repeated,
    /// A value for each of several texts.
    Map,
    /// One of the fields of the message stands.
    OneOf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Its name in JSON.
    pub(crate) json: String,
    pub(crate) kind: Type,
    pub(crate) label: Label,
    /// JSON must have it: absent is written as `null`, a list as `[]`.
    pub(crate) required: bool,
    /// A union's variant: the tag's value.
    pub(crate) tag: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// With its package.
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    /// A union by a tag: the tag's name in the JSON of each variant.
    pub(crate) tag: Option<String>,
    pub(crate) numbers: Numbers,
    pub(crate) comment: String,
}

impl Message {
    /// The name without its package.
    pub(crate) fn short(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    pub(crate) fn number(&self, field: &Field) -> u32 {
        // Every field was numbered when the message was made.
        self.numbers.get(&field.name).copied().unwrap_or_default()
    }
}

/// A call of a derived service.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    /// `AddItem`, or `WatchContents`.
    pub(crate) name: String,
    /// The handler's name.
    pub(crate) handler: Arc<str>,
    pub(crate) watch: bool,
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) streamed_in: bool,
    pub(crate) streamed_out: bool,
    pub(crate) comment: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) entity_type: Arc<EntityType>,
    /// Without its package.
    pub(crate) name: String,
    pub(crate) methods: Vec<Method>,
}

/// One file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    /// Empty for types without one.
    pub(crate) name: String,
    pub(crate) services: Vec<Service>,
    pub(crate) messages: Vec<Message>,
}

impl Package {
    pub(crate) fn file(&self) -> String {
        if self.name.is_empty() {
            "entities.proto".into()
        } else {
            format!("{}/entities.proto", self.name.replace('.', "/"))
        }
    }

    /// The full name of something in it.
    pub(crate) fn full(&self, name: &str) -> String {
        if self.name.is_empty() { name.into() } else { format!("{}.{name}", self.name) }
    }
}

/// Everything derived from a spec.
#[derive(Clone, Debug, Default)]
pub(crate) struct Derived {
    pub(crate) packages: Vec<Package>,
    /// The lock it was made with, and what had to be added.
    pub(crate) lock: Lock,
    /// What could not be derived, and why.
    pub(crate) notes: Vec<String>,
}
