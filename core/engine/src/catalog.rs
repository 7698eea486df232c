// SPDX-License-Identifier: Apache-2.0
//! Every entity type that a function has declared to this engine.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use adjoin_entity::SessionId;
use adjoin_entity::spec::{Answers, EntityType, Spec};
use bytes::Bytes;

/// The known entity types, by name. A type stays known when its function goes, so that its calls can wait.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    types: BTreeMap<Arc<str>, Known>,
    /// Types declared, every time.
    declared: u64,
}

/// A known entity type.
#[derive(Clone, Debug)]
pub struct Known {
    /// As the newest function that has it declared it.
    pub entity_type: Arc<EntityType>,
    /// The contract that function sent: [`Spec::descriptors`].
    pub descriptors: Bytes,
    /// How that function expects its clients to be answered.
    pub answers: Answers,
    /// Its further services: [`Spec::unserved`].
    pub unserved: Vec<String>,
    /// When it was declared: higher than that of any type declared before.
    pub order: u64,
    /// Sessions whose function has it and is connected now.
    pub sessions: Vec<SessionId>,
}

impl Known {
    /// Whether a function that has it is connected now.
    #[must_use]
    pub fn connected(&self) -> bool {
        !self.sessions.is_empty()
    }
}

impl Catalog {
    /// The type of this name, if any function has ever declared it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Known> {
        self.types.get(name)
    }

    /// Every known type, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.types.values()
    }

    /// Whether no function was ever there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    pub(crate) fn session_up(&mut self, session: SessionId, spec: &Spec) {
        for entity_type in &spec.types {
            let declared = Arc::new(entity_type.clone());
            let (descriptors, answers) = (spec.descriptors.clone(), spec.answers);
            self.declared += 1;
            let (unserved, order, sessions) = (spec.unserved.clone(), self.declared, Vec::new());
            let known = Known { entity_type: declared, descriptors, answers, unserved, order, sessions };
            let known = match self.types.entry(entity_type.name.clone()) {
                Entry::Vacant(place) => place.insert(known),
                Entry::Occupied(place) => {
                    let earlier = place.into_mut();
                    *earlier = Known { sessions: std::mem::take(&mut earlier.sessions), ..known };
                    earlier
                }
            };
            known.sessions.push(session);
        }
    }

    pub(crate) fn session_down(&mut self, session: SessionId) {
        for known in self.types.values_mut() {
            known.sessions.retain(|other| *other != session);
        }
    }
}
