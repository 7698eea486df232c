// SPDX-License-Identifier: Apache-2.0
//! HTTP/JSON and server-sent events.

pub(crate) mod call;
pub(crate) mod cors;
pub(crate) mod head;
pub(crate) mod index;
pub(crate) mod json;
pub(crate) mod openapi;
pub(crate) mod params;
pub(crate) mod path;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod read;
pub(crate) mod stream;
pub(crate) mod upload;
