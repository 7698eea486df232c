// SPDX-License-Identifier: Apache-2.0
//! The messages of the protocol and of the services, written as JSON in scenarios.

use std::path::{Path, PathBuf};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, Value};

/// The services' own files, below `conformance/interop/proto`.
pub(crate) const SERVICES: [&str; 5] = [
    "cloudstate/tck/model/eventsourced.proto",
    "cloudstate/tck/model/valueentity.proto",
    "cloudstate/tck/model/action.proto",
    "cloudstate/tck/model/eventlogeventing.proto",
    "interop/cart.proto",
];

const PROTOCOL: [&str; 5] = [
    "cloudstate/entity.proto",
    "cloudstate/event_sourced.proto",
    "cloudstate/value_entity.proto",
    "cloudstate/action.proto",
    "grpc/reflection/v1alpha/reflection.proto",
];

/// Everything that scenarios name.
#[derive(Clone)]
pub(crate) struct Schema {
    pool: DescriptorPool,
}

/// Compiled files, with everything that they import.
///
/// # Errors
/// What is wrong, and in which file.
pub(crate) fn compile(files: &[&str], includes: &[PathBuf]) -> Result<DescriptorPool, String> {
    let mut compiler = protox::Compiler::new(includes).map_err(|error| error.to_string())?;
    compiler.include_imports(true);
    compiler.open_files(files).map_err(|error| format!("{error:?}"))?;
    Ok(compiler.descriptor_pool())
}

impl Schema {
    /// The services' and the protocol's messages.
    ///
    /// # Errors
    /// What is wrong, and in which file.
    pub(crate) fn new(services: &Path, others: &[PathBuf]) -> Result<Self, String> {
        let mut includes = vec![services.to_path_buf()];
        includes.extend_from_slice(others);
        let files: Vec<&str> = SERVICES.into_iter().chain(PROTOCOL).collect();
        Self::of(&files, &includes)
    }

    /// The messages of these files.
    ///
    /// # Errors
    /// What is wrong, and in which file.
    pub(crate) fn of(files: &[&str], includes: &[PathBuf]) -> Result<Self, String> {
        Ok(Self { pool: compile(files, includes)? })
    }

    /// The command at a path such as `/package.Service/Method`.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn method(&self, path: &str) -> Result<MethodDescriptor, String> {
        let found = path.strip_prefix('/').and_then(|path| path.split_once('/')).and_then(|(service, name)| {
            self.pool.get_service_by_name(service)?.methods().find(|method| method.name() == name)
        });
        found.ok_or_else(|| format!("no command {path} in the .proto files"))
    }

    /// A message of this type out of its JSON form, as it looks after a journey over the wire.
    ///
    /// # Errors
    /// If the type is unknown or the JSON does not fit it.
    pub(crate) fn message(&self, kind: &MessageDescriptor, json: &serde_json::Value) -> Result<DynamicMessage, String> {
        let said = |error: &dyn std::fmt::Display| format!("{json} as {}: {error}", kind.full_name());
        let made = DynamicMessage::deserialize(kind.clone(), json).map_err(|error| said(&error))?;
        DynamicMessage::decode(kind.clone(), made.encode_to_vec().as_slice()).map_err(|error| said(&error))
    }

    /// A message of this type out of bytes.
    ///
    /// # Errors
    /// If the bytes do not fit it.
    pub(crate) fn decode(&self, kind: &MessageDescriptor, bytes: &[u8]) -> Result<DynamicMessage, String> {
        DynamicMessage::decode(kind.clone(), bytes).map_err(|error| format!("{}: {error}", kind.full_name()))
    }

    /// An `Any` of a type that no file has.
    ///
    /// # Errors
    /// If `Any` itself is in none.
    pub(crate) fn any(&self, kind: &str, value: Vec<u8>) -> Result<Value, String> {
        let known = self.pool.get_message_by_name("google.protobuf.Any").ok_or("no file imports Any")?;
        let mut any = DynamicMessage::new(known);
        any.set_field_by_name("type_url", Value::String(kind.to_owned()));
        any.set_field_by_name("value", Value::Bytes(value.into()));
        Ok(Value::Message(any))
    }
}

/// A message as JSON, for people; with its bytes if it has no such form.
pub(crate) fn shown(message: &DynamicMessage) -> String {
    serde_json::to_string(message).unwrap_or_else(|error| format!("{message:?} ({error})"))
}
