// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod app;
mod ask;
mod beside;
mod body;
mod contract;
mod generated;
mod grpc;
mod http;
mod listen;
mod meter;
mod routes;
pub mod schema;
mod settings;
mod transcode;

pub use contract::check;
/// The client of the generic service, for tools and SDKs.
pub use generated::client::entities_client::EntitiesClient;
pub use listen::{Ingress, serve};
pub use settings::{LOCK_FILE, Settings, found_lock_file};
