// SPDX-License-Identifier: Apache-2.0
//! Opaque payloads: a type name and bytes. Only the ingress and the SDKs look inside.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

/// A typed, opaque payload.
///
/// `type_name` is the explicit stored name (`ItemAdded`, or `json` for a bare body); `data` is never read by the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The stored name of the type.
    pub type_name: Arc<str>,
    /// The encoded value.
    pub data: Bytes,
}

impl Payload {
    /// A payload of this type.
    #[must_use]
    pub fn new(type_name: impl Into<Arc<str>>, data: impl Into<Bytes>) -> Self {
        Self { type_name: type_name.into(), data: data.into() }
    }

    /// Its size as limits count it: name and data, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.type_name.len() + self.data.len()
    }
}

/// Names a command for good: given once by the ingress, kept through redelivery, forwarding and retry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub u128);

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Metadata of a call: names in lower case, in the order they came.
pub type Metadata = Vec<(String, String)>;
