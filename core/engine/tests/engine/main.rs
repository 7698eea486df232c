// SPDX-License-Identifier: Apache-2.0
//! The engine from outside: a small function in Rust, the memory store, real loops.

mod faulty;
mod function;
mod world;

mod bounds;
mod bugs;
mod commands;
mod effects;
mod eventing;
mod handler_calls;
mod sessions;
mod store;
mod streams;
mod watching;
