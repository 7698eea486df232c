// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod admission;
mod catalog;
mod clock;
mod elements;
mod engine;
mod message;
mod request;
mod responder;
mod session;
mod settings;
mod shared;
mod status;

pub use catalog::{Catalog, Known};
pub use clock::{Clock, ManualClock, Sleep, SystemClock};
pub use elements::{Element, ElementSink, Elements, Upstream};
pub use engine::Engine;
pub use message::FrameSink;
pub use request::Request;
pub use responder::{Delivery, QueueSink, Responder};
pub use session::{Hello, Session};
pub use settings::Settings;
pub use status::{FailedCommand, LoopStatus, Status, Unanswered};
