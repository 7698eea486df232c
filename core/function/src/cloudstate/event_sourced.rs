// SPDX-License-Identifier: Apache-2.0
//! Event-sourced entities.

use adjoin_entity::frame::Effects;
use adjoin_model::{Payload, Sequence};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

use super::activation::{Dialect, Heard, Reply, Texts};
use super::payload::{any, payload};
use super::protocol::Command;
use super::protocol::eventsourced::event_sourced_client::EventSourcedClient;
use super::protocol::eventsourced::{
    EventSourcedEvent, EventSourcedInit, EventSourcedReply, EventSourcedSnapshot, EventSourcedStreamIn,
    EventSourcedStreamOut, event_sourced_stream_in as incoming, event_sourced_stream_out as outgoing,
};

/// The full name of the protocol's service.
pub(crate) const SERVICE: &str = "cloudstate.eventsourced.EventSourced";

pub(super) struct EventSourced;

impl Dialect for EventSourced {
    type In = EventSourcedStreamIn;
    type Out = EventSourcedStreamOut;

    const TEXTS: Texts = Texts {
        reply: "Unexpected entity reply",
        failure: "Unexpected entity failure",
        message: "Unexpected entity message",
        termination: "Unexpected entity termination",
        terminated: "Entity terminated",
    };

    async fn handle(
        channel: Channel,
        bytes: usize,
        messages: ReceiverStream<EventSourcedStreamIn>,
    ) -> Result<Response<Streaming<EventSourcedStreamOut>>, Status> {
        let client = EventSourcedClient::new(channel);
        client.max_decoding_message_size(bytes).max_encoding_message_size(bytes).handle(messages).await
    }

    fn init(service: &str, key: &str, sequence: Sequence, state: Option<Payload>) -> EventSourcedStreamIn {
        let snapshot =
            state.map(|state| EventSourcedSnapshot { snapshot_sequence: signed(sequence), snapshot: Some(any(state)) });
        let init = EventSourcedInit { service_name: service.to_owned(), entity_id: key.to_owned(), snapshot };
        EventSourcedStreamIn { message: Some(incoming::Message::Init(init)) }
    }

    fn event(sequence: Sequence, event: Payload) -> Option<EventSourcedStreamIn> {
        let event = EventSourcedEvent { sequence: signed(sequence), payload: Some(any(event)) };
        Some(EventSourcedStreamIn { message: Some(incoming::Message::Event(event)) })
    }

    fn command(command: Command) -> EventSourcedStreamIn {
        EventSourcedStreamIn { message: Some(incoming::Message::Command(command)) }
    }

    fn heard(message: EventSourcedStreamOut) -> Option<Heard> {
        Some(match message.message? {
            outgoing::Message::Failure(failure) => Heard::Failure(failure),
            outgoing::Message::Reply(reply) => {
                let EventSourcedReply { command_id, client_action, side_effects, events, snapshot } = reply;
                let writes = Effects {
                    events: events.into_iter().map(payload).collect(),
                    snapshot: snapshot.map(payload),
                    ..Effects::default()
                };
                let writes = Some(writes);
                Heard::Reply(Box::new(Reply { command_id, client_action, side_effects, writes, restarts: true }))
            }
        })
    }
}

/// Sequences of one entity never come near the end of either range.
fn signed(sequence: Sequence) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
