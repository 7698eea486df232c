// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod admission;
mod catalog;
mod clock;
mod driver;
mod elements;
mod engine;
mod guard;
mod handler_calls;
mod message;
#[cfg(feature = "mutants")]
mod mutant;
mod pending;
mod readers;
mod request;
mod responder;
mod session;
mod settings;
mod shared;
mod start;
mod status;
mod writer;

pub use catalog::{Catalog, Known};
pub use clock::{Clock, ManualClock, Sleep, SystemClock};
pub use elements::{Element, ElementSink, Elements, Upstream};
pub use engine::Engine;
pub use message::FrameSink;
#[cfg(feature = "mutants")]
pub use mutant::{Mutant, mutate};
pub use pending::PendingReply;
pub use request::Request;
pub use responder::{Delivery, QueueSink, Responder};
pub use session::{Hello, Session};
pub use settings::Settings;
pub use start::random;
pub use status::{LoopStatus, Status};
