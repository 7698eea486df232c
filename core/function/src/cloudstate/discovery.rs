// SPDX-License-Identifier: Apache-2.0
//! Asking a function what it has, and saying what of it cannot be taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use adjoin_contract::{Contract, Service};
use adjoin_entity::spec::{self, EntityKind, EntityType, Handler, Spec, Subscription};
use adjoin_model::{Error, Kind, Result};
use adjoin_wire::DISCOVERY_BYTES;
use tonic::transport::Channel;

use super::model::{Declared, Method, Model};
use super::protocol::entity_discovery_client::EntityDiscoveryClient;
use super::protocol::entity_passivation_strategy::Strategy;
use super::protocol::{Entity, EntitySpec, ProxyInfo, ServiceInfo, UserFunctionError};
use super::{action, event_sourced, value_entity};
use crate::dial::Link;
use crate::eventing::{self, Taken};
use crate::status::is_unimplemented;

/// The version that is spoken.
pub(crate) const VERSION: (i32, i32) = (0, 2);

/// After which an entity passivates that says nothing of it: as with the reference proxy.
const IDLE_MS: u64 = 30_000;

/// The full name of the protocol's service for replicated entities.
const CRDT: &str = "cloudstate.crdt.Crdt";

/// All types of the protocol, as functions ask to see them.
const TYPES: [&str; 4] = [CRDT, action::SERVICE, event_sourced::SERVICE, value_entity::SERVICE];

/// What a function has, sound.
pub(crate) struct Found {
    /// For the engine.
    pub(crate) spec: Spec,
    /// For the session.
    pub(crate) model: Model,
    /// What the function is to be told, though it is served.
    pub(crate) warnings: Vec<String>,
}

/// Asks the function at the other end of `link` what it has, and reads that.
///
/// # Errors
/// `Invalid` when it cannot be taken, or the protocol is not spoken there (then with the code Unimplemented);
/// `Unavailable` when the connection is lost or the answer does not come in time.
pub(crate) async fn discover(link: &Link) -> Result<Found> {
    let settings = link.settings();
    let mut client = client(link).max_decoding_message_size(DISCOVERY_BYTES);
    let declared = link.answer("discover", client.discover(proxy_info(&settings.host))).await;
    let declared = declared.map_err(|error| foreign(error, link))?.into_inner();
    let found =
        read(declared, settings.accept_unversioned).and_then(|found| (settings.check)(&found.spec).map(|()| found));
    found.map_err(|error| error.at("function", link.address()))
}

/// Tells the function about a problem. That it cannot be told is no problem of its own.
pub(crate) async fn report(link: &Link, message: &str) {
    let said = UserFunctionError { message: message.to_owned() };
    if let Err(error) = link.answer("reportError", client(link).report_error(said)).await {
        tracing::debug!(%error, "the function did not take a report");
    }
}

fn client(link: &Link) -> EntityDiscoveryClient<Channel> {
    EntityDiscoveryClient::new(link.channel().clone())
}

/// Who does not know the call does not speak the protocol. Any other failure of it says nothing about a spec.
fn foreign(error: Error, link: &Link) -> Error {
    if !is_unimplemented(&error) {
        let kind = if error.kind == Kind::Invalid { Kind::Unavailable } else { error.kind };
        return Error { kind, ..error };
    }
    let said = format!(
        "what listens at {} does not speak the Cloudstate protocol (discover is not implemented there): start a function \
         that does, or correct the address or the setting `protocol`",
        link.address()
    );
    Error { message: said, ..error }
}

/// What this host says of itself.
fn proxy_info(host: &str) -> ProxyInfo {
    let (name, version) = host.split_once(' ').unwrap_or((host, ""));
    ProxyInfo {
        protocol_major_version: VERSION.0,
        protocol_minor_version: VERSION.1,
        proxy_name: name.to_owned(),
        proxy_version: version.to_owned(),
        supported_entity_types: TYPES.map(str::to_owned).to_vec(),
    }
}

/// Reads what a function declared. `unversioned` takes one that says no version.
///
/// # Errors
/// `Invalid`: what cannot be taken, where, what to do, every problem that was found.
fn read(declared: EntitySpec, unversioned: bool) -> Result<Found> {
    let info = declared.service_info.clone().unwrap_or_default();
    version(&info, unversioned)?;
    if declared.entities.is_empty() {
        return Err(Error::invalid("the function declares no entity: register at least one"));
    }
    let descriptors = declared.proto.into();
    let contract = Contract::parse(&descriptors, &adjoin_contract::Limits::default())?;
    let mut reading = Reading { contract: &contract, problems: Vec::new(), types: Vec::new(), later: Vec::new() };
    declared.entities.iter().for_each(|entity| reading.entity(entity));
    let Reading { mut problems, types, later, .. } = reading;
    let subscriptions: Vec<Vec<Subscription>> =
        types.iter().map(|(declared, _)| subscriptions(&contract, declared, &mut problems)).collect();
    problems.extend(twins(&types));
    if types.is_empty() && problems.is_empty() {
        problems.extend(later.iter().map(|service| crdt(service)));
    }
    if !problems.is_empty() {
        return Err(Error::invalid(problems.join("\n")));
    }
    let warnings = later.iter().map(|service| crdt(service)).collect();
    let spec = Spec {
        sdk: sdk(&info),
        types: types.iter().zip(subscriptions).map(|(one, subscriptions)| entity_type(one, subscriptions)).collect(),
        descriptors,
        answers: spec::Answers::Cloudstate,
        unserved: later,
    };
    spec.check()?;
    let model = Model::new(contract, types.into_iter().map(|(declared, _)| declared).collect());
    Ok(Found { spec, model, warnings })
}

fn subscriptions(contract: &Contract, declared: &Declared, problems: &mut Vec<String>) -> Vec<Subscription> {
    let Some(service) = contract.service(&declared.service) else { return Vec::new() };
    let taken = if declared.kind == EntityKind::Action { Taken::BySubject } else { Taken::ByMessage };
    eventing::of(service, taken, problems)
}

fn version(info: &ServiceInfo, unversioned: bool) -> Result<()> {
    let said = (info.protocol_major_version, info.protocol_minor_version);
    let (major, minor) = VERSION;
    match said {
        VERSION => Ok(()),
        (0, 0) if unversioned => {
            tracing::warn!("the function says no version of the Cloudstate protocol: {major}.{minor} is assumed");
            Ok(())
        }
        (0, 0) => Err(Error::invalid(format!(
            "the function says no version of the Cloudstate protocol (0.0), this host speaks {major}.{minor}: use an \
             SDK that says it, or let the host accept functions without a version"
        ))),
        (theirs_major, theirs_minor) => Err(Error::invalid(format!(
            "the function speaks version {theirs_major}.{theirs_minor} of the Cloudstate protocol, this host speaks \
             {major}.{minor}: use an SDK of that version"
        ))),
    }
}

fn crdt(service: &str) -> String {
    format!(
        "{service} is a replicated entity ({CRDT}), which this version of adjoin does not run yet: its calls are refused \
         until one that does"
    )
}

/// Two entities that would share what is stored, where the reference proxy ran both as the one registered first.
fn twins(types: &[(Declared, u64)]) -> Vec<String> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for (declared, _) in types {
        if let Some(first) = seen.insert(&declared.name, &declared.service) {
            let (name, second) = (&declared.name, &declared.service);
            problems.push(format!(
                "{first} and {second} have the same persistence id {name:?}: their states would be one; give each its own"
            ));
        }
    }
    problems
}

struct Reading<'a> {
    contract: &'a Contract,
    problems: Vec<String>,
    /// With the milliseconds after which they passivate.
    types: Vec<(Declared, u64)>,
    /// Services of replicated entities.
    later: Vec<String>,
}

impl Reading<'_> {
    fn entity(&mut self, entity: &Entity) {
        let name = &entity.service_name;
        let Some(service) = self.contract.service(name) else {
            return self.problems.push(format!("the descriptors of the function have no service {name:?}"));
        };
        let kind = match entity.entity_type.as_str() {
            event_sourced::SERVICE => EntityKind::EventSourced,
            value_entity::SERVICE => EntityKind::Value,
            action::SERVICE => EntityKind::Action,
            CRDT => {
                self.shapes(service, "replicated", |method| method.client_streaming);
                self.keys(service);
                return self.later.push(name.clone());
            }
            other => {
                let known = TYPES.join(", ");
                return self.problems.push(format!("{name} has the entity type {other:?}; there are {known}"));
            }
        };
        let state = match kind {
            EntityKind::Action => service.name.clone(),
            EntityKind::EventSourced | EntityKind::Value => {
                self.shapes(service, "single-writer", |method| method.client_streaming || method.server_streaming);
                self.keys(service);
                entity.persistence_id.clone()
            }
        };
        self.types.push((declared(kind, &state, service), passivate_ms(entity)));
    }

    fn shapes(&mut self, service: &Service, kind: &str, unfit: impl Fn(&adjoin_contract::Method) -> bool) {
        let unfit: Vec<&str> = service.methods.iter().filter(|m| unfit(m)).map(|m| m.name.as_str()).collect();
        if !unfit.is_empty() {
            let (name, list) = (&service.name, unfit.join(", "));
            self.problems.push(format!("{name} is a {kind} entity, which cannot stream as {list} does"));
        }
    }

    fn keys(&mut self, service: &Service) {
        for method in service.methods.iter().filter(|method| method.key_fields.is_empty()) {
            let (name, call, input) = (&service.name, &method.name, method.input.full_name());
            self.problems.push(format!(
                "{name}.{call} takes {input}, which has no field with the option (cloudstate.entity_key): mark the one \
                 that names the entity"
            ));
        }
    }
}

fn declared(kind: EntityKind, state: &str, service: &Service) -> Declared {
    let name: Arc<str> = service.name.as_str().into();
    let url = |message: &str| format!("type.googleapis.com/{message}");
    let method = |method: &adjoin_contract::Method| Method {
        service: name.clone(),
        name: method.name.as_str().into(),
        input: url(method.input.full_name()),
        output: url(method.output.full_name()),
        streamed_in: method.client_streaming,
        streamed_out: method.server_streaming,
    };
    let methods = service.methods.iter().map(method).collect();
    Declared { kind, name: state.into(), service: name, methods }
}

/// 0, the host's own time, where what is said cannot be used.
fn passivate_ms(entity: &Entity) -> u64 {
    let strategy = entity.passivation_strategy.as_ref().and_then(|wanted| wanted.strategy.as_ref());
    strategy.map_or(IDLE_MS, |Strategy::Timeout(after)| u64::try_from(after.timeout).unwrap_or(0))
}

fn entity_type((declared, passivate_after_ms): &(Declared, u64), subscriptions: Vec<Subscription>) -> EntityType {
    let handler = |method: &Method| Handler {
        name: method.name.clone(),
        query: false,
        streamed_in: method.streamed_in,
        streamed_out: method.streamed_out,
        input_schema: String::new(),
        output_schema: String::new(),
        summary: String::new(),
    };
    EntityType {
        handlers: declared.methods.iter().map(handler).collect(),
        passivate_after_ms: *passivate_after_ms,
        subscriptions,
        services: vec![(*declared.service).to_owned()],
        reads_any_event: declared.kind == EntityKind::EventSourced,
        ..EntityType::new(declared.name.clone(), declared.kind)
    }
}

fn sdk(info: &ServiceInfo) -> String {
    let said = [&info.support_library_name, &info.support_library_version, &info.service_runtime];
    let said: Vec<&str> = said.into_iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    let said = crate::status::printable(&said.join(" "));
    if said.is_empty() { "cloudstate".into() } else { said }
}
