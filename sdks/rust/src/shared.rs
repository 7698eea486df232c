// SPDX-License-Identifier: Apache-2.0
//! What all handlers of an entity type share.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use adjoin_engine::Engine;
use adjoin_model::Limits;
use adjoin_wire::protocol::Welcome;

/// The engine in this process, while it runs.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<RwLock<Option<Engine>>>);

impl Calls {
    pub(crate) fn set(&self, engine: Option<Engine>) {
        // An optional handle is whole at any time.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = engine;
    }
}

/// What a host takes, known once it has said so.
pub(crate) struct Bounds {
    event_bytes: AtomicUsize,
    value_bytes: AtomicUsize,
    message_bytes: AtomicUsize,
    events_per_command: AtomicUsize,
}

impl Bounds {
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            event_bytes: limits.event_bytes.into(),
            value_bytes: limits.value_bytes.into(),
            message_bytes: limits.message_bytes.into(),
            events_per_command: limits.events_per_command.into(),
        }
    }

    /// Takes over what a host has said.
    pub(crate) fn set(&self, welcome: &Welcome) {
        let wide = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        self.event_bytes.store(wide(welcome.event_bytes), Ordering::Relaxed);
        self.value_bytes.store(wide(welcome.value_bytes), Ordering::Relaxed);
        self.message_bytes.store(wide(welcome.message_bytes), Ordering::Relaxed);
        self.events_per_command.store(wide(welcome.events_per_command.into()), Ordering::Relaxed);
    }

    pub(crate) fn event_bytes(&self) -> usize {
        self.event_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn value_bytes(&self) -> usize {
        self.value_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn message_bytes(&self) -> usize {
        self.message_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn events_per_command(&self) -> usize {
        self.events_per_command.load(Ordering::Relaxed)
    }
}

/// One entity type, as its handlers need it.
pub(crate) struct Shared {
    /// The stored names of its events, made once.
    events: Vec<Arc<str>>,
    /// The stored name of its state.
    pub(crate) state_name: Arc<str>,
    pub(crate) bounds: Arc<Bounds>,
    calls: Calls,
}

impl Shared {
    pub(crate) fn new(events: &[&str], state_name: &str, bounds: Arc<Bounds>, calls: Calls) -> Self {
        let events = events.iter().copied().map(Arc::from).collect();
        Self { events, state_name: state_name.into(), bounds, calls }
    }

    pub(crate) fn event_name(&self, name: &str) -> Arc<str> {
        self.events.iter().find(|known| ***known == *name).cloned().unwrap_or_else(|| name.into())
    }

    /// The engine that calls of handlers go to, if it is in this process.
    pub(crate) fn engine(&self) -> Option<Engine> {
        self.calls.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
