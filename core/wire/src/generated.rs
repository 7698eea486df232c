// SPDX-License-Identifier: Apache-2.0
//! The messages of the protocols as prost writes them. `cargo xtask gen` writes them anew.

/// `adjoin.client.v1`: calls to entities without generated stubs.
#[allow(missing_docs, clippy::all, reason = "written by a program; the .proto files hold the documentation")]
#[rustfmt::skip]
pub mod client;
/// `adjoin.protocol.v1`: the contract between host and user function.
#[allow(missing_docs, clippy::all, reason = "written by a program; the .proto files hold the documentation")]
#[rustfmt::skip]
pub mod protocol;

/// Every file of `proto/adjoin` as an encoded `google.protobuf.FileDescriptorSet`, without comments: for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");
