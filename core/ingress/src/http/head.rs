// SPDX-License-Identifier: Apache-2.0
//! What the head of a request says about the call, the same for HTTP and gRPC.

use std::sync::Arc;
use std::time::Duration;

use adjoin_model::{Error, Metadata, Result, Sequence};
use http::header::IF_MATCH;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::settings::Settings;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("request-timeout");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const LONGEST_IDEMPOTENCY_KEY: usize = 256;

/// Says whether the fields of a head are few and short enough.
///
/// # Errors
/// `Invalid`, naming the bound.
pub(crate) fn check_size(headers: &HeaderMap, settings: &Settings) -> Result<()> {
    if headers.len() > settings.headers {
        return Err(Error::invalid(format!("a request has at most {} header fields", settings.headers)));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > settings.header_bytes {
        return Err(Error::invalid(format!(
            "the header fields of a request have at most {} bytes",
            settings.header_bytes
        )));
    }
    Ok(())
}

/// The `idempotency-key`: 1 to 256 visible ASCII characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<Arc<str>>> {
    let Some(key) = text(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    if key.is_empty() || key.len() > LONGEST_IDEMPOTENCY_KEY {
        let said = format!("idempotency-key has 1 to {LONGEST_IDEMPOTENCY_KEY} characters");
        return Err(Error::invalid(said));
    }
    Ok(Some(key.into()))
}

/// The sequence of `if-match: "7"`.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<Sequence>> {
    let Some(tag) = text(headers, &IF_MATCH)? else { return Ok(None) };
    let sequence = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
    let said = "if-match is the ETag of an earlier answer, one sequence in quotes such as \"7\"";
    sequence.map(Some).ok_or_else(|| Error::invalid(said))
}

/// The sequence of `last-event-id: 7`.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<Sequence>> {
    let Some(id) = text(headers, &LAST_EVENT_ID)? else { return Ok(None) };
    id.parse().map(Some).map_err(|_| Error::invalid("last-event-id is the id of an earlier event, a sequence"))
}

/// How long the caller waits: `request-timeout` in seconds (`2.5`), or `grpc-timeout` in gRPC's form (`250m`).
pub(crate) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>> {
    if let Some(seconds) = text(headers, &REQUEST_TIMEOUT)? {
        let seconds = seconds.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let said = "request-timeout is a number of seconds above 0, such as 2.5";
        return seconds.filter(|timeout| !timeout.is_zero()).map(Some).ok_or_else(|| Error::invalid(said));
    }
    let Some(timeout) = text(headers, &GRPC_TIMEOUT)? else { return Ok(None) };
    grpc_timeout(timeout)
        .map(Some)
        .ok_or_else(|| Error::invalid("grpc-timeout is up to 8 digits and a unit (H M S m u n)"))
}

/// Whether the caller says how long it waits.
pub(crate) fn has_timeout(headers: &HeaderMap) -> bool {
    headers.contains_key(REQUEST_TIMEOUT) || headers.contains_key(GRPC_TIMEOUT)
}

fn grpc_timeout(timeout: &str) -> Option<Duration> {
    let (digits, unit) = timeout.split_at_checked(timeout.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// What travels to the handler: `traceparent`, `tracestate` and every `x-adjoin-*` field, under their own names.
pub(crate) fn metadata(headers: &HeaderMap) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        let name = name.as_str();
        if !matches!(name, "traceparent" | "tracestate") && !name.starts_with("x-adjoin-") {
            continue;
        }
        metadata.push(entry(name, value)?);
    }
    Ok(metadata)
}

/// What travels to a contract-first action: every field but those that describe the body, under their own names.
pub(crate) fn all_metadata(headers: &HeaderMap) -> Result<Metadata> {
    let described = headers.iter().filter(|(name, _)| !matches!(name.as_str(), "content-type" | "content-length"));
    described.map(|(name, value)| entry(name.as_str(), value)).collect()
}

fn entry(name: &str, value: &HeaderValue) -> Result<(String, String)> {
    let value = std::str::from_utf8(value.as_bytes());
    let value = value.map_err(|_| Error::invalid("metadata is UTF-8").at("header", name))?;
    Ok((name.into(), value.into()))
}

/// A field that may stand once, as visible ASCII.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::invalid(format!("{name} stands twice: send it once")));
    }
    value.to_str().map(Some).map_err(|_| Error::invalid(format!("{name} has visible ASCII characters only")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn what_is_not_said_is_none() {
        let none = HeaderMap::new();
        assert_eq!(idempotency_key(&none), Ok(None));
        assert_eq!(if_match(&none), Ok(None));
        assert_eq!(timeout(&none), Ok(None));
        assert_eq!(last_event_id(&none), Ok(None));
        assert_eq!(metadata(&none), Ok(vec![]));
    }

    #[test]
    fn a_tag_is_a_sequence_in_quotes() {
        assert_eq!(if_match(&head(&[("if-match", "\"7\"")])), Ok(Some(7)));
        for bad in ["7", "*", "W/\"7\"", "\"a\"", "\"1\", \"2\"", "\"-1\"", "\""] {
            assert!(if_match(&head(&[("if-match", bad)])).is_err(), "{bad}");
        }
    }

    #[test]
    fn timeouts_have_two_forms() {
        let seconds = |text| timeout(&head(&[("request-timeout", text)]));
        assert_eq!(seconds("2.5"), Ok(Some(Duration::from_millis(2500))));
        for bad in ["0", "-1", "nan", "inf", "", "1e300", "soon"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        let grpc = |text| timeout(&head(&[("grpc-timeout", text)]));
        assert_eq!(grpc("250m"), Ok(Some(Duration::from_millis(250))));
        assert_eq!(grpc("99999999H"), Ok(Some(Duration::from_secs(99_999_999 * 3600))));
        for bad in ["", "m", "1", "123456789S", "+1S", "1ü"] {
            let value = HeaderValue::from_bytes(bad.as_bytes()).expect("a value");
            let headers = HeaderMap::from_iter([(GRPC_TIMEOUT, value)]);
            assert!(timeout(&headers).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_or_is_too_long_is_invalid() {
        assert_eq!(idempotency_key(&head(&[("idempotency-key", "k1")])), Ok(Some("k1".into())));
        assert!(idempotency_key(&head(&[("idempotency-key", "a"), ("idempotency-key", "b")])).is_err());
        assert!(idempotency_key(&head(&[("idempotency-key", "")])).is_err());
        let long = HeaderValue::from_str(&"k".repeat(257)).expect("a value");
        assert!(idempotency_key(&HeaderMap::from_iter([(IDEMPOTENCY_KEY, long)])).is_err());
    }

    #[test]
    fn metadata_is_what_is_ours_and_the_trace() {
        let headers = head(&[("accept", "x"), ("x-adjoin-tenant", "t1"), ("traceparent", "00-1-2-01")]);
        let mut found = metadata(&headers).expect("text");
        found.sort();
        assert_eq!(found, [("traceparent".into(), "00-1-2-01".into()), ("x-adjoin-tenant".into(), "t1".into())]);
    }

    #[test]
    fn heads_have_bounds() {
        let settings = Settings { headers: 2, header_bytes: 20, ..Settings::default() };
        assert!(check_size(&head(&[("a", "1"), ("b", "2")]), &settings).is_ok());
        assert!(check_size(&head(&[("a", "1"), ("b", "2"), ("c", "3")]), &settings).is_err());
        assert!(check_size(&head(&[("a", "12345678901234567890")]), &settings).is_err());
    }
}
