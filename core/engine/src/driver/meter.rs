// SPDX-License-Identifier: Apache-2.0
//! Metrics of a loop. Labels are entity types, operations and outcomes: never a key, never a name that a client made up.

use std::collections::HashMap;
use std::sync::Arc;

use adjoin_entity::spec::Spec;
use adjoin_entity::{Call, Operation};
use adjoin_model::{Error, Kind};
use metrics::{Counter, Gauge, Histogram};

/// What a call is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MeterId(u32);

const OPERATIONS: [&str; 5] = ["run", "watch", "state", "delete", "passivate"];

/// The handles of one type and operation, made when first used: looking one up costs more than the step.
struct Handles {
    entity_type: Arc<str>,
    operation: &'static str,
    /// By outcome: 0 is ok, then the kinds in their order.
    ended: [Option<Counter>; Kind::ALL.len() + 1],
    seconds: Option<Histogram>,
}

pub(super) struct Meter {
    types: HashMap<Arc<str>, u32>,
    handles: Vec<Handles>,
    replayed: Counter,
    calls: Gauge,
    entities: Gauge,
}

impl Meter {
    pub(super) fn new(index: u8) -> Self {
        let mut meter = Self {
            types: HashMap::new(),
            handles: Vec::new(),
            replayed: metrics::counter!("adjoin_replayed_events_total"),
            calls: metrics::gauge!("adjoin_calls", "loop" => index.to_string()),
            entities: metrics::gauge!("adjoin_resident_entities", "loop" => index.to_string()),
        };
        meter.add("unknown".into());
        meter
    }

    fn add(&mut self, entity_type: Arc<str>) -> u32 {
        let first = self.handles.len() as u32;
        self.handles.extend(OPERATIONS.map(|operation| Handles {
            entity_type: entity_type.clone(),
            operation,
            ended: [const { None }; Kind::ALL.len() + 1],
            seconds: None,
        }));
        first
    }

    /// The types that functions declare are the only ones counted by name.
    pub(super) fn learn(&mut self, spec: &Spec) {
        for entity_type in &spec.types {
            if !self.types.contains_key(&entity_type.name) {
                let first = self.add(entity_type.name.clone());
                self.types.insert(entity_type.name.clone(), first);
            }
        }
    }

    pub(super) fn of(&self, call: &Call) -> MeterId {
        let first = self.types.get(call.entity.entity_type()).copied().unwrap_or(0);
        MeterId(
            first
                + match call.operation {
                    Operation::Run => 0,
                    Operation::Watch { .. } => 1,
                    Operation::State => 2,
                    Operation::Delete => 3,
                    Operation::Passivate => 4,
                },
        )
    }

    pub(super) fn ended(&mut self, id: MeterId, error: Option<&Error>, micros: u64) {
        let Some(handles) = self.handles.get_mut(id.0 as usize) else { return };
        let place = error.map_or(0, |error| error.kind as usize + 1);
        let outcome = error.map_or("ok", |error| error.kind.name());
        let Handles { entity_type, operation, ended, seconds } = handles;
        let labels = || [("type", entity_type.to_string()), ("operation", (*operation).to_string())];
        if let Some(counter) = ended.get_mut(place) {
            let new = || {
                let [entity_type, operation] = labels();
                metrics::counter!("adjoin_commands_total", &[entity_type, operation, ("outcome", outcome.to_string())])
            };
            counter.get_or_insert_with(new).increment(1);
        }
        let new = || metrics::histogram!("adjoin_command_seconds", &labels());
        seconds.get_or_insert_with(new).record(micros as f64 / 1e6);
    }

    pub(super) fn replayed(&self, events: usize) {
        if events > 0 {
            self.replayed.increment(events as u64);
        }
    }

    pub(super) fn gauges(&self, calls: usize, entities: usize) {
        self.calls.set(calls as f64);
        self.entities.set(entities as f64);
    }
}
