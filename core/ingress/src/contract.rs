// SPDX-License-Identifier: Apache-2.0
//! Contract-first entity types: the methods of their services, by the path of a call.

mod answer;

use std::collections::HashMap;
use std::sync::Arc;

use adjoin_contract::{Contract, Limits, Method, NO_KEY};
use adjoin_engine::{Catalog, Known, Request as EngineRequest};
use adjoin_entity::spec::{Answers, EntityKind, EntityType, Handler, Spec};
use adjoin_model::{EntityId, Error, Payload, Result};
use bytes::Bytes;
use http::HeaderMap;

pub(crate) use answer::{status, type_differs};

use crate::ask;
use crate::http::head;
use crate::meter::{self, TypeCounts};
use crate::transcode::{self, Router};

/// A method of a contract that a handler of an entity type serves.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) entity_type: Arc<EntityType>,
    pub(crate) answers: Answers,
    pub(crate) method: Method,
    /// `/shop.Cart/AddItem`
    pub(crate) path: String,
    handler: Arc<str>,
    /// Which handler of its type that is.
    at: usize,
    /// `type.googleapis.com/shop.Item`
    input_type: Arc<str>,
    pub(crate) output_type: String,
    counts: Arc<TypeCounts>,
}

impl Served {
    /// Whether an `ETag` and a condition mean something.
    pub(crate) fn has_state(&self) -> bool {
        self.entity_type.kind != EntityKind::Action
    }

    #[cfg(test)]
    pub(crate) fn for_tests(name: &str, method: Method) -> Self {
        Self {
            entity_type: Arc::new(EntityType::new("post.Box", EntityKind::Value)),
            answers: Answers::Adjoin,
            path: format!("/post.Box/{name}"),
            handler: name.into(),
            at: 0,
            input_type: "".into(),
            output_type: String::new(),
            method,
            counts: Arc::new(TypeCounts::new("post.Box".into())),
        }
    }

    /// The handler that serves it.
    pub(crate) fn handler(&self) -> &Handler {
        &self.entity_type.handlers[self.at]
    }

    /// The request under way is for this method, or for a watch of it.
    pub(crate) fn seen(&self, watch: bool) {
        meter::seen(&self.counts, self.handler(), watch);
    }

    /// An encoded input as a payload.
    pub(crate) fn payload(&self, message: Bytes) -> Payload {
        Payload { type_name: self.input_type.clone(), data: message }
    }

    /// A call with what the head of the request says about it. `message` is the encoded input; of a call whose client
    /// streams, nothing.
    ///
    /// # Errors
    /// `Invalid` for a message without a key, and for a field of the head that cannot be read and is to be.
    pub(crate) fn request(&self, headers: &HeaderMap, message: Bytes) -> Result<EngineRequest> {
        let key = if self.has_state() { self.method.key(&message)? } else { NO_KEY.to_owned() };
        let entity = EntityId::new(self.entity_type.name.clone(), key)?;
        let payload = self.payload(message);
        let handler = self.handler.clone();
        let mut request = match self.answers {
            Answers::Adjoin => ask::headed(entity, handler, payload, headers, self.has_state())?,
            Answers::Cloudstate => ask::bare(entity, handler, payload, headers),
        };
        request.metadata = if self.has_state() { head::metadata(headers)? } else { head::all_metadata(headers)? };
        if self.answers == Answers::Adjoin {
            // What describes an event is the host's word.
            request.metadata.retain(|(name, _)| !name.starts_with("ce-"));
        }
        Ok(request)
    }

    /// The encoded output of a reply; none where the function gave none and its clients expect none.
    ///
    /// # Errors
    /// `Protocol` when the reply is another message than the method gives.
    pub(crate) fn output(&self, reply: Option<Payload>) -> Result<Option<Bytes>> {
        let Some(reply) = reply else {
            return Ok((self.answers == Answers::Adjoin).then(Bytes::new));
        };
        if *reply.type_name != *self.output_type {
            type_differs(self, &reply)?;
        }
        Ok(Some(reply.data))
    }
}

/// A contract, by the bytes that it was read from.
#[derive(Debug)]
struct Read {
    descriptors: Bytes,
    contract: Result<Arc<Contract>>,
}

/// Every method of every contract-first type of a catalogue.
#[derive(Debug, Default)]
pub(crate) struct Contracts {
    read: Vec<Arc<Read>>,
    methods: HashMap<String, Arc<Served>>,
    /// By entity type, then by handler.
    named: HashMap<Arc<str>, HashMap<Arc<str>, Arc<Served>>>,
    /// Their paths over HTTP.
    pub(crate) router: Router,
    /// Full names in order, also of what no type serves yet.
    pub(crate) services: Vec<String>,
    /// Every type there is comes from a Cloudstate function.
    pub(crate) all_cloudstate: bool,
    /// What is wrong with a contract, one line each.
    pub(crate) notes: Vec<String>,
}

impl Contracts {
    /// Reads what `earlier` has not.
    pub(crate) fn of(catalog: &Catalog, earlier: &Self) -> Self {
        let mut made = Self::default();
        let mut all: Vec<&Known> = catalog.iter().filter(|known| is_contract_first(&known.entity_type)).collect();
        all.sort_by_key(|known| known.order);
        for known in all {
            made.services.extend(known.unserved.iter().cloned());
            let read = made.read(&known.descriptors, earlier);
            match &read.contract {
                Ok(contract) => made.serve(known, contract),
                Err(error) => made.notes.push(format!("{} is not served: {error}", known.entity_type.name)),
            }
        }
        made.all_cloudstate = !catalog.is_empty() && catalog.iter().all(|known| known.answers == Answers::Cloudstate);
        made.services.sort();
        made.services.dedup();
        made
    }

    fn read(&mut self, descriptors: &Bytes, earlier: &Self) -> Arc<Read> {
        let same = |read: &&Arc<Read>| read.descriptors == *descriptors;
        if let Some(read) = self.read.iter().find(same) {
            return read.clone();
        }
        let read = || {
            let contract = Contract::parse(descriptors, &Limits::default()).map(Arc::new);
            Arc::new(Read { descriptors: descriptors.clone(), contract })
        };
        let read = earlier.read.iter().find(same).cloned().unwrap_or_else(read);
        self.read.push(read.clone());
        read
    }

    fn serve(&mut self, known: &Known, contract: &Contract) {
        let owner = &known.entity_type;
        let counts = Arc::new(TypeCounts::new(owner.name.clone()));
        for name in &owner.services {
            let Some(service) = contract.service(name) else {
                self.notes.push(format!("{} names the service {name}, which its contract has not", owner.name));
                continue;
            };
            self.services.push(name.clone());
            for method in &service.methods {
                match served(owner, known.answers, &counts, name, method) {
                    Ok(served) => self.add(served),
                    Err(said) => self.notes.push(format!("{name}/{} is not served: {said}", method.name)),
                }
            }
        }
    }

    fn add(&mut self, served: Served) {
        let (path, owner) = (served.path.clone(), served.entity_type.name.clone());
        let served = Arc::new(served);
        for binding in transcode::bindings(&served, &mut self.notes) {
            self.router.add(binding, &mut self.notes);
        }
        let named = self.named.entry(served.entity_type.name.clone()).or_default();
        named.entry(served.handler.clone()).or_insert_with(|| served.clone());
        if let Some(other) = self.methods.insert(path, served) {
            let path = &other.path;
            self.notes.push(format!("{path} is served by {owner}, no longer by {}", other.entity_type.name));
        }
    }

    pub(crate) fn method(&self, path: &str) -> Option<&Arc<Served>> {
        self.methods.get(path)
    }

    /// The handler of a contract-first type; none where the type is no such one.
    ///
    /// # Errors
    /// `NotFound` for a handler that no service of the type has.
    pub(crate) fn named(&self, entity_type: &str, command: &str) -> Option<Result<&Arc<Served>>> {
        let handlers = self.named.get(entity_type)?;
        let missing = || {
            let shown: String = command.chars().take(64).collect();
            let error = Error::not_found("no service of this entity type has such a method");
            error.at("type", entity_type).at("command", shown)
        };
        Some(handlers.get(command).ok_or_else(missing))
    }

    /// The contracts that could be read.
    pub(crate) fn contracts(&self) -> impl Iterator<Item = &Arc<Contract>> {
        self.read.iter().filter_map(|read| read.contract.as_ref().ok())
    }
}

/// Whether the routes that a function's contract asks for can be served: the rules of `google.api.http` beside its
/// methods. What else a contract has to fit is checked where the function is dialled.
///
/// # Errors
/// `Invalid`, with every rule that cannot, one a line.
pub fn check(spec: &Spec) -> Result<()> {
    let owners: Vec<Arc<EntityType>> =
        spec.types.iter().filter(|one| is_contract_first(one)).cloned().map(Arc::new).collect();
    if owners.is_empty() {
        return Ok(());
    }
    let contract = Contract::parse(&spec.descriptors, &Limits::default())?;
    let mut problems = Vec::new();
    for owner in &owners {
        let counts = Arc::new(TypeCounts::new(owner.name.clone()));
        let services = owner.services.iter().filter_map(|name| contract.service(name));
        let methods = services.flat_map(|service| service.methods.iter().map(|method| (&service.name, method)));
        let served = methods.filter_map(|(service, method)| served(owner, spec.answers, &counts, service, method).ok());
        served.for_each(|served| drop(transcode::bindings(&Arc::new(served), &mut problems)));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::invalid(problems.join("\n"))) }
}

/// Whether an entity type is served by the services of its contract, and by them only.
pub(crate) fn is_contract_first(entity_type: &EntityType) -> bool {
    !entity_type.services.is_empty()
}

/// A method as it is served.
///
/// # Errors
/// Why it is not.
fn served(
    owner: &Arc<EntityType>,
    answers: Answers,
    counts: &Arc<TypeCounts>,
    service: &str,
    method: &Method,
) -> core::result::Result<Served, String> {
    let at = owner.handlers.iter().position(|handler| *handler.name == *method.name);
    let at = at.ok_or_else(|| format!("{} has no such handler", owner.name))?;
    let handler = &owner.handlers[at];
    let streams = (handler.streamed_in, handler.streamed_out);
    if let Some(why) = method.unfit(&owner.name, streams, owner.kind != EntityKind::Action) {
        return Err(why);
    }
    let type_name = |message: &prost_reflect::MessageDescriptor| format!("type.googleapis.com/{}", message.full_name());
    Ok(Served {
        entity_type: owner.clone(),
        answers,
        path: format!("/{service}/{}", method.name),
        handler: handler.name.clone(),
        at,
        input_type: type_name(&method.input).into(),
        output_type: type_name(&method.output),
        method: method.clone(),
        counts: counts.clone(),
    })
}
