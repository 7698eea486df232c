// SPDX-License-Identifier: Apache-2.0
//! Keeps web pages out of a loopback port: a page whose name was pointed at this machine sends that name as its host,
//! and a page of any other origin says so.

use adjoin_model::Error;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Refuses what does not name this machine, or comes from a page of another.
pub(super) async fn only_local_names(request: Request, next: Next) -> Response {
    let named = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let host = named.or_else(|| text(request.headers(), header::HOST)).unwrap_or_default();
    let origin = text(request.headers(), header::ORIGIN);
    let origin_is_local = origin.as_deref().is_none_or(|origin| origin.strip_prefix("http://").is_some_and(local));
    if local(&host) && origin_is_local {
        return next.run(request).await;
    }
    let told = origin.unwrap_or(host);
    Problem(Error::denied(format!("the admin API answers to names of this machine only, not to {told:?}")))
        .into_response()
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Whether a host with or without port is a loopback address or `localhost`.
fn local(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in ["127.0.0.1", "127.0.0.1:9001", "localhost:1", "[::1]:9001", "127.8.8.8"] {
            assert!(local(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example:9001", "10.0.0.1:9001", "localhost.evil"] {
            assert!(!local(host), "{host}");
        }
    }
}
