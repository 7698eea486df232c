// SPDX-License-Identifier: Apache-2.0
//! The service of `adjoin.protocol.v1` as tonic writes it. `cargo xtask gen` writes it anew.

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "written by a program")]
#[rustfmt::skip]
pub(crate) mod protocol;
