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
        match &mut *cart {
            Some(activation) => activation.send(call, place)?,
            none => {
                none.replace(Activation::begin(&self.channel, call, place).await?);
            }
        }
        let activation = cart.as_mut().ok_or("it has begun")?;
        activation.answer(call).await
    }
}

impl Activation {
    /// With its first command: before that the service says nothing, not even that the stream is open.
    async fn begin(channel: &Channel, call: Call, place: usize) -> Outcome<Self> {
        let (commands, incoming) = unbounded_channel();
        let init = EventSourcedInit { service_name: SERVICE.into(), entity_id: key(place), snapshot: None };
        commands.send(EventSourcedStreamIn { message: Some(In::Init(init)) })?;
        commands.send(command(call, place, 1))?;
        let mut client = EventSourcedClient::new(channel.clone());
        let answers = client.handle(UnboundedReceiverStream::new(incoming)).await?.into_inner();
        Ok(Self { commands, answers, id: 1 })
    }

    fn send(&mut self, call: Call, place: usize) -> Outcome<()> {
        self.id += 1;
        Ok(self.commands.send(command(call, place, self.id))?)
    }

    async fn answer(&mut self, call: Call) -> Outcome<()> {
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

fn command(call: Call, place: usize, id: i64) -> EventSourcedStreamIn {
    let value = call.request(place).encode_to_vec();
    let payload = Some(prost_types::Any { type_url: call.input.into(), value });
    let (entity_id, name) = (key(place), call.name.into());
    let command = Command { entity_id, id, name, payload, streamed: false, metadata: None };
    EventSourcedStreamIn { message: Some(In::Command(command)) }
}
