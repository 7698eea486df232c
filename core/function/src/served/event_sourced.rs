// SPDX-License-Identifier: Apache-2.0
//! Event-sourced entities.

use adjoin_entity::spec::EntityKind;
use adjoin_model::{Error, Result};

use super::answer;
use super::catalogue::Catalogue;
use super::entity::{Dialect, Heard, Init, Reply};
use crate::cloudstate::protocol::Failure;
use crate::cloudstate::protocol::client_action::Action;
use crate::cloudstate::protocol::eventsourced::{
    EventSourcedEvent, EventSourcedInit, EventSourcedReply, EventSourcedStreamIn, EventSourcedStreamOut,
    event_sourced_stream_in as incoming, event_sourced_stream_out as outgoing,
};

pub(super) struct EventSourced;

impl Dialect for EventSourced {
    type In = EventSourcedStreamIn;
    type Out = EventSourcedStreamOut;

    const KIND: EntityKind = EntityKind::EventSourced;

    fn heard(message: EventSourcedStreamIn) -> Option<Heard> {
        Some(match message.message? {
            incoming::Message::Init(EventSourcedInit { service_name, entity_id, snapshot }) => {
                let state = snapshot.map(|stored| (stored.snapshot_sequence, stored.snapshot));
                Heard::Init(Init { service: service_name, key: entity_id, state })
            }
            incoming::Message::Event(EventSourcedEvent { sequence, payload }) => Heard::Event(sequence, payload),
            incoming::Message::Command(command) => Heard::Command(command),
        })
    }

    fn reply(catalogue: &Catalogue, reply: Reply) -> Result<EventSourcedStreamOut> {
        let Reply { command_id, client_action, side_effects, writes } = reply;
        if writes.delete || writes.value.is_some() {
            let said = "the delete of an event-sourced entity: the Cloudstate protocol has none; let an event say it";
            return Err(Error::invalid(said));
        }
        let events: Vec<_> = writes.events.into_iter().map(|payload| catalogue.kept(payload)).collect();
        // Without events a snapshot is against the protocol.
        let snapshot = writes.snapshot.filter(|_| !events.is_empty()).map(|payload| catalogue.kept(payload));
        let reply = EventSourcedReply { command_id, client_action, side_effects, events, snapshot };
        Ok(EventSourcedStreamOut { message: Some(outgoing::Message::Reply(reply)) })
    }

    fn failed(failure: Failure) -> EventSourcedStreamOut {
        EventSourcedStreamOut { message: Some(outgoing::Message::Failure(failure)) }
    }

    fn refused(failure: Failure) -> Option<EventSourcedStreamOut> {
        let command_id = failure.command_id;
        let client_action = answer::action(Action::Failure(failure));
        let reply = EventSourcedReply { command_id, client_action, ..EventSourcedReply::default() };
        Some(EventSourcedStreamOut { message: Some(outgoing::Message::Reply(reply)) })
    }
}
