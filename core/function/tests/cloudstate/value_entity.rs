// SPDX-License-Identifier: Apache-2.0
//! The model entity with one value.

use adjoin_function::cloudstate::protocol as p;
use p::client_action::Action;
use p::valueentity::value_entity_action::Action as StateAction;
use p::valueentity::value_entity_stream_in::Message as In;
use p::valueentity::value_entity_stream_out::Message as Out;
use p::valueentity::{
    ValueEntityAction, ValueEntityDelete, ValueEntityReply, ValueEntityStreamIn, ValueEntityStreamOut,
    ValueEntityUpdate,
};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::function::{Replies, Seen, Shared, client_action, effect, failure, forward, reply};
use crate::messages::{self, ValueAct, any, text};

const TWO: &str = "valueentity.ValueEntityTwo";

pub(crate) struct Model(pub(crate) Shared);

#[tonic::async_trait]
impl p::valueentity::value_entity_server::ValueEntity for Model {
    type handleStream = Replies<ValueEntityStreamOut>;

    async fn handle(
        &self,
        request: Request<Streaming<ValueEntityStreamIn>>,
    ) -> Result<Response<Self::handleStream>, Status> {
        let (sender, replies) = mpsc::channel(1);
        let entity = Entity { shared: self.0.clone(), number: self.0.next_stream(), state: String::new() };
        tokio::spawn(entity.run(request.into_inner(), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(replies))))
    }
}

struct Entity {
    shared: Shared,
    number: usize,
    state: String,
}

impl Entity {
    async fn run(
        mut self,
        mut messages: Streaming<ValueEntityStreamIn>,
        replies: mpsc::Sender<Result<ValueEntityStreamOut, Status>>,
    ) {
        loop {
            let message = match messages.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return self.shared.saw(Seen::HalfClosed(self.number)),
                Err(_) => return self.shared.saw(Seen::Reset(self.number)),
            };
            self.shared.saw(Seen::Value(self.number, message.clone()));
            match message.message.expect("a message") {
                In::Init(init) => {
                    let value = init.state.expect("always there").value;
                    let text = |value: prost_types::Any| messages::Text::decode(&value.value[..]).expect("text").text;
                    self.state = value.map(text).unwrap_or_default();
                }
                In::Command(command) => {
                    let Some(message) = self.answer(&command) else { return };
                    let message = message.map(|message| ValueEntityStreamOut { message });
                    if replies.send(message).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// None ends the stream.
    fn answer(&mut self, command: &p::Command) -> Option<Result<Option<Out>, Status>> {
        let bare = |command_id, state_action| {
            let reply = ValueEntityReply { command_id, state_action, ..ValueEntityReply::default() };
            Some(Ok(Some(Out::Reply(reply))))
        };
        match command.entity_id.as_str() {
            "wrong-id" => bare(command.id + 7, None),
            "empty-action" => bare(command.id, Some(ValueEntityAction { action: None })),
            "nothing" => Some(Ok(None)),
            "ends" => None,
            "fails" => Some(Ok(Some(Out::Failure(failure(command.id, "it blew up", false))))),
            "fails-and-keeps" => {
                let update = ValueEntityUpdate { value: Some(any("valueentity.Persisted", &text("kept"))) };
                let state_action = Some(ValueEntityAction { action: Some(StateAction::Update(update)) });
                let client_action = client_action(Action::Failure(failure(command.id, "no", false)));
                let command_id = command.id;
                Some(Ok(Some(Out::Reply(ValueEntityReply {
                    command_id,
                    client_action,
                    side_effects: vec![],
                    state_action,
                }))))
            }
            _ => Some(Ok(Some(Out::Reply(self.process(command))))),
        }
    }

    fn process(&mut self, command: &p::Command) -> ValueEntityReply {
        let body = command.payload.as_ref().expect("a payload");
        let request = messages::ValueRequest::decode(&body.value[..]).expect("a request");
        let (mut state_action, mut side_effects, mut ending) = (None, Vec::new(), None);
        let before = self.state.clone();
        for act in request.actions.into_iter().filter_map(|action| action.action) {
            match act {
                ValueAct::Update(value) => {
                    let update = ValueEntityUpdate { value: Some(any("valueentity.Persisted", &value)) };
                    state_action = Some(ValueEntityAction { action: Some(StateAction::Update(update)) });
                    self.state = value.text;
                }
                ValueAct::Delete(()) => {
                    let delete = StateAction::Delete(ValueEntityDelete {});
                    state_action = Some(ValueEntityAction { action: Some(delete) });
                    self.state.clear();
                }
                ValueAct::Forward(to) => ending = Some(Action::Forward(forward(TWO, &to.text))),
                ValueAct::Effect(to) => side_effects.push(effect(TWO, &to.id, to.synchronous)),
                ValueAct::Fail(why) => {
                    self.state = before;
                    let client_action = client_action(Action::Failure(failure(command.id, &why.text, false)));
                    return ValueEntityReply { command_id: command.id, client_action, ..Default::default() };
                }
            }
        }
        let ending = ending.unwrap_or_else(|| reply("valueentity.Response", &self.state));
        ValueEntityReply { command_id: command.id, client_action: client_action(ending), side_effects, state_action }
    }
}
