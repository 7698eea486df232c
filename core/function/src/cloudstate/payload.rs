// SPDX-License-Identifier: Apache-2.0
//! Payloads and metadata, as both sides write them.

use adjoin_model::{Metadata, Payload};
use prost_types::Any;

use super::protocol::metadata_entry::Value;
use super::protocol::{Metadata as Entries, MetadataEntry};

/// As the core keeps it.
pub(super) fn payload(any: Any) -> Payload {
    Payload::new(any.type_url, any.value)
}

/// As the function reads it.
pub(super) fn any(payload: Payload) -> Any {
    Any { type_url: (*payload.type_name).to_owned(), value: payload.data.into() }
}

/// The metadata of a call, in order.
pub(super) fn entries(metadata: &Metadata) -> Entries {
    let entry = |(key, value): &(String, String)| MetadataEntry {
        key: key.clone(),
        value: Some(Value::StringValue(value.clone())),
    };
    Entries { entries: metadata.iter().map(entry).collect() }
}

/// What of a function's metadata can be carried: text. Names are in lower case, as everywhere in the core.
pub(super) fn metadata(entries: Option<Entries>) -> Metadata {
    let text = |entry: MetadataEntry| match entry.value {
        Some(Value::StringValue(value)) => Some((entry.key.to_ascii_lowercase(), value)),
        Some(Value::BytesValue(_)) | None => None,
    };
    entries.into_iter().flat_map(|entries| entries.entries).filter_map(text).collect()
}
