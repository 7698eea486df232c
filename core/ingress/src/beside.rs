// SPDX-License-Identifier: Apache-2.0
//! What a function says beside its reply, as fields of the head of the response: HTTP's, or gRPC's initial metadata.

use adjoin_model::{Metadata, Sequence};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::metadata::MetadataMap;

use crate::http::call::mark;

/// Fields at most, of one response.
const MOST: usize = 128;

/// Bytes at most, counted as HPACK does: clients of common libraries take heads of 16 KiB, and these are not the only
/// fields in it.
const BYTES: usize = 8 << 10;

/// What HPACK adds to a field's name and value (RFC 7541, section 4.1).
const OVERHEAD: usize = 32;

/// Adds what may go out; whatever cannot is left out, with a line in the log.
pub(crate) fn lift(metadata: Metadata, headers: &mut HeaderMap) {
    let (mut fields, mut bytes) = (0, 0);
    for (name, value) in metadata {
        let Some((known, kept)) = field(&name, &value) else {
            tracing::debug!(name, "an entry beside a reply cannot be a field of the response");
            continue;
        };
        fields += 1;
        bytes += OVERHEAD + name.len() + value.len();
        if fields > MOST || bytes > BYTES {
            tracing::debug!(name, "more is said beside a reply than the head of a response takes");
            return;
        }
        headers.append(known, kept);
    }
}

/// A gRPC response with what is said beside its message, and what it rests on: the sequence of an entity, where the
/// message does not say it, and an earlier answer.
pub(crate) fn response<T>(
    said: Metadata,
    sequence: Option<Sequence>,
    replayed: bool,
    message: T,
) -> tonic::Response<T> {
    let mut headers = HeaderMap::new();
    lift(said, &mut headers);
    mark(&mut headers, sequence, replayed);
    tonic::Response::from_parts(MetadataMap::from_headers(headers), message, tonic::Extensions::default())
}

fn field(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let visible = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let sound = visible && !is_ours(name) && (!name.ends_with("-bin") || is_base64(value));
    let known = sound.then(|| HeaderName::from_bytes(name.as_bytes()).ok()).flatten()?;
    Some((known, HeaderValue::from_str(value).ok()?))
}

/// gRPC's clients refuse the whole response for one that is not.
fn is_base64(value: &str) -> bool {
    value.split(',').map(str::trim).all(|one| STANDARD.decode(one).is_ok() || STANDARD_NO_PAD.decode(one).is_ok())
}

/// Fields that the host, the connection or the protocol answers for, and those that only mean something in a request:
/// a function that gives the metadata of a call back must not send its client's credentials around.
fn is_ours(name: &str) -> bool {
    const PREFIXES: [&str; 4] = ["grpc-", "access-control-", "sec-", "proxy-"];
    PREFIXES.iter().any(|prefix| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix)))
        || OURS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

const OURS: [&str; 32] = [
    "accept-ranges",
    "age",
    "alt-svc",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "host",
    "http2-settings",
    "idempotency-key",
    "idempotency-replayed",
    "if-match",
    "keep-alive",
    "last-event-id",
    "last-modified",
    "origin",
    "request-timeout",
    "server",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn lifted(entries: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        lift(entries.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(), &mut headers);
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), value.to_str().expect("text").to_owned())
        };
        headers.iter().map(text).collect()
    }

    #[test]
    fn names_that_are_free_go_out_in_order_and_may_repeat() {
        let said = [("x-one", "1"), ("x-one", "2"), ("location", "/a"), ("set-cookie", "a=1")];
        assert_eq!(lifted(&said), said.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_the_host_answers_for_stays() {
        let said = [
            ("content-type", "text/html"),
            ("Content-Length", "3"),
            ("connection", "close"),
            ("grpc-status", "5"),
            ("GRPC-Message", "x"),
            ("access-control-allow-origin", "*"),
            ("etag", "\"9\""),
            ("authorization", "Bearer x"),
            ("cookie", "a"),
            ("transfer-encoding", "chunked"),
            ("proxy-authenticate", "x"),
        ];
        assert_eq!(lifted(&said), []);
    }

    #[test]
    fn what_is_no_field_is_left_out_and_the_rest_goes_on() {
        let said = [(":authority", "a"), ("", "x"), ("two words", "x"), ("x-split", "a\r\nb: c"), ("x-ö", "1")];
        assert_eq!(lifted(&said), []);
        assert_eq!(lifted(&[("x-umlaut", "ö"), ("x-good", "1")]), [("x-good".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn binary_entries_are_base64() {
        let said = [("trace-bin", "AAE="), ("plain-bin", "AAE"), ("odd-bin", "not base64!")];
        assert_eq!(lifted(&said).len(), 2);
    }

    #[test]
    fn a_head_has_bounds() {
        let many: Vec<(String, String)> = (0..200).map(|n| (format!("x-{n}"), String::new())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(lifted(&many).len(), MOST);
        let long = "v".repeat(3000);
        assert_eq!(lifted(&[("a", &long), ("b", &long), ("c", &long)]).len(), 2);
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(OURS.is_sorted());
    }
}
