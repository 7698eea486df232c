// SPDX-License-Identifier: Apache-2.0
//! `/`: which entity types there are and what they answer, and the services of contracts.

use adjoin_entity::spec::{EntityKind, Handler};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde_json::{Value, json};

use crate::body::Body;
use crate::routes::{Table, TypeRoutes};

/// The index as JSON.
pub(crate) fn index(table: &Table) -> Response<Body> {
    let types: Vec<Value> = table.types().map(|routes| entity_type(routes)).collect();
    let index = json!({
        "name": "adjoin",
        "version": env!("CARGO_PKG_VERSION"),
        "openapi": "/openapi.json",
        "services": table.contracts().services,
        "types": types,
    });
    json_document(index.to_string().into())
}

/// A document of JSON.
pub(crate) fn json_document(text: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::Whole(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn entity_type(routes: &TypeRoutes) -> Value {
    let names = |wanted: fn(&Handler) -> bool| -> Vec<&str> {
        routes
            .iter()
            .map(|route| route.handler())
            .filter(|handler| wanted(handler))
            .map(|handler| &*handler.name)
            .collect()
    };
    json!({
        "name": &*routes.entity_type.name,
        "kind": kind(routes.entity_type.kind),
        "summary": routes.entity_type.summary,
        "commands": names(|handler| !handler.query),
        "queries": names(|handler| handler.query),
    })
}

/// The word for a kind, as everywhere in JSON.
pub(crate) const fn kind(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::EventSourced => "eventSourced",
        EntityKind::Value => "value",
        EntityKind::Action => "action",
    }
}
