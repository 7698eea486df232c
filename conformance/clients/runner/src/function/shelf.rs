// SPDX-License-Identifier: Apache-2.0
//! `depot.Shelf`: event-sourced, its state the parcels as they came.

use std::collections::HashMap;

use adjoin_entity::frame::{CommandFrame, HandlerResult};
use adjoin_model::{Code, Error, Payload};
use bytes::Bytes;

use super::messages::{Contents, Named, Parcel, Receipt};

/// The stored name of the event without which a shelf would never be empty again.
const CLEARED: &str = "depot.Cleared";

/// Shelves in memory, by activation.
#[derive(Default)]
pub(crate) struct Shelves(HashMap<u64, Vec<Bytes>>);

impl Shelves {
    /// An activation begins: empty.
    pub(crate) fn begin(&mut self, activation: u64) {
        self.0.insert(activation, Vec::new());
    }

    /// An activation has ended.
    pub(crate) fn end(&mut self, activation: u64) {
        self.0.remove(&activation);
    }

    /// Folds an event.
    pub(crate) fn apply(&mut self, activation: u64, event: &Payload) {
        let parcels = self.0.entry(activation).or_default();
        if *event.type_name == *CLEARED {
            parcels.clear();
        } else {
            parcels.push(event.data.clone());
        }
    }

    /// Runs a handler: its reply, and the event.
    pub(crate) fn run(&self, command: &CommandFrame) -> Result<(HandlerResult, Option<Payload>), Error> {
        let there = self.0.get(&command.activation).map_or(&[][..], Vec::as_slice);
        match &*command.name {
            "Look" | "List" => Ok((reply(&Contents { parcels: there.to_vec() }), None)),
            "Clear" => Ok((reply(&Receipt::default()), Some(Payload::new(CLEARED, Bytes::new())))),
            "Put" | "Plain" => {
                let Parcel { label, sender } = Parcel::read(&command.payload)?;
                refused(&label)?;
                let event = Payload { type_name: Parcel::NAME.into(), data: command.payload.data.clone() };
                let parcels = there.len() as i64 + 1;
                Ok((reply(&Receipt { parcels, label, sender }), Some(event)))
            }
            other => Err(Error::internal(format!("there is no handler {other}"))),
        }
    }
}

fn refused(label: &str) -> Result<(), Error> {
    match label {
        "refuse" => Err(Error::rejected("the shelf is full").at("label", label)),
        "twice" => Err(Error::rejected("it is there already").with_code(Code::AlreadyExists)),
        _ => Ok(()),
    }
}

fn reply(message: &impl Named) -> HandlerResult {
    HandlerResult::Reply(Some(message.payload()))
}
