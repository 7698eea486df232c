// SPDX-License-Identifier: Apache-2.0
//! Calls of actions, in four shapes.

use adjoin_contract::NO_KEY;
use adjoin_entity::frame::{AnswerFrame, FunctionFrame, HandlerResult, HostFrame, check_metadata};
use adjoin_entity::spec::EntityKind;
use adjoin_model::{EntityId, Payload};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::answer::{self, Said, breach, unknown_service};
use super::line::{Call, Run, ended};
use super::lines::Lines;
use crate::cloudstate::protocol::Failure;
use crate::cloudstate::protocol::action::action_protocol_server::ActionProtocol;
use crate::cloudstate::protocol::action::action_response::Response as Told;
use crate::cloudstate::protocol::action::{ActionCommand, ActionResponse};
use crate::cloudstate::{metadata, payload};
use crate::status::status_of;

/// Elements of a reply that the function may be ahead of the transport.
const AHEAD: u32 = 16;

/// Elements of a client that the function takes unasked.
const UNASKED: u32 = 16;

/// Whether client and reply stream.
type Shape = (bool, bool);

type Responses = ReceiverStream<Result<ActionResponse, Status>>;

/// Why a call has no answer of its handler.
enum End {
    /// Said in the protocol.
    Failed(Failure),
    /// Nobody to say anything.
    Broken(Status),
}

#[tonic::async_trait]
impl ActionProtocol for Lines {
    type handleStreamedOutStream = Responses;
    type handleStreamedStream = Responses;

    async fn handle_unary(&self, request: Request<ActionCommand>) -> Result<Response<ActionResponse>, Status> {
        let _place = place(self)?;
        let answer = match self.begin(request.into_inner(), (false, false)).await {
            Ok((mut call, _)) => self.answer(&mut call).await,
            Err(end) => Err(end),
        };
        answered(answer)
    }

    async fn handle_streamed_in(
        &self,
        request: Request<Streaming<ActionCommand>>,
    ) -> Result<Response<ActionResponse>, Status> {
        let _place = place(self)?;
        let mut incoming = request.into_inner();
        let answer = match self.begin_stream(&mut incoming, (true, false)).await {
            Ok((mut call, mut input)) => self.upload(&mut call, &mut input, incoming).await,
            Err(end) => Err(end),
        };
        answered(answer)
    }

    async fn handle_streamed_out(&self, request: Request<ActionCommand>) -> Result<Response<Responses>, Status> {
        let place = place(self)?;
        let begun = self.begin(request.into_inner(), (false, true)).await;
        Ok(Response::new(self.download(begun, None, place)))
    }

    async fn handle_streamed(&self, request: Request<Streaming<ActionCommand>>) -> Result<Response<Responses>, Status> {
        let place = place(self)?;
        let mut incoming = request.into_inner();
        let begun = self.begin_stream(&mut incoming, (true, true)).await;
        Ok(Response::new(self.download(begun, Some(incoming), place)))
    }
}

fn place(lines: &Lines) -> Result<OwnedSemaphorePermit, Status> {
    lines.place().map_err(|error| status_of(&error))
}

fn answered(answer: Result<ActionResponse, End>) -> Result<Response<ActionResponse>, Status> {
    match answer {
        Ok(response) => Ok(Response::new(response)),
        Err(End::Failed(failure)) => Ok(Response::new(failed(failure))),
        Err(End::Broken(status)) => Err(status),
    }
}

/// An event is taken under the key of the entity whose event it is, as CloudEvents name it; other calls have none.
fn key(beside: &adjoin_model::Metadata) -> &str {
    let of = |name: &str| beside.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let event = ["ce-id", "ce-source", "ce-specversion", "ce-type"].iter().all(|name| of(name).is_some());
    of("ce-subject").filter(|subject| event && !subject.is_empty()).unwrap_or(NO_KEY)
}

fn failed(failure: Failure) -> ActionResponse {
    ActionResponse { response: Some(Told::Failure(failure)), side_effects: Vec::new() }
}

impl Lines {
    /// Begins a call whose first message names the command; whatever it carries is the first element where the client
    /// streams.
    async fn begin_stream(&self, incoming: &mut Streaming<ActionCommand>, shape: Shape) -> Result<(Call, Input), End> {
        match incoming.message().await.map_err(End::Broken)? {
            Some(first) => self.begin(first, shape).await,
            None => Err(End::Failed(breach(0, "a stream without a command"))),
        }
    }

    async fn begin(&self, first: ActionCommand, shape: Shape) -> Result<(Call, Input), End> {
        let ActionCommand { service_name, name, payload: body, metadata: beside } = first;
        let broken = |error| End::Broken(status_of(&error));
        let wrong = |said: &str| End::Failed(breach(0, said));
        let declared = self.catalogue().map_err(broken)?.service(&service_name, EntityKind::Action);
        let declared = declared.ok_or_else(|| End::Failed(unknown_service(&service_name)))?;
        let offered = declared.method(&name);
        let offered = offered.ok_or_else(|| wrong(&format!("{service_name} has no command {name:?}")))?;
        if shape != (offered.method.client_streaming, offered.method.server_streaming) {
            return Err(wrong(&format!("{service_name}.{name} has another shape than it is called with")));
        }
        let beside = metadata(beside);
        check_metadata("a command", &beside).map_err(|error| wrong(&error.message))?;
        let (first, body) = match (shape.0, body) {
            (false, Some(body)) => (None, payload(body)),
            (false, None) => return Err(wrong("a command without a payload")),
            (true, first) => (first.map(payload), Payload::new("", Vec::new())),
        };
        let entity = EntityId::new(declared.entity_type.clone(), key(&beside)).map_err(broken)?;
        let line = self.line().await.map_err(broken)?;
        let credit = line.credit(body.size()).await.map_err(broken)?;
        let call = line.act(entity, Run { offered, payload: body, metadata: beside }, credit, AHEAD);
        let mut input = Input { credit: UNASKED, open: shape.0 };
        first.into_iter().for_each(|first| input.element(&call, first));
        Ok((call, input))
    }

    /// The one answer of a call.
    async fn answer(&self, call: &mut Call) -> Result<ActionResponse, End> {
        loop {
            match call.recv().await {
                Some(FunctionFrame::Answer(answer)) => {
                    call.answered = true;
                    return self.response(call, answer);
                }
                Some(_) => {}
                None => return Err(End::Broken(status_of(&ended()))),
            }
        }
    }

    /// The client streams, the reply is one.
    async fn upload(
        &self,
        call: &mut Call,
        input: &mut Input,
        mut incoming: Streaming<ActionCommand>,
    ) -> Result<ActionResponse, End> {
        loop {
            tokio::select! {
                frame = call.recv() => match frame {
                    Some(FunctionFrame::Answer(answer)) => {
                        call.answered = true;
                        return self.response(call, answer);
                    }
                    Some(FunctionFrame::StreamInputCredit { elements, .. }) => input.more(elements),
                    Some(_) => {}
                    None => return Err(End::Broken(status_of(&ended()))),
                },
                message = incoming.message(), if input.takes() => {
                    input.take(call, message.map_err(End::Broken)?).map_err(End::Failed)?;
                }
            }
        }
    }

    /// The reply is a stream; `incoming`, where the client streams too.
    fn download(
        &self,
        begun: Result<(Call, Input), End>,
        incoming: Option<Streaming<ActionCommand>>,
        place: OwnedSemaphorePermit,
    ) -> Responses {
        let (out, responses) = mpsc::channel(1);
        let this = self.clone();
        tokio::spawn(async move {
            let _place = place;
            let end = match begun {
                Ok((call, input)) => this.carry(call, input, incoming, &out).await,
                Err(end) => Err(end),
            };
            let last = match end {
                Ok(()) => return,
                Err(End::Failed(failure)) => Ok(failed(failure)),
                Err(End::Broken(status)) => Err(status),
            };
            // A proxy that has gone needs no word.
            let _ = out.send(last).await;
        });
        ReceiverStream::new(responses)
    }

    async fn carry(
        &self,
        mut call: Call,
        mut input: Input,
        mut incoming: Option<Streaming<ActionCommand>>,
        out: &mpsc::Sender<Result<ActionResponse, Status>>,
    ) -> Result<(), End> {
        loop {
            let message = async {
                match incoming.as_mut().filter(|_| input.takes()) {
                    Some(incoming) => incoming.message().await,
                    None => std::future::pending().await,
                }
            };
            let frame = tokio::select! {
                () = out.closed() => return Ok(()),
                frame = call.recv() => frame.ok_or_else(|| End::Broken(status_of(&ended())))?,
                message = message => {
                    input.take(&call, message.map_err(End::Broken)?).map_err(End::Failed)?;
                    continue;
                }
            };
            let response = match frame {
                FunctionFrame::StreamElement { payload, effects, metadata, .. } => {
                    call.say(HostFrame::StreamCredit { call: call.id, elements: 1 });
                    let said = !payload.type_name.is_empty();
                    self.told(HandlerResult::Reply(said.then_some(payload)), metadata, effects)
                }
                FunctionFrame::StreamEnd { error, .. } => {
                    call.answered = true;
                    return match error {
                        None => Ok(()),
                        Some(error) => Err(End::Failed(answer::failure(0, &error, false))),
                    };
                }
                FunctionFrame::Answer(answer) => {
                    call.answered = true;
                    let response = self.response(&call, answer)?;
                    // A proxy that has gone needs no word.
                    let _ = out.send(Ok(response)).await;
                    return Ok(());
                }
                FunctionFrame::StreamInputCredit { elements, .. } => {
                    input.more(elements);
                    continue;
                }
                _ => continue,
            };
            if out.send(Ok(response?)).await.is_err() {
                return Ok(());
            }
        }
    }

    fn response(&self, call: &Call, answer: AnswerFrame) -> Result<ActionResponse, End> {
        let AnswerFrame { result, effects, metadata, .. } = answer;
        let result = match result {
            HandlerResult::Reply(None) => HandlerResult::Reply(call.nothing.clone()),
            said => said,
        };
        self.told(result, metadata, effects.side_effects)
    }

    /// One response: an action's effects are made however it ended.
    fn told(
        &self,
        result: HandlerResult,
        metadata: adjoin_model::Metadata,
        effects: Vec<adjoin_entity::frame::SideEffect>,
    ) -> Result<ActionResponse, End> {
        let catalogue = self.catalogue().map_err(|error| End::Broken(status_of(&error)))?;
        let refused = |error| End::Failed(answer::failure(0, &error, false));
        let side_effects = answer::side_effects(catalogue, effects).map_err(refused)?;
        let response = match answer::said(catalogue, result, metadata).map_err(refused)? {
            Said::Nothing => None,
            Said::Reply(reply) => Some(Told::Reply(reply)),
            Said::Forward(forward) => Some(Told::Forward(forward)),
            Said::Refused(error) | Said::Failed(error) => Some(Told::Failure(answer::failure(0, &error, false))),
        };
        Ok(ActionResponse { response, side_effects })
    }
}

/// What the client streams, on its way to the handler.
struct Input {
    /// Elements that the function still takes.
    credit: u32,
    open: bool,
}

impl Input {
    fn takes(&self) -> bool {
        self.open && self.credit > 0
    }

    fn more(&mut self, elements: u32) {
        self.credit = self.credit.saturating_add(elements);
    }

    fn element(&mut self, call: &Call, payload: Payload) {
        self.credit = self.credit.saturating_sub(1);
        call.say(HostFrame::StreamInput { call: call.id, payload });
    }

    fn take(&mut self, call: &Call, message: Option<ActionCommand>) -> Result<(), Failure> {
        match message {
            Some(ActionCommand { payload: Some(body), .. }) => self.element(call, payload(body)),
            Some(_) => return Err(breach(0, "an element without a payload")),
            None => {
                self.open = false;
                call.say(HostFrame::StreamInputEnd { call: call.id });
            }
        }
        Ok(())
    }
}
