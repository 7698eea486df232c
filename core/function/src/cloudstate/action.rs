// SPDX-License-Identifier: Apache-2.0
//! Actions: one call of the function for each call of a client, in four shapes.

use std::collections::VecDeque;
use std::sync::Arc;

use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult};
use adjoin_model::{Code, Error, Outcome, Payload};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

use super::model::Method;
use super::outcome::{Answers, Ended, unknown};
use super::payload::{any, entries};
use super::protocol::Metadata;
use super::protocol::action::action_protocol_client::ActionProtocolClient;
use super::protocol::action::action_response::Response as Said;
use super::protocol::action::{ActionCommand, ActionResponse};
use super::protocol::client_action::Action;
use super::session::Shared;
use super::stream::{AHEAD, Incoming};
use crate::status::description;

/// The full name of the protocol's service.
pub(crate) const SERVICE: &str = "cloudstate.action.ActionProtocol";

/// What the host says of a call that runs.
pub(super) enum Input {
    Element(Payload),
    End,
    Credit(u32),
}

/// Runs one call. It ends early when the host lets go of `inputs`: then the function's call is cancelled too.
pub(super) async fn run(shared: Arc<Shared>, command: CommandFrame, inputs: UnboundedReceiver<Input>) {
    let declared = command.entity.as_ref().and_then(|entity| shared.model.declared(entity.entity_type()).cloned());
    let Some(method) = declared.as_ref().and_then(|declared| declared.method(&command.name)) else { return };
    let call = Call { shared: &shared, command: &command, method };
    match (method.streamed_in, method.streamed_out) {
        (false, false) => call.unary(inputs).await,
        (true, false) => call.upload(inputs).await,
        (false, true) => {
            let command = ActionCommand { payload: Some(any(command.payload.clone())), ..call.opening() };
            let mut client = call.client();
            let responses = Incoming::of(async move { client.handle_streamed_out(command).await });
            call.download(Upload::none(), responses, inputs).await;
        }
        (true, true) => {
            let (upload, commands) = Upload::new(call.opening());
            let mut client = call.client();
            let responses = Incoming::of(async move { client.handle_streamed(commands).await });
            call.download(upload, responses, inputs).await;
        }
    }
}

struct Call<'a> {
    shared: &'a Shared,
    command: &'a CommandFrame,
    method: &'a Method,
}

impl Call<'_> {
    async fn unary(&self, mut inputs: UnboundedReceiver<Input>) {
        let mut client = self.client();
        let command = ActionCommand { payload: Some(any(self.command.payload.clone())), ..self.opening() };
        tokio::select! {
            response = client.handle_unary(command) => self.answer(response).await,
            () = let_go(&mut inputs) => {}
        }
    }

    fn client(&self) -> ActionProtocolClient<tonic::transport::Channel> {
        let bytes = self.shared.message_bytes;
        let client = ActionProtocolClient::new(self.shared.channel.clone());
        client.max_decoding_message_size(bytes).max_encoding_message_size(bytes)
    }

    /// Names and metadata.
    fn opening(&self) -> ActionCommand {
        ActionCommand {
            service_name: (*self.method.service).to_owned(),
            name: (*self.method.name).to_owned(),
            payload: None,
            metadata: Some(entries(&self.command.metadata)),
        }
    }

    async fn answer(&self, response: Result<Response<ActionResponse>, Status>) {
        let ended = match response {
            Ok(response) => {
                let ActionResponse { response, side_effects } = response.into_inner();
                self.answers().outcome(response.map(as_action), side_effects)
            }
            Err(status) => Ended::failed(failed(&status)),
        };
        self.say(ended).await;
    }

    fn answers(&self) -> Answers<'_> {
        Answers { model: &self.shared.model, reporter: &self.shared.reporter, method: self.method }
    }

    /// The client streams, the reply is one.
    async fn upload(&self, mut inputs: UnboundedReceiver<Input>) {
        let (mut upload, commands) = Upload::new(self.opening());
        let mut client = self.client();
        let response = client.handle_streamed_in(commands);
        tokio::pin!(response);
        loop {
            tokio::select! {
                response = &mut response => return self.answer(response).await,
                () = upload.pump() => self.took_one().await,
                input = inputs.recv() => match input {
                    Some(input) => upload.take(input),
                    None => return,
                },
            }
        }
    }

    /// The reply is a stream; `upload`, where the client streams too.
    async fn download(
        &self,
        mut upload: Upload,
        mut responses: Incoming<ActionResponse>,
        mut inputs: UnboundedReceiver<Input>,
    ) {
        let mut begun = false;
        loop {
            tokio::select! {
                response = responses.next(), if upload.credit > 0 => {
                    let counts = match response {
                        Ok(Some(response)) => self.part(response).await,
                        Ok(None) => return self.end(None).await,
                        Err(status) => return self.end(Some(status_of(&status, begun))).await,
                    };
                    begun |= counts;
                    upload.credit -= u32::from(counts);
                }
                () = upload.pump() => self.took_one().await,
                input = inputs.recv() => match input {
                    Some(input) => upload.take(input),
                    None => return,
                },
            }
        }
    }

    /// One response of a stream; says whether an element comes of it.
    async fn part(&self, response: ActionResponse) -> bool {
        let ActionResponse { response, side_effects } = response;
        let ended = self.answers().outcome(response.map(as_action), side_effects);
        let counts = !matches!(ended.result, HandlerResult::Reply(None));
        self.say(ended).await;
        counts
    }

    async fn say(&self, ended: Ended) {
        let Ended { result, metadata, side_effects } = ended;
        let effects = Effects { side_effects, ..Effects::default() };
        let answer =
            AnswerFrame { activation: 0, call: self.command.call, result, effects, activation_ended: false, metadata };
        self.shared.say(vec![FunctionFrame::Answer(answer)]).await;
    }

    async fn end(&self, error: Option<Error>) {
        self.shared.say(vec![FunctionFrame::StreamEnd { call: self.command.call, error }]).await;
    }

    /// The transport has an element of the client's: there is room for one more.
    async fn took_one(&self) {
        let credit = FunctionFrame::StreamInputCredit { call: self.command.call, elements: 1 };
        self.shared.say(vec![credit]).await;
    }
}

/// The client's stream on its way to the function, and the credit of the reply's.
struct Upload {
    outgoing: Option<mpsc::Sender<ActionCommand>>,
    /// Bounded by the credit that the host is given.
    waiting: VecDeque<Payload>,
    ended: bool,
    credit: u32,
}

impl Upload {
    /// Begins with the message that names the method.
    fn new(opening: ActionCommand) -> (Self, ReceiverStream<ActionCommand>) {
        let (sender, commands) = mpsc::channel(AHEAD);
        // There is room in a new channel.
        drop(sender.try_send(opening));
        (Self { outgoing: Some(sender), ..Self::none() }, ReceiverStream::new(commands))
    }

    fn none() -> Self {
        Self { outgoing: None, waiting: VecDeque::new(), ended: false, credit: 0 }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Element(payload) => self.waiting.push_back(payload),
            Input::End => self.ended = true,
            Input::Credit(elements) => self.credit = self.credit.saturating_add(elements),
        }
        self.close_when_done();
    }

    fn close_when_done(&mut self) {
        if self.ended && self.waiting.is_empty() {
            self.outgoing = None;
        }
    }

    /// Hands one element to the transport; waits while there is none.
    async fn pump(&mut self) {
        let Some(outgoing) = self.outgoing.as_ref().filter(|_| !self.waiting.is_empty()) else {
            return std::future::pending().await;
        };
        let Ok(room) = outgoing.reserve().await else {
            // The function takes no more: its reply says why.
            return std::future::pending().await;
        };
        if let Some(element) = self.waiting.pop_front() {
            let metadata = Some(Metadata::default());
            room.send(ActionCommand { payload: Some(any(element)), metadata, ..ActionCommand::default() });
        } else {
            drop(room);
        }
        self.close_when_done();
    }
}

/// Waits until nobody waits for the call.
async fn let_go(inputs: &mut UnboundedReceiver<Input>) {
    while inputs.recv().await.is_some() {}
}

/// The same three in another order than an entity's.
fn as_action(said: Said) -> Action {
    match said {
        Said::Failure(failure) => Action::Failure(failure),
        Said::Reply(reply) => Action::Reply(reply),
        Said::Forward(forward) => Action::Forward(forward),
    }
}

/// A status of a streamed reply: as it is once a reply has come.
fn status_of(status: &Status, begun: bool) -> Error {
    let code = u32::try_from(i32::from(status.code())).ok().and_then(Code::from_number);
    let error = failed(status);
    if begun { error.with_code(code.unwrap_or(Code::Unknown)) } else { error }
}

/// A status of the function's before its first reply: the reference proxy says no more than that the call failed. What
/// it did before is not known.
fn failed(status: &Status) -> Error {
    unknown(description(status.message())).with_outcome(Outcome::Unknown)
}
