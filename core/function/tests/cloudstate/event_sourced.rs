// SPDX-License-Identifier: Apache-2.0
//! The event-sourced model entity.

use adjoin_function::cloudstate::protocol as p;
use p::client_action::Action;
use p::eventsourced::event_sourced_stream_in::Message as In;
use p::eventsourced::event_sourced_stream_out::Message as Out;
use p::eventsourced::{EventSourcedReply, EventSourcedStreamIn, EventSourcedStreamOut};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::function::{Replies, Seen, Shared, client_action, effect, failure, forward, reply};
use crate::messages::{self, Act, any, text};

/// Snapshots are made at the multiples of this.
const SNAPSHOT_EVERY: i64 = 5;

const TWO: &str = "EventSourcedTwo";

pub(crate) struct Model(pub(crate) Shared);

#[tonic::async_trait]
impl p::eventsourced::event_sourced_server::EventSourced for Model {
    type handleStream = Replies<EventSourcedStreamOut>;

    async fn handle(
        &self,
        request: Request<Streaming<EventSourcedStreamIn>>,
    ) -> Result<Response<Self::handleStream>, Status> {
        let (sender, replies) = mpsc::channel(1);
        let (number, shared) = (self.0.next_stream(), self.0.clone());
        let entity = Entity { shared, number, id: String::new(), state: String::new(), sequence: 0 };
        tokio::spawn(entity.run(request.into_inner(), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(replies))))
    }
}

struct Entity {
    shared: Shared,
    number: usize,
    id: String,
    state: String,
    sequence: i64,
}

impl Entity {
    async fn run(
        mut self,
        mut messages: Streaming<EventSourcedStreamIn>,
        replies: mpsc::Sender<Result<EventSourcedStreamOut, Status>>,
    ) {
        loop {
            if let Some(pace) = &self.shared.pace {
                pace.acquire().await.expect("open").forget();
            }
            let message = match messages.message().await {
                Ok(Some(message)) => message,
                Ok(None) => {
                    self.shared.saw(Seen::HalfClosed(self.number));
                    if self.id == "late" {
                        self.shared.late.notified().await;
                    }
                    return;
                }
                Err(_) => return self.shared.saw(Seen::Reset(self.number)),
            };
            self.shared.saw(Seen::EventSourced(self.number, message.clone()));
            match message.message.expect("a message") {
                In::Init(init) => self.init(init),
                In::Event(event) => {
                    self.sequence = event.sequence;
                    self.apply(&event.payload.expect("an event"));
                }
                In::Command(command) => {
                    let Some(out) = self.broken(&command).unwrap_or_else(|| Some(Ok(self.process(&command)))) else {
                        return;
                    };
                    if replies.send(out.map(|message| EventSourcedStreamOut { message })).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn init(&mut self, init: p::eventsourced::EventSourcedInit) {
        self.id = init.entity_id;
        if let Some(snapshot) = init.snapshot {
            self.sequence = snapshot.snapshot_sequence;
            let state = snapshot.snapshot.expect("a state");
            self.state = messages::Text::decode(&state.value[..]).expect("a state").text;
        }
    }

    fn apply(&mut self, event: &prost_types::Any) {
        self.state += &messages::Text::decode(&event.value[..]).expect("an event").text;
    }

    /// What a key asks for instead of an answer; none within ends the stream.
    fn broken(&self, command: &p::Command) -> Option<Option<Result<Option<Out>, Status>>> {
        let reply = |command_id| Out::Reply(EventSourcedReply { command_id, ..EventSourcedReply::default() });
        Some(match self.id.as_str() {
            "wrong-id" => Some(Ok(Some(reply(command.id + 7)))),
            "nothing" => Some(Ok(None)),
            "ends" => None,
            "status" => Some(Err(Status::permission_denied("no"))),
            "fails" => Some(Ok(Some(Out::Failure(failure(command.id, "it blew up", true))))),
            "fails-zero" => Some(Ok(Some(Out::Failure(failure(0, "it blew up", false))))),
            _ => return None,
        })
    }

    fn process(&mut self, command: &p::Command) -> Option<Out> {
        let body = command.payload.as_ref().expect("a payload");
        let request = messages::Request::decode(&body.value[..]).expect("a request");
        let (mut events, mut side_effects, mut ending, mut due) = (Vec::new(), Vec::new(), None, false);
        for act in request.actions.into_iter().filter_map(|action| action.action) {
            match act {
                Act::Emit(value) => {
                    let event = any("Persisted", &value);
                    self.apply(&event);
                    self.sequence += 1;
                    due |= self.sequence % SNAPSHOT_EVERY == 0 && self.id != "no-snapshot";
                    events.push(event);
                }
                Act::Forward(to) => ending = Some(Action::Forward(forward(TWO, &to.text))),
                Act::Effect(to) => side_effects.push(effect(TWO, &to.id, to.synchronous)),
                Act::Fail(why) => {
                    let restart = !events.is_empty();
                    let ending = Action::Failure(failure(command.id, &why.text, restart));
                    let client_action = client_action(ending);
                    let reply = EventSourcedReply { command_id: command.id, client_action, ..Default::default() };
                    return Some(Out::Reply(reply));
                }
            }
        }
        let snapshot = due.then(|| any("Persisted", &text(&self.state)));
        let ending = ending.unwrap_or_else(|| reply("Response", &self.state));
        let client_action = client_action(ending);
        Some(Out::Reply(EventSourcedReply { command_id: command.id, client_action, side_effects, events, snapshot }))
    }
}
