// SPDX-License-Identifier: Apache-2.0
//! How much contract a function may send.

/// Bounds on a descriptor set, checked on its bytes: a small message costs hundreds of times its bytes once it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole set.
    pub bytes: usize,
    /// Files.
    pub files: usize,
    /// Messages, nested ones and those of maps included.
    pub messages: usize,
    /// Everything else that has a name or a number: fields, extensions, oneofs, enums, their values, services, methods,
    /// ranges, reserved names, imports.
    pub fields: usize,
    /// Bytes of one full name.
    pub name_bytes: usize,
    /// Messages within messages.
    pub depth: usize,
}

impl Default for Limits {
    /// 12 MiB as the reference proxy of the Cloudstate protocol takes, and what is built of it stays below some 100 MiB.
    fn default() -> Self {
        Self { bytes: 12 << 20, files: 4096, messages: 20_000, fields: 200_000, name_bytes: 1024, depth: 32 }
    }
}
