// SPDX-License-Identifier: Apache-2.0
//! The ingress over real sockets, in front of a real engine and a real memory store.

mod calls;
mod cancelled;
mod contract_grpc;
mod contract_http;
mod contract_reflection;
mod counted;
mod forms;
mod forms_grpc;
mod forms_http;
mod grpc;
mod host;
mod hostile;
mod metadata;
mod openapi;
mod post;
mod shop;
mod streams;
mod typed;
mod web;
mod wire;
