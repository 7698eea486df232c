// SPDX-License-Identifier: Apache-2.0
//! Which messages can hold a map, themselves or in what they hold.

use std::collections::{HashMap, HashSet};

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

/// The full names of those messages. What an `Any` may bring is not looked into.
pub(crate) fn holders(pool: &DescriptorPool) -> HashSet<String> {
    let mut found: Vec<MessageDescriptor> = pool.all_messages().filter(MessageDescriptor::is_map_entry).collect();
    let mut within: HashMap<String, Vec<MessageDescriptor>> = HashMap::new();
    for message in pool.all_messages() {
        let fields = message.fields().map(|field| field.kind());
        for kind in fields.chain(message.extensions().map(|extension| extension.kind())) {
            if let Kind::Message(inner) = kind {
                within.entry(inner.full_name().to_owned()).or_default().push(message.clone());
            }
        }
    }
    let mut holders = HashSet::new();
    while let Some(message) = found.pop() {
        if holders.insert(message.full_name().to_owned()) {
            found.extend(within.remove(message.full_name()).unwrap_or_default());
        }
    }
    holders
}
