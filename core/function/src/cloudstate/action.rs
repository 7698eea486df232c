// SPDX-License-Identifier: Apache-2.0
//! Actions: one call of the function for each call of a client, in four shapes.

use std::sync::Arc;

use adjoin_entity::frame::{AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult};
use adjoin_model::{Error, Outcome, Payload};
use tokio::sync::mpsc::UnboundedReceiver;
use tonic::{Response, Status};

use super::model::Method;
use super::outcome::{Answers, unknown};
use super::payload::{any, entries};
use super::protocol::action::action_protocol_client::ActionProtocolClient;
use super::protocol::action::action_response::Response as Said;
use super::protocol::action::{ActionCommand, ActionResponse};
use super::protocol::client_action::Action;
use super::session::Shared;
use crate::status::printable;

/// The full name of the protocol's service.
pub(super) const SERVICE: &str = "cloudstate.action.ActionProtocol";

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
        _ => call.not_yet().await,
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
        let (result, side_effects) = match response {
            Ok(response) => {
                let ActionResponse { response, side_effects } = response.into_inner();
                let ended = self.answers().outcome(response.map(as_action), side_effects);
                (ended.result, ended.side_effects)
            }
            Err(status) => (HandlerResult::Failed(failed(&status)), Vec::new()),
        };
        let effects = Effects { side_effects, ..Effects::default() };
        let answer = AnswerFrame { activation: 0, call: self.command.call, result, effects, activation_ended: false };
        self.shared.say(vec![FunctionFrame::Answer(answer)]).await;
    }

    fn answers(&self) -> Answers<'_> {
        Answers { model: &self.shared.model, reporter: &self.shared.reporter, method: self.method }
    }

    async fn not_yet(&self) {
        let error = Error::invalid("streamed actions come later");
        let effects = Effects::default();
        let result = HandlerResult::Failed(error);
        let answer = AnswerFrame { activation: 0, call: self.command.call, result, effects, activation_ended: false };
        self.shared.say(vec![FunctionFrame::Answer(answer)]).await;
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

/// A status of the function's before its first reply: the reference proxy says no more than that the call failed. What
/// it did before is not known.
fn failed(status: &Status) -> Error {
    unknown(printable(status.message())).with_outcome(Outcome::Unknown)
}
