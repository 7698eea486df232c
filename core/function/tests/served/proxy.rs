// SPDX-License-Identifier: Apache-2.0
//! What a proxy says and hears.

use adjoin_function::cloudstate::protocol as p;
use p::action::action_protocol_client::ActionProtocolClient;
use p::action::{ActionCommand, ActionResponse};
use p::client_action::Action;
use p::eventsourced::event_sourced_client::EventSourcedClient;
use p::eventsourced::event_sourced_stream_in::Message as EsIn;
use p::eventsourced::event_sourced_stream_out::Message as EsOut;
use p::eventsourced::{
    EventSourcedEvent, EventSourcedInit, EventSourcedReply, EventSourcedSnapshot, EventSourcedStreamIn,
    EventSourcedStreamOut,
};
use p::valueentity::value_entity_client::ValueEntityClient;
use p::valueentity::value_entity_stream_in::Message as VeIn;
use p::valueentity::value_entity_stream_out::Message as VeOut;
use p::valueentity::{
    ValueEntityInit, ValueEntityInitState, ValueEntityReply, ValueEntityStreamIn, ValueEntityStreamOut,
};
use prost::Message;
use prost_types::Any;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::messages::{Act, Text, ValueAct, any, request, text, value_request};
use crate::world::within;

/// A stream in both directions.
pub(crate) struct Both<I, O> {
    out: Option<mpsc::Sender<I>>,
    answers: Streaming<O>,
}

impl<I, O> Both<I, O> {
    pub(crate) async fn say(&self, message: I) {
        let out = self.out.as_ref().expect("not closed");
        assert!(within("room", out.send(message)).await.is_ok(), "the stream is open");
    }

    pub(crate) fn close(&mut self) {
        self.out = None;
    }

    pub(crate) async fn next(&mut self) -> Result<Option<O>, Status> {
        within("an answer", self.answers.message()).await
    }

    /// Half-closes, and waits for a good end.
    pub(crate) async fn leaves(mut self) {
        self.close();
        assert!(self.next().await.expect("a good end").is_none());
    }
}

pub(crate) type Es = Both<EventSourcedStreamIn, EventSourcedStreamOut>;
pub(crate) type Ve = Both<ValueEntityStreamIn, ValueEntityStreamOut>;
pub(crate) type Acts = Both<ActionCommand, ActionResponse>;

pub(crate) async fn es(channel: &Channel) -> Es {
    let (out, messages) = mpsc::channel(64);
    let client = EventSourcedClient::new(channel.clone());
    let mut client = client.max_decoding_message_size(64 << 20);
    let answers = within("a stream", client.handle(ReceiverStream::new(messages))).await.expect("opened").into_inner();
    Both { out: Some(out), answers }
}

pub(crate) async fn ve(channel: &Channel) -> Ve {
    let (out, messages) = mpsc::channel(64);
    let mut client = ValueEntityClient::new(channel.clone());
    let answers = within("a stream", client.handle(ReceiverStream::new(messages))).await.expect("opened").into_inner();
    Both { out: Some(out), answers }
}

pub(crate) fn actions(channel: &Channel) -> ActionProtocolClient<Channel> {
    ActionProtocolClient::new(channel.clone())
}

pub(crate) async fn streamed(channel: &Channel) -> Acts {
    let (out, messages) = mpsc::channel(64);
    out.send(first("ProcessStreamed")).await.expect("room");
    let mut client = actions(channel);
    let answers = client.handle_streamed(ReceiverStream::new(messages));
    let answers = within("a stream", answers).await.expect("opened").into_inner();
    Both { out: Some(out), answers }
}

pub(crate) const ES: &str = "cloudstate.tck.model.EventSourcedTckModel";
pub(crate) const ES_TWO: &str = "cloudstate.tck.model.EventSourcedTwo";
pub(crate) const VE: &str = "cloudstate.tck.model.valueentity.ValueEntityTckModel";
pub(crate) const ACTION: &str = "cloudstate.tck.model.action.ActionTckModel";
pub(crate) const ACTION_TWO: &str = "cloudstate.tck.model.action.ActionTwo";

pub(crate) fn es_in(message: EsIn) -> EventSourcedStreamIn {
    EventSourcedStreamIn { message: Some(message) }
}

pub(crate) fn init(service: &str, id: &str, snapshot: Option<(i64, &str)>) -> EventSourcedStreamIn {
    let snapshot = snapshot.map(|(snapshot_sequence, state)| EventSourcedSnapshot {
        snapshot_sequence,
        snapshot: Some(any("Persisted", &text(state))),
    });
    es_in(EsIn::Init(EventSourcedInit { service_name: service.into(), entity_id: id.into(), snapshot }))
}

pub(crate) fn event(sequence: i64, value: &str) -> EventSourcedStreamIn {
    es_in(EsIn::Event(EventSourcedEvent { sequence, payload: Some(any("Persisted", &text(value))) }))
}

pub(crate) fn command_of(id: i64, entity: &str, name: &str, payload: Option<Any>) -> p::Command {
    p::Command { entity_id: entity.into(), id, name: name.into(), payload, streamed: false, metadata: None }
}

pub(crate) fn command(id: i64, entity: &str, acts: Vec<Act>) -> EventSourcedStreamIn {
    es_in(EsIn::Command(command_of(id, entity, "Process", Some(request(entity, acts)))))
}

impl Es {
    /// The next reply.
    pub(crate) async fn reply(&mut self) -> EventSourcedReply {
        match self.next().await.expect("no end").expect("no end").message {
            Some(EsOut::Reply(reply)) => reply,
            other => panic!("{other:?}, not a reply"),
        }
    }

    /// Asks, and gives the text of the answer.
    pub(crate) async fn asks(&mut self, id: i64, entity: &str, acts: Vec<Act>) -> (String, EventSourcedReply) {
        self.say(command(id, entity, acts)).await;
        let reply = self.reply().await;
        assert_eq!(reply.command_id, id);
        (said(reply.client_action.clone()), reply)
    }

    /// Waits for the failure of the stream, and its end.
    pub(crate) async fn fails(mut self) -> p::Failure {
        let failure = match self.next().await.expect("no end").expect("no end").message {
            Some(EsOut::Failure(failure)) => failure,
            other => panic!("{other:?}, not a failure"),
        };
        assert!(self.next().await.expect("a good end").is_none());
        failure
    }
}

pub(crate) fn value_init(id: &str, value: Option<&str>) -> ValueEntityStreamIn {
    let value = value.map(|value| any("valueentity.Persisted", &text(value)));
    let state = Some(ValueEntityInitState { value });
    let init = ValueEntityInit { service_name: VE.into(), entity_id: id.into(), state };
    ValueEntityStreamIn { message: Some(VeIn::Init(init)) }
}

pub(crate) fn value_command(id: i64, entity: &str, acts: Vec<ValueAct>) -> ValueEntityStreamIn {
    let command = command_of(id, entity, "Process", Some(value_request(entity, acts)));
    ValueEntityStreamIn { message: Some(VeIn::Command(command)) }
}

impl Ve {
    pub(crate) async fn asks(&mut self, id: i64, entity: &str, acts: Vec<ValueAct>) -> ValueEntityReply {
        self.say(value_command(id, entity, acts)).await;
        match self.next().await.expect("no end").expect("no end").message {
            Some(VeOut::Reply(reply)) => {
                assert_eq!(reply.command_id, id);
                reply
            }
            other => panic!("{other:?}, not a reply"),
        }
    }

    pub(crate) async fn fails(mut self) -> p::Failure {
        match self.next().await.expect("no end").expect("no end").message {
            Some(VeOut::Failure(failure)) => failure,
            other => panic!("{other:?}, not a failure"),
        }
    }
}

/// The text of a reply; a refusal's with a mark before it.
pub(crate) fn said(action: Option<p::ClientAction>) -> String {
    match action.and_then(|action| action.action) {
        Some(Action::Reply(p::Reply { payload, .. })) => text_of(&payload.expect("a message")),
        Some(Action::Failure(failure)) => format!("refused: {}", failure.description),
        Some(Action::Forward(forward)) => format!("forward: {}.{}", forward.service_name, forward.command_name),
        None => panic!("no action"),
    }
}

pub(crate) fn text_of(payload: &Any) -> String {
    Text::decode(&payload.value[..]).expect("a text").text
}

pub(crate) fn act(name: &str, payload: Option<Any>) -> ActionCommand {
    ActionCommand { service_name: ACTION.into(), name: name.into(), payload, metadata: Some(p::Metadata::default()) }
}

/// The first message of a stream.
pub(crate) fn first(name: &str) -> ActionCommand {
    act(name, None)
}

/// A later one.
pub(crate) fn later(payload: Any) -> ActionCommand {
    ActionCommand { payload: Some(payload), metadata: Some(p::Metadata::default()), ..ActionCommand::default() }
}
