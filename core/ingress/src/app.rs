// SPDX-License-Identifier: Apache-2.0
//! One request, from its head to its response. Every failure becomes a problem here, a panic too.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use adjoin_engine::Engine;
use adjoin_model::{Error, Outcome};
use bytes::Bytes;
use futures::FutureExt;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as HttpBody;
use prost_reflect::DescriptorPool;
use tokio_util::sync::CancellationToken;
use tonic::codegen::Service as _;
use tower::Layer as _;
use tower_http::cors::CorsLayer;

use crate::body::Body;
use crate::grpc::status::status;
use crate::grpc::{self, Health};
use crate::http::problem::Problem;
use crate::http::read::Reading;
use crate::http::stream::Streams;
use crate::http::{call, cors, head, index};
use crate::meter::{self, Refusal};
use crate::routes::{Routes, Table};
use crate::schema::Lock;
use crate::settings::Settings;
use crate::transcode::{self, Found};

/// What every connection of an ingress shares.
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) settings: Arc<Settings>,
    pub(crate) routes: Routes,
    pub(crate) reading: Reading,
    pub(crate) streams: Streams,
    pub(crate) health: Health,
    pub(crate) lock: Lock,
    /// Descriptors of the services that are always there.
    pub(crate) fixed_files: DescriptorPool,
    cors: Option<CorsLayer>,
}

impl App {
    pub(crate) fn new(engine: Engine, settings: Settings, lock: Lock, closing: CancellationToken) -> Self {
        let streams = Streams::new(&settings, closing);
        let routes = Routes::new(engine.clone());
        let cors = cors::layer(&settings.cors_origins);
        Self {
            engine,
            settings: Arc::new(settings),
            routes,
            reading: Reading::default(),
            streams,
            health: Health::new(),
            lock,
            fixed_files: grpc::fixed_files(),
            cors,
        }
    }

    /// Answers a request, in any case; to scripts of other origins, with what their browser is to know.
    pub(crate) async fn respond<B>(self: &Arc<Self>, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(cors) = &self.cors else { return self.respond_here(request).await };
        // What asks for no method is no preflight but a request like others, which the layer takes by its method alone.
        let plain =
            request.method() == Method::OPTIONS && !request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let inner = tower::service_fn(|mut request: Request<B>| async move {
            if plain {
                *request.method_mut() = Method::OPTIONS;
            }
            Ok::<_, Infallible>(self.respond_here(request).await)
        });
        let mut request = request;
        if plain {
            *request.method_mut() = Method::GET;
        }
        match cors.layer(inner).call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    async fn respond_here<B>(self: &Arc<Self>, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if grpc::is_ours(request.headers()) {
            return self.respond_grpc(request).await;
        }
        // What is shared is counters and pointers, whole at any time.
        let answered = AssertUnwindSafe(self.answer(request)).catch_unwind().await;
        let answered = answered.unwrap_or_else(|_| Err(bug().into()));
        answered.unwrap_or_else(refused)
    }

    async fn respond_grpc<B>(self: &Arc<Self>, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Err(error) = head::check_size(request.headers(), &self.settings) {
            Refusal::HeadSize.count();
            return grpc::refuse(status(&error, "adjoin"));
        }
        if request.version() < Version::HTTP_2 && !grpc::is_web(request.headers()) {
            // Its status would be lost behind the message: trailers of HTTP/1.1 reach hardly anybody.
            let error = Error::invalid("gRPC needs HTTP/2; over HTTP/1.1 speak gRPC-Web or JSON");
            return grpc::refuse(status(&error, "adjoin"));
        }
        let answered = AssertUnwindSafe(grpc::respond(self, request)).catch_unwind().await;
        answered.unwrap_or_else(|_| grpc::refuse(status(&bug(), "adjoin")))
    }

    async fn answer<B>(&self, request: Request<B>) -> Result<Response<Body>, Problem>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    {
        let (parts, body) = request.into_parts();
        self.check_head(&parts)?;
        let probe = parts.headers.get(&PROBE);
        let table = match parts.uri.path() {
            "/" | "/openapi.json" if probe.is_none() => self.routes.now(),
            _ => self.routes.ready().await?,
        };
        let bare = table.contracts().all_cloudstate;
        let found = match table.contracts().router.find(&parts.method, parts.uri.path()) {
            Ok(Found::Binding(binding)) => return Ok(transcode::respond(self, binding, &parts, body).await),
            Ok(found) => found,
            Err(_) if bare => return Ok(transcode::phrase(StatusCode::BAD_REQUEST)),
            Err(error) => return Err(error.into()),
        };
        if let Some(asked) = probe {
            return Ok(probed(asked));
        }
        let answered = self.answer_code_first(&table, &parts, body).await;
        match (answered, found) {
            // As the reference proxy of the Cloudstate protocol, whatever methods there are.
            (Err(problem), _) if bare && problem.status == StatusCode::NOT_FOUND => {
                Ok(transcode::phrase(StatusCode::NOT_FOUND))
            }
            (Err(problem), Found::OtherMethods(allow)) if problem.status == StatusCode::NOT_FOUND => {
                Err(Problem::method("this path has other methods", allow))
            }
            (answered, _) => answered,
        }
    }

    async fn answer_code_first<B>(&self, table: &Table, parts: &Parts, body: B) -> Result<Response<Body>, Problem>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    {
        match parts.uri.path() {
            "/" => get(parts, || index::index(table)),
            "/openapi.json" => get(parts, || index::json_document(table.openapi())),
            _ => call::respond(self, table, parts, body).await,
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

/// Knative asks so whether a container takes requests.
const PROBE: HeaderName = HeaderName::from_static("k-network-probe");

/// The answer to a probe of Knative's; another name than ours is asked of somebody else.
fn probed(asked: &HeaderValue) -> Response<Body> {
    meter::document();
    if asked == "queue" {
        Response::new(Bytes::from_static(b"queue").into())
    } else {
        transcode::phrase(StatusCode::BAD_REQUEST)
    }
}

/// The answer to a failure; a bound of HTTP's own is counted as such.
fn refused(problem: Problem) -> Response<Body> {
    Refusal::count_status(problem.status);
    problem.response()
}

fn bug() -> Error {
    Error::internal("a bug of the ingress; it is in the log").with_outcome(Outcome::Unknown)
}

/// A document that is only read.
fn get(parts: &Parts, document: impl FnOnce() -> Response<Body>) -> Result<Response<Body>, Problem> {
    meter::document();
    match parts.method {
        Method::GET | Method::HEAD => Ok(document()),
        _ => Err(Problem::method("this document is read by GET", "GET, HEAD")),
    }
}
