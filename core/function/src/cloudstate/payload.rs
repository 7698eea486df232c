// SPDX-License-Identifier: Apache-2.0
//! Payloads and metadata, as both sides write them.

use adjoin_model::{Metadata, Payload};
use prost_types::Any;
use tonic::metadata::BinaryMetadataValue;

use super::protocol::metadata_entry::Value;
use super::protocol::{Metadata as Entries, MetadataEntry};

/// As the core keeps it.
pub(crate) fn payload(any: Any) -> Payload {
    Payload::new(any.type_url, any.value)
}

/// As the function reads it.
pub(crate) fn any(payload: Payload) -> Any {
    Any { type_url: (*payload.type_name).to_owned(), value: payload.data.into() }
}

/// The metadata of a call, in order.
pub(crate) fn entries(metadata: &Metadata) -> Entries {
    let entry = |(key, value): &(String, String)| MetadataEntry {
        key: key.clone(),
        value: Some(Value::StringValue(value.clone())),
    };
    Entries { entries: metadata.iter().map(entry).collect() }
}

/// A function's metadata. Names are in lower case, as everywhere in the core; bytes are carried as gRPC does, in base64
/// under a name that ends in `-bin`, and under no other.
pub(crate) fn metadata(entries: Option<Entries>) -> Metadata {
    let text = |entry: MetadataEntry| match entry.value {
        Some(Value::StringValue(value)) => Some((entry.key.to_ascii_lowercase(), value)),
        Some(Value::BytesValue(bytes)) => {
            let name = entry.key.to_ascii_lowercase();
            let encoded = BinaryMetadataValue::from_bytes(&bytes);
            let text = String::from_utf8_lossy(encoded.as_encoded_bytes()).into_owned();
            name.ends_with("-bin").then_some((name, text))
        }
        None => None,
    };
    entries.into_iter().flat_map(|entries| entries.entries).filter_map(text).collect()
}
