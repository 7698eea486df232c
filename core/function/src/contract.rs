// SPDX-License-Identifier: Apache-2.0
//! Whether what a contract-first function declares fits its `.proto`.

use std::collections::BTreeMap;

use adjoin_contract::{Contract, Limits, Method};
use adjoin_entity::spec::{EntityKind, EntityType, Spec};
use adjoin_model::{Error, Result};

/// Checks the contract of a spec; one without services has none.
///
/// # Errors
/// `Invalid`, with every problem found, one a line: descriptors that cannot be read, a service that they do not have or
/// that two entity types claim, a method without its handler or of another shape, an input that names no entity.
pub fn check(spec: &Spec) -> Result<()> {
    let served: Vec<&EntityType> = spec.types.iter().filter(|one| !one.services.is_empty()).collect();
    let Some(first) = served.first() else { return Ok(()) };
    if spec.descriptors.is_empty() {
        let said = format!("{} names services, but the function sends no descriptors of its .proto files", first.name);
        return Err(Error::invalid(said));
    }
    let contract = Contract::parse(&spec.descriptors, &Limits::default())?;
    let mut problems = Vec::new();
    twice(&served, &mut problems);
    served.iter().for_each(|owner| check_type(owner, &contract, &mut problems));
    if problems.is_empty() { Ok(()) } else { Err(Error::invalid(problems.join("\n"))) }
}

/// A call of a service has one place to go.
fn twice(served: &[&EntityType], problems: &mut Vec<String>) {
    let mut owners = BTreeMap::new();
    for owner in served {
        for service in &owner.services {
            if let Some(other) = owners.insert(service, &owner.name) {
                problems.push(format!("{other} and {} both serve {service}: let one of them", owner.name));
            }
        }
    }
}

fn check_type(owner: &EntityType, contract: &Contract, problems: &mut Vec<String>) {
    for name in &owner.services {
        let Some(service) = contract.service(name) else {
            let place = &owner.name;
            problems.push(format!(
                "{place} serves {name}, which the descriptors do not have: send all files, imports included"
            ));
            continue;
        };
        let wrong = service.methods.iter().filter_map(|method| Some((method, wrong(owner, method)?)));
        problems.extend(wrong.map(|(method, why)| format!("{name}.{}: {why}", method.name)));
    }
}

fn wrong(owner: &EntityType, method: &Method) -> Option<String> {
    let place = &owner.name;
    let Some(handler) = owner.handler(&method.name) else {
        return Some(format!("{place} has no handler for it"));
    };
    method.unfit(place, (handler.streamed_in, handler.streamed_out), owner.kind != EntityKind::Action)
}
