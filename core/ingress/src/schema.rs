// SPDX-License-Identifier: Apache-2.0
//! What JSON Schemas of a spec mean for parameters, documents and messages.

pub(crate) mod node;
pub(crate) mod shape;
