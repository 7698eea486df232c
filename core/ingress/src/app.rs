// SPDX-License-Identifier: Apache-2.0
//! One request, from its head to its response. Every failure becomes a problem here, a panic too.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use adjoin_engine::Engine;
use adjoin_model::{Error, Outcome};
use bytes::Bytes;
use futures::FutureExt;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use tokio_util::sync::CancellationToken;

use crate::body::Body;
use crate::http::problem::Problem;
use crate::http::read::Reading;
use crate::http::stream::Streams;
use crate::http::{call, head, index};
use crate::routes::Routes;
use crate::settings::Settings;

/// What every connection of an ingress shares.
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) settings: Arc<Settings>,
    pub(crate) routes: Routes,
    pub(crate) reading: Reading,
    pub(crate) streams: Streams,
}

impl App {
    pub(crate) fn new(engine: Engine, settings: Settings, closing: CancellationToken) -> Self {
        let streams = Streams::new(&settings, closing);
        let routes = Routes::new(engine.clone());
        Self { engine, settings: Arc::new(settings), routes, reading: Reading::default(), streams }
    }

    /// Answers a request, in any case.
    pub(crate) async fn respond<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        // What is shared is counters and pointers, whole at any time.
        let answered = AssertUnwindSafe(self.answer(request)).catch_unwind().await;
        let answered = answered.unwrap_or_else(|_| {
            let said = "a bug of the ingress; it is in the log";
            Err(Error::internal(said).with_outcome(Outcome::Unknown).into())
        });
        answered.unwrap_or_else(Problem::response)
    }

    async fn answer<B>(&self, request: Request<B>) -> Result<Response<Body>, Problem>
    where
        B: HttpBody<Data = Bytes> + Unpin,
    {
        let (parts, body) = request.into_parts();
        self.check_head(&parts)?;
        match parts.uri.path() {
            "/" => get(&parts, || index::index(&self.routes.now())),
            _ => call::respond(self, &parts, body).await,
        }
    }

    fn check_head(&self, parts: &Parts) -> Result<(), Problem> {
        let length = parts.uri.path_and_query().map_or(0, |address| address.as_str().len());
        if length > self.settings.path_bytes {
            let said = format!("path and query have at most {} bytes", self.settings.path_bytes);
            return Err(Problem::with_status(Error::invalid(said), StatusCode::URI_TOO_LONG));
        }
        head::check_size(&parts.headers, &self.settings)
            .map_err(|error| Problem::with_status(error, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE))
    }
}

/// A document that is only read.
fn get(parts: &Parts, document: impl FnOnce() -> Response<Body>) -> Result<Response<Body>, Problem> {
    match parts.method {
        Method::GET | Method::HEAD => Ok(document()),
        _ => Err(Problem::method("this document is read by GET", "GET, HEAD")),
    }
}
