// SPDX-License-Identifier: Apache-2.0
//! Contract-first methods over HTTP: the rules of `google.api.http`, JSON to messages and back.

mod binding;
mod call;
mod encode;
mod fields;
mod input;
pub(crate) mod message;
mod openapi;
mod output;
mod print;
mod reference;
mod refusal;
mod router;
mod template;

pub(crate) use binding::all as bindings;
pub(crate) use call::respond;
pub(crate) use openapi::describe;
pub(crate) use refusal::phrase;
pub(crate) use router::{Found, Router};
