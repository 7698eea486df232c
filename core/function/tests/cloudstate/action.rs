// SPDX-License-Identifier: Apache-2.0
//! The model action.

use adjoin_function::cloudstate::protocol as p;
use p::action::action_response::Response as Said;
use p::action::{ActionCommand, ActionResponse};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::function::{Replies, Seen, Shared, effect, failure, forward};
use crate::messages::{self, Step, any, text};

const TWO: &str = "action.ActionTwo";

pub(crate) struct Model(pub(crate) Shared);

/// Says that a call was cancelled, unless it has come to its end.
struct Unless(Option<Shared>);

impl Drop for Unless {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.saw(Seen::ActionCancelled);
        }
    }
}

#[tonic::async_trait]
impl p::action::action_protocol_server::ActionProtocol for Model {
    type handleStreamedOutStream = Replies<ActionResponse>;
    type handleStreamedStream = Replies<ActionResponse>;

    async fn handle_unary(&self, request: Request<ActionCommand>) -> Result<Response<ActionResponse>, Status> {
        let command = request.into_inner();
        self.0.saw(Seen::Action("unary", command.clone()));
        if command.name == "Call" {
            return Ok(Response::new(said(Some(replied("")), vec![])));
        }
        let mut responses = responses(&command);
        let last = responses.pop().unwrap_or_default();
        if matches!(&last.response, Some(Said::Failure(failure)) if failure.description == "status") {
            return Err(Status::permission_denied("not you"));
        }
        if matches!(&last.response, Some(Said::Failure(failure)) if failure.description == "hang") {
            let cancelled = Unless(Some(self.0.clone()));
            std::future::pending::<()>().await;
            drop(cancelled);
        }
        Ok(Response::new(last))
    }

    async fn handle_streamed_in(
        &self,
        request: Request<Streaming<ActionCommand>>,
    ) -> Result<Response<ActionResponse>, Status> {
        let mut commands = request.into_inner();
        let mut last = ActionResponse::default();
        let mut side_effects = Vec::new();
        while let Some(command) = commands.message().await? {
            self.0.saw(Seen::Action("in", command.clone()));
            for response in responses(&command) {
                side_effects.extend(response.side_effects.clone());
                last = response;
            }
        }
        self.0.saw(Seen::ActionEnd);
        Ok(Response::new(ActionResponse { side_effects, ..last }))
    }

    async fn handle_streamed_out(
        &self,
        request: Request<ActionCommand>,
    ) -> Result<Response<Self::handleStreamedOutStream>, Status> {
        let command = request.into_inner();
        self.0.saw(Seen::Action("out", command.clone()));
        let (sender, receiver) = mpsc::channel(1);
        let shared = self.0.clone();
        tokio::spawn(async move {
            for response in responses(&command) {
                if sender.send(Ok(response)).await.is_err() {
                    return shared.saw(Seen::ActionCancelled);
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn handle_streamed(
        &self,
        request: Request<Streaming<ActionCommand>>,
    ) -> Result<Response<Self::handleStreamedStream>, Status> {
        let mut commands = request.into_inner();
        let (sender, receiver) = mpsc::channel(1);
        let shared = self.0.clone();
        tokio::spawn(async move {
            loop {
                let command = match commands.message().await {
                    Ok(Some(command)) => command,
                    Ok(None) => return shared.saw(Seen::ActionEnd),
                    Err(_) => return shared.saw(Seen::ActionCancelled),
                };
                shared.saw(Seen::Action("both", command.clone()));
                for response in responses(&command) {
                    if sender.send(Ok(response)).await.is_err() {
                        return shared.saw(Seen::ActionCancelled);
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// One response for each group of steps.
fn responses(command: &ActionCommand) -> Vec<ActionResponse> {
    let Some(payload) = &command.payload else { return vec![] };
    let request = messages::Groups::decode(&payload.value[..]).expect("a request");
    request.groups.into_iter().map(response).collect()
}

fn response(group: messages::Steps) -> ActionResponse {
    let (mut ending, mut side_effects) = (None, Vec::new());
    for step in group.steps.into_iter().filter_map(|step| step.step) {
        match step {
            Step::Reply(message) => ending = Some(replied(&message.text)),
            Step::Forward(to) => ending = Some(Said::Forward(forward(TWO, &to.text))),
            Step::Fail(why) => ending = Some(Said::Failure(failure(0, &why.text, false))),
            Step::Effect(to) => side_effects.push(effect(TWO, &to.id, to.synchronous)),
        }
    }
    said(ending, side_effects)
}

fn said(response: Option<Said>, side_effects: Vec<p::SideEffect>) -> ActionResponse {
    ActionResponse { response, side_effects }
}

fn replied(message: &str) -> Said {
    let metadata = (message == "told").then(|| crate::function::told(message));
    Said::Reply(p::Reply { payload: Some(any("action.Response", &text(message))), metadata })
}
