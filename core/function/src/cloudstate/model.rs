// SPDX-License-Identifier: Apache-2.0
//! What a function declared, as its session needs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use adjoin_contract::{Contract, NO_KEY};
use adjoin_entity::frame::Target;
use adjoin_entity::spec::EntityKind;
use adjoin_model::{EntityId, Payload};

/// An entity type of a function.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(super) kind: EntityKind,
    /// Its name in the core: where its state is stored, or an action's service.
    pub(super) name: Arc<str>,
    /// The full name of its service.
    pub(super) service: Arc<str>,
    pub(super) methods: Vec<Method>,
}

/// A method of a service.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    pub(super) service: Arc<str>,
    pub(super) name: Arc<str>,
    /// The type URLs of what it takes and gives.
    pub(super) input: String,
    pub(super) output: String,
    pub(super) streamed_in: bool,
    pub(super) streamed_out: bool,
}

/// Everything a function declared.
pub(crate) struct Model {
    pub(super) contract: Contract,
    pub(super) types: Vec<Arc<Declared>>,
    pub(super) by_name: BTreeMap<Arc<str>, usize>,
    pub(super) by_service: BTreeMap<Arc<str>, usize>,
}

impl Declared {
    pub(super) fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| *method.name == *name)
    }
}

impl Model {
    pub(super) fn new(contract: Contract, types: Vec<Declared>) -> Self {
        let by = |name: fn(&Declared) -> Arc<str>| types.iter().enumerate().map(|(at, one)| (name(one), at)).collect();
        let (by_name, by_service) = (by(|one| one.name.clone()), by(|one| one.service.clone()));
        let types = types.into_iter().map(Arc::new).collect();
        Self { contract, types, by_name, by_service }
    }

    /// The type of this name in the core.
    pub(super) fn declared(&self, name: &str) -> Option<&Arc<Declared>> {
        self.by_name.get(name).and_then(|at| self.types.get(*at))
    }

    /// Where a call of this service's method goes.
    ///
    /// # Errors
    /// Why it cannot be made, for whoever wrote the function.
    pub(super) fn target(&self, service: &str, command: &str, payload: Option<Payload>) -> Result<Target, String> {
        let found = self.by_service.get(service).and_then(|at| self.types.get(*at));
        let declared = found.ok_or_else(|| {
            let known: Vec<&str> = self.by_service.keys().map(|name| &**name).collect();
            format!("Unknown service {service:?}: the function has {}", known.join(", "))
        })?;
        let method = declared.method(command).ok_or_else(|| {
            let known: Vec<&str> = declared.methods.iter().map(|method| &*method.name).collect();
            format!("Unknown command {command:?} of {service}: it has {}", known.join(", "))
        })?;
        if method.streamed_in || method.streamed_out {
            return Err(format!(
                "{service}.{command} streams: a forward or a side effect has one message and one reply"
            ));
        }
        let payload = payload.unwrap_or_else(|| Payload::new(method.input.as_str(), Vec::new()));
        let key = match declared.kind {
            EntityKind::Action => NO_KEY.to_owned(),
            EntityKind::EventSourced | EntityKind::Value => self.key(service, command, &payload)?,
        };
        let entity = EntityId::new(declared.name.clone(), key).map_err(|error| error.message)?;
        Ok(Target { entity, command: method.name.clone(), payload, metadata: Vec::new() })
    }

    fn key(&self, service: &str, command: &str, payload: &Payload) -> Result<String, String> {
        let method = self.contract.service(service).and_then(|service| service.method(command));
        let method = method.ok_or_else(|| format!("{service} has no method {command}"))?;
        method.key(&payload.data).map_err(|error| format!("{service}.{command}: {}", error.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_an_action_has_the_key_that_the_ingress_gives() {
        let method = Method {
            service: "a.Mailer".into(),
            name: "Send".into(),
            input: "type.googleapis.com/a.Letter".into(),
            output: String::new(),
            streamed_in: false,
            streamed_out: false,
        };
        let name: Arc<str> = "a.Mailer".into();
        let declared = Declared { kind: EntityKind::Action, name: name.clone(), service: name, methods: vec![method] };
        let contract = Contract::parse(&bytes::Bytes::new(), &adjoin_contract::Limits::default()).expect("empty");
        let model = Model::new(contract, vec![declared]);
        for _ in 0..3 {
            let target = model.target("a.Mailer", "Send", None).expect("found");
            assert_eq!((target.entity.entity_type(), target.entity.key()), ("a.Mailer", NO_KEY));
        }
    }
}
