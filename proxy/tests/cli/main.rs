// SPDX-License-Identifier: Apache-2.0
//! The binary as its users meet it: real processes, real ports, a real function.

mod function;
mod listener;
mod support;

mod admin;
mod call;
mod dev;
mod durable;
mod effects;
mod eventing;
mod load;
mod metrics;
mod schema;
mod serve;
mod usage;
