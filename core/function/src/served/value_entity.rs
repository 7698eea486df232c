// SPDX-License-Identifier: Apache-2.0
//! Value entities.

use adjoin_entity::spec::EntityKind;
use adjoin_model::{Error, Result};

use super::answer;
use super::catalogue::Catalogue;
use super::entity::{Dialect, Heard, Init, Reply};
use crate::cloudstate::protocol::Failure;
use crate::cloudstate::protocol::client_action::Action as ClientAction;
use crate::cloudstate::protocol::valueentity::value_entity_action::Action;
use crate::cloudstate::protocol::valueentity::{
    ValueEntityAction, ValueEntityDelete, ValueEntityInit, ValueEntityReply, ValueEntityStreamIn, ValueEntityStreamOut,
    ValueEntityUpdate, value_entity_stream_in as incoming, value_entity_stream_out as outgoing,
};

/// The sequence of a value that was stored: the protocol says none.
const STORED: i64 = 1;

pub(super) struct ValueEntity;

impl Dialect for ValueEntity {
    type In = ValueEntityStreamIn;
    type Out = ValueEntityStreamOut;

    const KIND: EntityKind = EntityKind::Value;

    fn heard(message: ValueEntityStreamIn) -> Option<Heard> {
        Some(match message.message? {
            incoming::Message::Init(ValueEntityInit { service_name, entity_id, state }) => {
                // An empty wrapper, or none, is a value that was never stored.
                let state = state.and_then(|state| state.value).map(|value| (STORED, Some(value)));
                Heard::Init(Init { service: service_name, key: entity_id, state })
            }
            incoming::Message::Command(command) => Heard::Command(command),
        })
    }

    fn reply(catalogue: &Catalogue, reply: Reply) -> Result<ValueEntityStreamOut> {
        let Reply { command_id, client_action, side_effects, writes } = reply;
        if !writes.events.is_empty() {
            return Err(Error::protocol("events of a value entity: the function broke its contract"));
        }
        let action = match (writes.delete, writes.value) {
            (true, _) => Some(Action::Delete(ValueEntityDelete {})),
            (false, Some(value)) => Some(Action::Update(ValueEntityUpdate { value: Some(catalogue.kept(value)) })),
            (false, None) => None,
        };
        let state_action = action.map(|action| ValueEntityAction { action: Some(action) });
        let reply = ValueEntityReply { command_id, client_action, side_effects, state_action };
        Ok(ValueEntityStreamOut { message: Some(outgoing::Message::Reply(reply)) })
    }

    fn failed(failure: Failure) -> ValueEntityStreamOut {
        ValueEntityStreamOut { message: Some(outgoing::Message::Failure(failure)) }
    }

    /// The protocol knows a restart of event-sourced entities alone.
    fn refused(failure: Failure) -> Option<ValueEntityStreamOut> {
        if failure.restart {
            return None;
        }
        let command_id = failure.command_id;
        let client_action = answer::action(ClientAction::Failure(failure));
        let reply = ValueEntityReply { command_id, client_action, ..ValueEntityReply::default() };
        Some(ValueEntityStreamOut { message: Some(outgoing::Message::Reply(reply)) })
    }
}
