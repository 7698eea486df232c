// SPDX-License-Identifier: Apache-2.0
//! What the JSON Schemas of a spec mean: for parameters, for documents, and for the gRPC services that a code-first
//! entity type has without a `.proto` file.
//!
//! Field numbers come from a [`Lock`], which is kept beside the code. Numbers are only ever added: a field keeps its
//! bytes when it moves, and the number of a removed one stays reserved. Without a lock, numbers follow the order of
//! declaration.

mod build;
pub(crate) mod convert;
pub(crate) mod derive;
mod descriptor;
mod export;
pub(crate) mod hoist;
mod lock;
mod model;
mod name;
pub(crate) mod node;
pub(crate) mod shape;
pub(crate) mod typed;
mod union;

use std::sync::Arc;

use adjoin_entity::spec::EntityType;

pub use lock::Lock;

/// A lock that has everything these types need.
#[derive(Clone, Debug)]
pub struct Locked {
    /// The earlier lock, and what was added.
    pub lock: Lock,
    /// Fields that the earlier lock did not have, as `shop.Item.qty`.
    pub added: Vec<String>,
    /// What has no gRPC form, and why: one line each.
    pub notes: Vec<String>,
}

/// One derived file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtoFile {
    /// Its place below the folder of `.proto` files: `shop/entities.proto`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Adds to a lock what these types need.
#[must_use]
pub fn lock(types: &[Arc<EntityType>], earlier: &Lock) -> Locked {
    let derived = derive::derive(types, earlier, usize::MAX);
    let messages = derived.lock.messages.iter();
    let added = messages.flat_map(|(message, numbers)| {
        let known = earlier.messages.get(message);
        let new = numbers.keys().filter(move |field| known.is_none_or(|known| !known.contains_key(*field)));
        new.map(move |field| format!("{message}.{field}"))
    });
    let added = added.collect();
    Locked { lock: derived.lock, added, notes: derived.notes }
}

/// Fields of these types that a lock does not have, as `shop.Item.qty`: none when the lock is up to date.
#[must_use]
pub fn check(types: &[Arc<EntityType>], lock: &Lock) -> Vec<String> {
    self::lock(types, lock).added
}

/// The `.proto` files of these types, one for each package.
#[must_use]
pub fn export(types: &[Arc<EntityType>], lock: &Lock) -> Vec<ProtoFile> {
    let packages = derive::derive(types, lock, usize::MAX).packages;
    packages.iter().map(|package| ProtoFile { path: package.file(), text: export::text(package) }).collect()
}
