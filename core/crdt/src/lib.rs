// SPDX-License-Identifier: Apache-2.0
#![no_std]
#![doc = include_str!("../README.md")]
//!
#![doc = include_str!("../ENCODING.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod causal;
mod context;
mod counter;
mod dot;
mod dots;
mod edit;
mod elements;
mod error;
mod flag;
mod kind;
mod map;
mod read;
mod register;
mod set;
mod short;
mod store;
mod value;
mod vote;
mod write;

pub use causal::{Causal, VERSION};
pub use context::{Context, Run};
pub use counter::{GCounter, PnCounter};
pub use dot::{Dot, ReplicaId};
pub use edit::Edit;
pub use error::Error;
pub use flag::{EwFlag, Flag};
pub use kind::Kind;
pub use map::OrMap;
pub use read::Limits;
pub use register::{Clock, LwwRegister, MvRegister, Stamped};
pub use set::{GSet, OrSet};
pub use store::Store;
pub use value::{Crdt, Value};
pub use vote::{Ballot, Tally, Vote};

/// An element, a key or a value: bytes that mean something to whoever made them. Two are the same if their bytes are.
pub type Bytes = alloc::sync::Arc<[u8]>;

/// The longest element, key or value, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// How deep maps may be nested; a map by itself is one deep.
pub const MAX_DEPTH: usize = 16;

fn checked(bytes: &[u8]) -> Result<&[u8], Error> {
    if bytes.len() > MAX_BYTES { Err(Error::TooLong { limit: MAX_BYTES }) } else { Ok(bytes) }
}
