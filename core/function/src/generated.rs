// SPDX-License-Identifier: Apache-2.0
//! The services of the protocols as tonic writes them. `cargo xtask gen` writes them anew.

/// The Cloudstate protocol 0.2.
#[allow(missing_docs, unreachable_pub, non_camel_case_types, clippy::all, reason = "written by a program")]
#[rustfmt::skip]
pub mod cloudstate;
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "written by a program")]
#[rustfmt::skip]
pub(crate) mod protocol;
