// SPDX-License-Identifier: Apache-2.0
//! Handles of metrics, made when first used: looking one up for every request costs more than counting.

use std::sync::{Arc, OnceLock};

use metrics::{Counter, Histogram};

use super::Class;

/// Requests of one kind for one entity type, or for none.
pub(crate) struct Counts {
    route: &'static str,
    entity_type: Option<Arc<str>>,
    /// By protocol, then by class of status.
    ended: [[OnceLock<Counter>; Class::NAMES.len()]; Counts::PROTOCOLS.len()],
    seconds: [OnceLock<Histogram>; Counts::PROTOCOLS.len()],
}

pub(super) static DOCUMENT: Counts = Counts::of("document", None);
pub(super) static HEALTH: Counts = Counts::of("health", None);
pub(super) static REFLECTION: Counts = Counts::of("reflection", None);
pub(super) static UNKNOWN: Counts = Counts::of("unknown", None);

impl Counts {
    pub(super) const PROTOCOLS: [&'static str; 3] = ["http1", "http2", "grpc"];

    const fn of(route: &'static str, entity_type: Option<Arc<str>>) -> Self {
        let ended = [const { [const { OnceLock::new() }; Class::NAMES.len()] }; Self::PROTOCOLS.len()];
        Self { route, entity_type, ended, seconds: [const { OnceLock::new() }; Self::PROTOCOLS.len()] }
    }

    pub(super) fn route(&self) -> &'static str {
        self.route
    }

    pub(super) fn ended(&self, protocol: usize, class: usize, seconds: f64) {
        let labels = || {
            let entity_type = self.entity_type.as_deref().unwrap_or("").to_owned();
            [
                ("protocol", Self::PROTOCOLS[protocol].to_owned()),
                ("route", self.route.to_owned()),
                ("type", entity_type),
            ]
        };
        let counter = || {
            let [protocol, route, entity_type] = labels();
            let status = ("status", Class::NAMES[class].to_owned());
            metrics::counter!("adjoin_ingress_requests_total", &[protocol, route, entity_type, status])
        };
        self.ended[protocol][class].get_or_init(counter).increment(1);
        let histogram = || metrics::histogram!("adjoin_ingress_request_seconds", &labels());
        self.seconds[protocol].get_or_init(histogram).record(seconds);
    }
}

/// What is asked of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One answer; may change state.
    Command,
    /// One answer; changes nothing.
    Query,
    /// A query that is answered again after changes.
    Watch,
    /// A handler that streams its input or its reply.
    Stream,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Query => "query",
            Self::Watch => "watch",
            Self::Stream => "stream",
        }
    }
}

/// Requests for the handlers of one entity type.
pub(crate) struct TypeCounts {
    entity_type: Arc<str>,
    kinds: [Counts; 4],
}

impl TypeCounts {
    pub(crate) fn new(entity_type: Arc<str>) -> Self {
        let kinds = [Kind::Command, Kind::Query, Kind::Watch, Kind::Stream];
        let kinds = kinds.map(|kind| Counts::of(kind.name(), Some(entity_type.clone())));
        Self { entity_type, kinds }
    }

    pub(super) fn entity_type(&self) -> &Arc<str> {
        &self.entity_type
    }

    pub(super) fn of(&self, kind: Kind) -> &Counts {
        &self.kinds[kind as usize]
    }
}

impl std::fmt::Debug for TypeCounts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TypeCounts").field("entity_type", &self.entity_type).finish_non_exhaustive()
    }
}
