// SPDX-License-Identifier: Apache-2.0
#![doc = include_str!("../README.md")]

mod app;
mod asking;
mod cx;
mod dispatch;
mod entity;
mod folder;
mod handler;
mod handlers;
mod json;
mod kinds;
mod kit;
mod mutant;
mod names;
mod outbox;
mod reject;
mod remote;
mod runtime;
mod serving;
mod shared;
mod stream;
mod typed;
mod worker;

pub use adjoin_model::{Code, CommandId, EntityId, Error, Kind, Outcome, Result, Sequence};
pub use app::App;
pub use cx::Cx;
pub use entity::{Answer, Call, Elements, Entity, Named, Watch};
pub use handler::{Bound, CommandFn, HandlerFn, QueryFn, Shape, StreamFn, shape};
pub use handlers::Handlers;
pub use kinds::{Action, Defined, EventSourced, OldEvent, Value, kind};
pub use kit::{Kit, Then, kit, kit_action, kit_value};
#[cfg(feature = "mutants")]
pub use mutant::{Mutant, mutate};
pub use reject::{Reject, reject, reject_with};
pub use remote::{Client, connect};
#[doc(hidden)]
pub use remote::{RemoteElements, RemoteWatch};
pub use runtime::Runtime;
pub use schemars::{self, JsonSchema};
pub use serving::{Serving, told_to_end};
pub use stream::{In, Out};
