// SPDX-License-Identifier: Apache-2.0
//! Errors as gRPC statuses with details.

use std::collections::HashMap;
use std::time::Duration;

use adjoin_model::Error;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Longest message: statuses travel in header fields, which clients bound to a few kilobytes.
const MESSAGE_BYTES: usize = 1024;

/// Bytes of a message as it is sent, where it is not to be short: common clients refuse heads of more than 8 KiB.
const SENT_BYTES: usize = 6 << 10;

/// The status of an error: its canonical code, `google.rpc.ErrorInfo` with the kind as reason, `outcome` and the places
/// in its metadata, `google.rpc.RetryInfo` where trying again can help. `domain` is the entity type, or `adjoin`.
pub(crate) fn status(error: &Error, domain: &str) -> Status {
    let mut places = HashMap::from([("outcome".to_owned(), error.outcome.name().to_owned())]);
    for (what, value) in &error.context {
        places.entry(what.to_string()).or_insert_with(|| cut(value));
    }
    let mut details = ErrorDetails::with_error_info(error.kind.name(), domain, places);
    let mut metadata = MetadataMap::new();
    if let Some(ms) = error.retry_after_ms {
        details.set_retry_info(Some(Duration::from_millis(ms)));
        metadata.insert("grpc-retry-pushback-ms", MetadataValue::from(ms));
    }
    let code = Code::from(i32::from(error.client_code().number()));
    Status::with_error_details_and_metadata(code, cut(&error.message), details, metadata)
}

/// What of a text fits the message of a status.
pub(crate) fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MESSAGE_BYTES)].to_owned()
}

/// What of a text fits the message of a status of a Cloudstate function, whose clients get whole descriptions: as it is
/// sent, so that nothing of a byte grows.
pub(crate) fn cut_long(text: &str) -> String {
    let (mut sent, mut end) = (0, 0);
    for (at, letter) in text.char_indices() {
        let plain = matches!(letter, ' '..='~') && letter != '%';
        sent += if plain { 1 } else { 3 * letter.len_utf8() };
        if sent > SENT_BYTES {
            break;
        }
        end = at + letter.len_utf8();
    }
    text[..end].to_owned()
}

/// Why a message of a client's stream is none: it was too long, or cannot be read.
pub(crate) fn unread(said: &Status) -> Error {
    match said.code() {
        Code::ResourceExhausted => Error::exhausted(said.message()),
        _ => Error::invalid("a message of the stream cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_model::{Kind, Outcome};

    #[test]
    fn every_kind_has_its_code_and_details() {
        for kind in Kind::ALL {
            let status = status(&Error::new(kind, Outcome::Unknown, "what").at("entity", "a/b"), "shop.Cart");
            assert_eq!(status.code() as i32, i32::from(kind.code().number()), "{kind:?}");
            let info = status.get_details_error_info().expect("an ErrorInfo");
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (kind.name(), "shop.Cart"));
            assert_eq!(info.metadata["outcome"], "unknown");
            assert_eq!(info.metadata["entity"], "a/b");
        }
    }

    #[test]
    fn when_to_come_back_is_said_in_both_ways() {
        let status = status(&Error::exhausted("full").retry_after(250), "adjoin");
        let retry = status.get_details_retry_info().expect("a RetryInfo");
        assert_eq!(retry.retry_delay, Some(Duration::from_millis(250)));
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").expect("said"), "250");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let status = status(&Error::invalid("ü".repeat(4000)), "adjoin");
        assert_eq!(status.message().len(), MESSAGE_BYTES);
    }

    #[test]
    fn a_long_description_is_cut_by_what_is_sent() {
        assert_eq!(cut_long("short, with a\ttab, 50 % and ü"), "short, with a\ttab, 50 % and ü");
        assert_eq!(cut_long(&"a".repeat(10_000)).len(), SENT_BYTES);
        assert_eq!(cut_long(&"ü".repeat(10_000)).len(), SENT_BYTES / 3);
    }
}
