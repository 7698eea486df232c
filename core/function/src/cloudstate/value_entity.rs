// SPDX-License-Identifier: Apache-2.0
//! Value entities.

use adjoin_entity::frame::Effects;
use adjoin_model::{Payload, Sequence};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

use super::activation::{Dialect, Heard, Reply, Texts};
use super::payload::{any, payload};
use super::protocol::Command;
use super::protocol::valueentity::value_entity_action::Action;
use super::protocol::valueentity::value_entity_client::ValueEntityClient;
use super::protocol::valueentity::{
    ValueEntityAction, ValueEntityInit, ValueEntityInitState, ValueEntityReply, ValueEntityStreamIn,
    ValueEntityStreamOut, ValueEntityUpdate, value_entity_stream_in as incoming, value_entity_stream_out as outgoing,
};

/// The full name of the protocol's service.
pub(crate) const SERVICE: &str = "cloudstate.valueentity.ValueEntity";

pub(super) struct ValueEntity;

impl Dialect for ValueEntity {
    type In = ValueEntityStreamIn;
    type Out = ValueEntityStreamOut;

    const TEXTS: Texts = Texts {
        reply: "Unexpected Value entity reply",
        failure: "Unexpected Value entity failure",
        message: "Unexpected Value entity failure",
        termination: "Unexpected Value entity termination",
        terminated: "Value entity terminated",
    };

    async fn handle(
        channel: Channel,
        bytes: usize,
        messages: ReceiverStream<ValueEntityStreamIn>,
    ) -> Result<Response<Streaming<ValueEntityStreamOut>>, Status> {
        let client = ValueEntityClient::new(channel);
        client.max_decoding_message_size(bytes).max_encoding_message_size(bytes).handle(messages).await
    }

    fn init(service: &str, key: &str, _: Sequence, state: Option<Payload>) -> ValueEntityStreamIn {
        // Around nothing too: functions look inside without asking whether it is there.
        let state = Some(ValueEntityInitState { value: state.map(any) });
        let init = ValueEntityInit { service_name: service.to_owned(), entity_id: key.to_owned(), state };
        ValueEntityStreamIn { message: Some(incoming::Message::Init(init)) }
    }

    fn event(_: Sequence, _: Payload) -> Option<ValueEntityStreamIn> {
        None
    }

    fn command(command: Command) -> ValueEntityStreamIn {
        ValueEntityStreamIn { message: Some(incoming::Message::Command(command)) }
    }

    fn heard(message: ValueEntityStreamOut) -> Option<Heard> {
        Some(match message.message? {
            outgoing::Message::Failure(failure) => Heard::Failure(failure),
            outgoing::Message::Reply(reply) => {
                let ValueEntityReply { command_id, client_action, side_effects, state_action } = reply;
                let writes = writes(state_action);
                Heard::Reply(Box::new(Reply { command_id, client_action, side_effects, writes, restarts: false }))
            }
        })
    }
}

/// What becomes of the value; none when the action says nothing, or brings no value.
fn writes(action: Option<ValueEntityAction>) -> Option<Effects> {
    let Some(ValueEntityAction { action }) = action else { return Some(Effects::default()) };
    match action? {
        Action::Update(ValueEntityUpdate { value }) => {
            Some(Effects { value: Some(payload(value?)), ..Effects::default() })
        }
        Action::Delete(_) => Some(Effects { delete: true, ..Effects::default() }),
    }
}
