// SPDX-License-Identifier: Apache-2.0
//! The service without a host: a stream of the Cloudstate protocol for each cart, a command at a time, as a proxy has
//! them.

use adjoin_function::cloudstate::protocol::Command;
use adjoin_function::cloudstate::protocol::client_action::Action;
use adjoin_function::cloudstate::protocol::eventsourced::event_sourced_client::EventSourcedClient;
use adjoin_function::cloudstate::protocol::eventsourced::event_sourced_stream_in::Message as In;
use adjoin_function::cloudstate::protocol::eventsourced::event_sourced_stream_out::Message as Out;
use adjoin_function::cloudstate::protocol::eventsourced::{
    EventSourcedInit, EventSourcedStreamIn, EventSourcedStreamOut,
};
use prost::Message;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use super::cart::{Call, KEYS, SERVICE, key};
use crate::Outcome;

/// Every cart, activated by its first command.
pub(super) struct Straight {
    channel: Channel,
    carts: Vec<Mutex<Option<Activation>>>,
}

struct Activation {
    commands: UnboundedSender<EventSourcedStreamIn>,
    answers: Streaming<EventSourcedStreamOut>,
    id: i64,
}

impl Straight {
    pub(super) fn new(channel: &Channel) -> Self {
        Self { channel: channel.clone(), carts: (0..KEYS).map(|_| Mutex::new(None)).collect() }
    }

    /// One command of one cart, and its answer.
    pub(super) async fn ask(&self, call: Call, place: usize) -> Outcome<()> {
        let mut cart = self.carts[place].lock().await;
        let activation = match &mut *cart {
            Some(activation) => activation,
            none => none.insert(Activation::begin(&self.channel, key(place)).await?),
        };
        activation.ask(call, place).await
    }
}

impl Activation {
    async fn begin(channel: &Channel, entity_id: String) -> Outcome<Self> {
        let (commands, incoming) = unbounded_channel();
        let init = EventSourcedInit { service_name: SERVICE.into(), entity_id, snapshot: None };
        commands.send(EventSourcedStreamIn { message: Some(In::Init(init)) })?;
        let mut client = EventSourcedClient::new(channel.clone());
        let answers = client.handle(UnboundedReceiverStream::new(incoming)).await?.into_inner();
        Ok(Self { commands, answers, id: 0 })
    }

    async fn ask(&mut self, call: Call, place: usize) -> Outcome<()> {
        self.id += 1;
        let value = call.request(place).encode_to_vec();
        let payload = prost_types::Any { type_url: call.input.into(), value };
        let command = Command {
            entity_id: key(place),
            id: self.id,
            name: call.name.into(),
            payload: Some(payload),
            streamed: false,
            metadata: None,
        };
        self.commands.send(EventSourcedStreamIn { message: Some(In::Command(command)) })?;
        match self.answers.message().await?.and_then(|answer| answer.message) {
            Some(Out::Reply(reply)) if reply.command_id == self.id => {
                match reply.client_action.and_then(|a| a.action) {
                    Some(Action::Reply(_)) => Ok(()),
                    other => Err(format!("the service answered {} with {other:?}", call.name).into()),
                }
            }
            other => Err(format!("the service answered {} with {other:?}", call.name).into()),
        }
    }
}
