// SPDX-License-Identifier: Apache-2.0
//! The ingress over real sockets, in front of a real engine and a real memory store.

mod calls;
mod grpc;
mod host;
mod hostile;
mod openapi;
mod shop;
mod streams;
mod typed;
mod wire;
