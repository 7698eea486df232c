// SPDX-License-Identifier: Apache-2.0
//! The services of `proto/adjoin/client` as tonic writes them. `cargo xtask gen` writes them anew.

/// `adjoin.client.v1`.
#[allow(missing_docs, unreachable_pub, dead_code, clippy::all, reason = "written by a program; the .proto files hold the documentation")]
#[rustfmt::skip]
pub(crate) mod client;
