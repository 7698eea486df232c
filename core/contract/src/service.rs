// SPDX-License-Identifier: Apache-2.0
//! Services and methods of a contract.

use std::collections::HashSet;

use adjoin_model::{Error, Result};
use bytes::Bytes;
use prost_reflect::{MessageDescriptor, MethodDescriptor, ServiceDescriptor};

use crate::key::{self, KeyField};
use crate::options::{Eventing, HttpRule};
use crate::scan::Found;

/// A gRPC service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Full name: `shop.Cart`.
    pub name: String,
    /// Its methods, in the order of declaration.
    pub methods: Vec<Method>,
}

/// A method of a service.
#[derive(Clone, Debug)]
pub struct Method {
    /// The bare name, which is the handler's: `AddItem`.
    pub name: String,
    /// What a call carries.
    pub input: MessageDescriptor,
    /// What it gives.
    pub output: MessageDescriptor,
    /// The client sends a stream.
    pub client_streaming: bool,
    /// The reply is a stream.
    pub server_streaming: bool,
    /// Top-level fields of the input that are the entity's key, in the order of declaration; actions may have none.
    pub key_fields: Vec<KeyField>,
    /// Whether a map can stand in its input, in whatever message within it but an `Any`: maps have no order of their own.
    pub holds_maps: bool,
    /// Its `google.api.http` rules as declared, additional bindings behind the first; empty without the option.
    pub http: Vec<HttpRule>,
    /// Its eventing, if it has the option.
    pub eventing: Option<Eventing>,
}

impl Service {
    pub(crate) fn new(service: &ServiceDescriptor, found: &Found, maps: &HashSet<String>) -> Result<Self> {
        let name = service.full_name().to_owned();
        let methods = service.methods().map(|method| Method::new(&name, &method, found, maps));
        let methods = methods.collect::<Result<_>>()?;
        Ok(Self { name, methods })
    }

    /// The method of this bare name.
    #[must_use]
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }
}

impl Method {
    fn new(service: &str, method: &MethodDescriptor, found: &Found, maps: &HashSet<String>) -> Result<Self> {
        let input = method.input();
        let numbers = found.keys.get(input.full_name());
        let fields = numbers.into_iter().flatten().filter_map(|number| input.get_field(*number));
        let key_fields = fields.map(|field| KeyField::new(&field)).collect::<Result<_>>()?;
        let full = format!("{service}/{}", method.name());
        let options = found.methods.get(&full).cloned().unwrap_or_default();
        let wanted = format!("{service}.{}", method.name());
        if let Some(rule) = options.http.iter().find(|rule| !rule.selector.is_empty() && rule.selector != wanted) {
            let selector = &rule.selector;
            return Err(Error::invalid(format!("a google.api.http rule of {wanted} has the selector {selector:?}")));
        }
        Ok(Self {
            name: method.name().to_owned(),
            holds_maps: maps.contains(input.full_name()),
            input,
            output: method.output(),
            client_streaming: method.is_client_streaming(),
            server_streaming: method.is_server_streaming(),
            key_fields,
            http: options.http,
            eventing: options.eventing,
        })
    }

    /// The key of the entity that an encoded input names: its key fields, joined by `-` without escaping. Text stands as
    /// it is, an enum's value by its name, numbers in decimal (unsigned ones unsigned, where the reference proxy of the
    /// Cloudstate protocol printed them signed), a field that is absent by its default. Costs one pass over the top
    /// level of the payload, and copies nothing of it but the key.
    ///
    /// # Errors
    /// `Invalid` for an empty key, and for a payload that is no message.
    pub fn key(&self, payload: &Bytes) -> Result<String> {
        key::key(&self.key_fields, payload).map_err(|error| error.at("message", self.input.full_name()))
    }

    /// Why a handler of `owner` cannot serve this method, if it cannot. `streams` is whether the handler's input and its
    /// reply are streams, `has_state` whether `owner` is no action.
    #[must_use]
    pub fn unfit(&self, owner: &str, streams: (bool, bool), has_state: bool) -> Option<String> {
        if streams != (self.client_streaming, self.server_streaming) {
            return Some(format!("the handler of {owner} streams otherwise than the .proto says"));
        }
        if !has_state {
            return None;
        }
        if streams != (false, false) {
            return Some(format!("it streams, which only the methods of an action do: make {owner} an action"));
        }
        let said = || {
            let input = self.input.full_name();
            format!("{input} has no field with the option (cloudstate.entity_key): mark the one that names the entity")
        };
        self.key_fields.is_empty().then(said)
    }
}
