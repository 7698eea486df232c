// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod app;
mod body;
mod http;
mod listen;
mod routes;
mod schema;
mod settings;

pub use listen::{Ingress, serve};
pub use settings::Settings;
