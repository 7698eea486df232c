// SPDX-License-Identifier: Apache-2.0
//! gRPC: the generic service, those of contracts, the derived ones, health and reflection.

mod bounded;
mod contract;
mod entities;
mod exchange;
mod health;
mod named;
mod reflection;
mod replies;
pub(crate) mod status;
mod timed;
mod typed;
mod web;

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use prost_reflect::DescriptorPool;
use tonic::Status;
use tonic::body::Body as GrpcBody;
use tonic::codec::CompressionEncoding;
use tonic::codegen::Service;
use tonic_reflection::pb::{v1, v1alpha};
use tonic_web::GrpcWebLayer;
use tower::Layer as _;

use crate::app::App;
use crate::body::Body;
use crate::generated::client::entities_server::EntitiesServer;
use crate::meter;
use bounded::bounded;
use entities::Generic;
pub(crate) use health::Health;
use reflection::Reflection;
use timed::Due;
pub(crate) use web::is_web;

/// Whether a request speaks gRPC or gRPC-Web, in a form that is known here or in another.
pub(crate) fn is_ours(headers: &HeaderMap) -> bool {
    let kind = essence(headers);
    let rest = kind.strip_prefix("application/grpc");
    rest.is_some_and(|rest| matches!(rest.as_bytes().first(), None | Some(b'+' | b'-')))
}

/// Whether a request speaks gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    matches!(&*essence(headers), "application/grpc" | "application/grpc+proto")
}

/// The type of a body's content, without parameters, in lower case.
pub(crate) fn essence(headers: &HeaderMap) -> Cow<'_, str> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if kind.bytes().any(|byte| byte.is_ascii_uppercase()) { kind.to_ascii_lowercase().into() } else { kind.into() }
}

/// Answers a gRPC request, or one of gRPC-Web.
pub(crate) async fn respond<B>(app: &Arc<App>, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let request = request.map(GrpcBody::new);
    if *request.method() != Method::POST {
        let mut response = refuse(Status::internal("a call is a POST"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    if is_grpc(request.headers()) {
        return dispatch(app, request).await.map(Body::Grpc);
    }
    if !web::is_web(request.headers()) {
        let mut response = refuse(Status::internal("messages are protobuf: application/grpc+proto"));
        *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return response;
    }
    let request = web::plain(request);
    let inner = tower::service_fn(|request| async { Ok::<_, Infallible>(dispatch(app, request).await) });
    call(GrpcWebLayer::new().layer(inner), request).await.map(Body::Grpc)
}

async fn dispatch(app: &Arc<App>, request: Request<GrpcBody>) -> Response<GrpcBody> {
    let exchange = request.uri().path().ends_with("/Exchange");
    let due = if exchange { Due::Begun } else { Due::Whole };
    let whole = |body| {
        let body = bounded(body, app.settings.body_bytes, !exchange);
        timed::timed(body, due, &app.settings)
    };
    let service = request.uri().path().split('/').nth(1).unwrap_or("");
    match service {
        "grpc.health.v1.Health" => meter::health(),
        "grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection" => meter::reflection(),
        _ => {}
    }
    match service {
        "adjoin.client.v1.Entities" => call(generic(app), request.map(whole)).await,
        "grpc.health.v1.Health" => until_closing(app, call(app.health.service(), request.map(whole)).await),
        "grpc.reflection.v1.ServerReflection" => {
            let service = v1::server_reflection_server::ServerReflectionServer::new(Reflection(app.clone()));
            until_closing(app, call(service, request).await)
        }
        "grpc.reflection.v1alpha.ServerReflection" => {
            let service = v1alpha::server_reflection_server::ServerReflectionServer::new(Reflection(app.clone()));
            until_closing(app, call(service, request).await)
        }
        _ => typed::respond(app, request).await,
    }
}

/// A status as a whole response.
pub(crate) fn refuse(status: Status) -> Response<Body> {
    status.into_http::<GrpcBody>().map(Body::Grpc)
}

async fn call<S>(mut service: S, request: Request<GrpcBody>) -> Response<GrpcBody>
where
    S: Service<Request<GrpcBody>, Response = Response<GrpcBody>, Error = Infallible>,
{
    // Services of tonic are always ready.
    match service.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn generic(app: &Arc<App>) -> EntitiesServer<Generic> {
    EntitiesServer::new(Generic(app.clone()))
        .max_decoding_message_size(app.settings.body_bytes)
        .max_encoding_message_size(usize::MAX)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip)
}

/// Streams that only end when the host does.
fn until_closing(app: &Arc<App>, response: Response<GrpcBody>) -> Response<GrpcBody> {
    match app.streams.place(&app.settings) {
        Ok(place) => response.map(|body| GrpcBody::new(replies::Until { body, place, over: false })),
        Err(error) => status::status(&error, "adjoin").into_http(),
    }
}

/// The files of every service that is always there.
pub(crate) fn fixed_files() -> DescriptorPool {
    let mut pool = DescriptorPool::global();
    let sets = [
        adjoin_wire::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        // The details of our statuses: without them clients that know of types by reflection alone show bytes.
        tonic_types::pb::FILE_DESCRIPTOR_SET,
        v1::FILE_DESCRIPTOR_SET,
        v1alpha::FILE_DESCRIPTOR_SET,
    ];
    for set in sets {
        if let Err(error) = pool.decode_file_descriptor_set(set) {
            tracing::error!(%error, "a file of ours cannot be reflected");
        }
    }
    pool
}
