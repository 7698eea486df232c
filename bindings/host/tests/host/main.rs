// SPDX-License-Identifier: Apache-2.0
//! The five calls from outside: a foreign side in Rust that polls, answers and asks.

mod foreign;

mod connect;
mod in_process;
mod misuse;
mod serve;
