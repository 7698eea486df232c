// SPDX-License-Identifier: Apache-2.0
//! What proxies find: the services of a function's contract, and how they are said in the protocol.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use adjoin_contract::{Contract, Limits};
use adjoin_entity::spec::{EntityKind, EntityType, Spec};
use adjoin_model::{Error, Payload, Result};
use prost_types::Any;

use super::answer::nothing;
use crate::cloudstate::protocol::entity_passivation_strategy::Strategy;
use crate::cloudstate::protocol::{
    Entity, EntityPassivationStrategy, EntitySpec, ServiceInfo, TimeoutPassivationStrategy,
};
use crate::cloudstate::{ACTION, EVENT_SOURCED, VALUE_ENTITY, VERSION, any, payload};
use crate::contract;

/// A method of a service.
pub(super) struct Offered {
    pub(super) method: adjoin_contract::Method,
    /// Its handler changes nothing.
    pub(super) query: bool,
}

impl Offered {
    /// The message that stands for no reply, where the output is `google.protobuf.Empty`.
    pub(super) fn empty(&self) -> Option<Payload> {
        let output = self.method.output.full_name();
        (output == "google.protobuf.Empty").then(|| nothing(output))
    }
}

/// A service of an entity type.
pub(super) struct Declared {
    pub(super) service: String,
    /// The entity type's name in the function.
    pub(super) entity_type: Arc<str>,
    pub(super) kind: EntityKind,
    pub(super) snapshot_every: u64,
    /// Stored names that are said to a proxy as they are.
    readable: HashSet<String>,
    methods: BTreeMap<String, Offered>,
}

/// Everything that a function has, for proxies.
pub(crate) struct Catalogue {
    pub(super) spec: EntitySpec,
    services: BTreeMap<String, Arc<Declared>>,
    by_type: BTreeMap<Arc<str>, Vec<Arc<Declared>>>,
    contract: Contract,
}

/// What stands before the name of a message in a type URL.
pub(super) const MESSAGE: &str = "type.googleapis.com/";

/// What stands before a stored name that is no message's.
const OTHER: &str = "adjoin.dev/";

impl Declared {
    /// An event or a state as the function knows it: under its stored name, which for a message is its full name.
    pub(super) fn stored(&self, any: Any) -> Payload {
        let payload = payload(any);
        if self.readable.contains(&*payload.type_name) {
            return payload;
        }
        let url = payload.type_name.as_ref();
        match url.strip_prefix(MESSAGE).or_else(|| url.strip_prefix(OTHER)) {
            Some(name) => Payload { type_name: name.into(), data: payload.data },
            None => payload,
        }
    }

    pub(super) fn method(&self, name: &str) -> Option<&Offered> {
        self.methods.get(name)
    }
}

impl Catalogue {
    /// Reads a function's spec, which its own check has passed.
    ///
    /// # Errors
    /// `Invalid`, with every problem, one a line: what has no contract, or cannot be said in this protocol.
    pub(crate) fn new(spec: &Spec) -> Result<Self> {
        let problems: Vec<String> = code_first(spec).into_iter().chain(shared(spec)).collect();
        if !problems.is_empty() {
            return Err(Error::invalid(problems.join("\n")));
        }
        contract::check(spec)?;
        let contract = Contract::parse(&spec.descriptors, &Limits::default())?;
        let declared = |owner| declared(owner, &contract);
        let all: Vec<Arc<Declared>> = spec.types.iter().flat_map(declared).map(Arc::new).collect();
        let mut by_type: BTreeMap<Arc<str>, Vec<Arc<Declared>>> = BTreeMap::new();
        for one in &all {
            by_type.entry(one.entity_type.clone()).or_default().push(one.clone());
        }
        let services = all.into_iter().map(|one| (one.service.clone(), one)).collect();
        Ok(Self { spec: entity_spec(spec, &contract), services, by_type, contract })
    }

    /// The service of this name whose entity type is of this kind.
    pub(super) fn service(&self, name: &str, kind: EntityKind) -> Option<&Arc<Declared>> {
        self.services.get(name).filter(|declared| declared.kind == kind)
    }

    /// An event or a state as a proxy keeps it: a type URL.
    pub(super) fn kept(&self, payload: Payload) -> Any {
        let name = payload.type_name.as_ref();
        if name.contains('/') {
            return any(payload);
        }
        let is_message = self.contract.pool().get_message_by_name(name).is_some();
        let url = format!("{}{name}", if is_message { MESSAGE } else { OTHER });
        any(Payload { type_name: url.into(), data: payload.data })
    }

    /// Where a command of an entity type is found.
    pub(super) fn command(&self, entity_type: &str, command: &str) -> Option<(&Declared, &Offered)> {
        let services = self.by_type.get(entity_type)?;
        services.iter().find_map(|declared| Some((&**declared, declared.method(command)?)))
    }
}

fn code_first(spec: &Spec) -> Option<String> {
    let names: Vec<&str> =
        spec.types.iter().filter(|one| one.services.is_empty()).map(|one| one.name.as_ref()).collect();
    let all = names.join(", ");
    (!names.is_empty()).then(|| {
        format!(
            "{all}: without a .proto, and the Cloudstate protocol serves services of one: give each a service, or use \
             adjoin's own protocol"
        )
    })
}

/// In this protocol a state belongs to one service.
fn shared(spec: &Spec) -> Vec<String> {
    let with_state = spec.types.iter().filter(|one| one.kind != EntityKind::Action && one.services.len() > 1);
    let said = |one: &EntityType| {
        let (name, services) = (&one.name, one.services.join(", "));
        format!("{name} has a state and serves {services}: the Cloudstate protocol gives a state one service")
    };
    with_state.map(said).collect()
}

fn declared(owner: &EntityType, contract: &Contract) -> Vec<Declared> {
    let one = |name: &String| {
        let methods = contract.service(name)?.methods.iter().map(|method| {
            let query = owner.handler(&method.name).is_some_and(|handler| handler.query);
            (method.name.clone(), Offered { method: method.clone(), query })
        });
        Some(Declared {
            service: name.clone(),
            entity_type: owner.name.clone(),
            kind: owner.kind,
            snapshot_every: owner.snapshot_every.into(),
            readable: owner.readable_events.iter().filter(|name| name.contains('/')).cloned().collect(),
            methods: methods.collect(),
        })
    };
    owner.services.iter().filter_map(one).collect()
}

fn entity_spec(spec: &Spec, contract: &Contract) -> EntitySpec {
    let (name, version) = spec.sdk.split_once(' ').unwrap_or((&spec.sdk, ""));
    let (protocol_major_version, protocol_minor_version) = VERSION;
    let entities = spec.types.iter().flat_map(|owner| owner.services.iter().map(|service| entity(owner, service)));
    EntitySpec {
        proto: contract.whole_set(),
        entities: entities.collect(),
        service_info: Some(ServiceInfo {
            support_library_name: name.to_owned(),
            support_library_version: version.to_owned(),
            protocol_major_version,
            protocol_minor_version,
            ..ServiceInfo::default()
        }),
    }
}

fn entity(owner: &EntityType, service: &str) -> Entity {
    let entity_type = match owner.kind {
        EntityKind::EventSourced => EVENT_SOURCED,
        EntityKind::Value => VALUE_ENTITY,
        EntityKind::Action => ACTION,
    };
    let timeout = i64::try_from(owner.passivate_after_ms).unwrap_or(i64::MAX);
    let strategy = Some(Strategy::Timeout(TimeoutPassivationStrategy { timeout }));
    Entity {
        entity_type: entity_type.to_owned(),
        service_name: service.to_owned(),
        persistence_id: (*owner.name).to_owned(),
        // Without one the proxy's own time counts.
        passivation_strategy: (timeout > 0).then_some(EntityPassivationStrategy { strategy }),
    }
}
