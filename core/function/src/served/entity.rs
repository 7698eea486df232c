// SPDX-License-Identifier: Apache-2.0
//! One `handle` stream: one activation of an entity, from its init to its end.

use std::future::ready;
use std::sync::Arc;

use adjoin_entity::frame::{AnswerFrame, Effects, FrameCall, FunctionFrame, HandlerResult, HostFrame, check_metadata};
use adjoin_entity::spec::EntityKind;
use adjoin_model::{EntityId, Error, Payload, Sequence};
use prost::Message;
use prost_types::Any;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use super::answer::{self, Said, breach, failure, unknown_service};
use super::catalogue::{Catalogue, Declared};
use super::line::{Gone, Run, Seat, ended};
use super::lines::{ENVELOPE, Lines, MESSAGE_BYTES};
use crate::cloudstate::protocol::client_action::Action;
use crate::cloudstate::protocol::{ClientAction, Command, Failure, SideEffect};
use crate::cloudstate::{metadata, payload};
use crate::status::status_of;

/// Messages between this side and the transport.
const AHEAD: usize = 4;

/// Events that go to the function in one frame, at most, and about how many bytes.
const PAGE_EVENTS: usize = 256;
const PAGE_BYTES: usize = 256 << 10;

/// What tells one kind of entity from another.
pub(super) trait Dialect: Send + Sync + 'static {
    /// Proxy to function.
    type In: Send + 'static;
    /// Function to proxy.
    type Out: Message + Send + 'static;

    const KIND: EntityKind;

    /// What a message says; none when it says nothing.
    fn heard(message: Self::In) -> Option<Heard>;

    /// The answer to a command.
    ///
    /// # Errors
    /// `Invalid`: what an entity of this kind cannot do in this protocol.
    fn reply(catalogue: &Catalogue, reply: Reply) -> adjoin_model::Result<Self::Out>;

    /// Fails the stream.
    fn failed(failure: Failure) -> Self::Out;

    /// The answer that refuses a command. With `restart` in it the entity is to be begun anew: none where only the
    /// stream's end does that.
    fn refused(failure: Failure) -> Option<Self::Out>;
}

/// What a proxy says.
pub(super) enum Heard {
    Init(Init),
    Event(i64, Option<Any>),
    Command(Command),
}

/// How a stream begins.
pub(super) struct Init {
    pub(super) service: String,
    pub(super) key: String,
    pub(super) state: Option<(i64, Option<Any>)>,
}

/// How a command ended.
pub(super) struct Reply {
    pub(super) command_id: i64,
    pub(super) client_action: Option<ClientAction>,
    pub(super) side_effects: Vec<SideEffect>,
    pub(super) writes: Effects,
}

impl Reply {
    /// About its size as a message.
    fn bytes(&self) -> usize {
        let effects: usize = self.side_effects.iter().map(Message::encoded_len).sum();
        let events: usize = self.writes.events.iter().map(Payload::size).sum();
        effects + events + self.client_action.as_ref().map_or(0, Message::encoded_len)
    }
}

/// Why a stream ends.
enum End {
    /// The proxy has ended it, or the function goes.
    Clean,
    /// Nothing more can be said in it.
    Failed(Failure),
    /// There is nobody to say anything.
    Broken(Status),
}

/// An activation that has begun.
struct Live {
    declared: Arc<Declared>,
    key: String,
    seat: Seat,
    sequence: Sequence,
    events: Vec<(Sequence, Payload)>,
    bytes: usize,
    /// Commands have come: no more events do.
    whole: bool,
    /// The proxy was asked to begin anew.
    spent: bool,
}

/// The stream.
struct Stream<D: Dialect> {
    lines: Lines,
    incoming: Streaming<D::In>,
    out: mpsc::Sender<Result<D::Out, Status>>,
    _place: OwnedSemaphorePermit,
}

/// The answer to a `handle`.
pub(super) type Answers<T> = ReceiverStream<Result<T, Status>>;

/// Serves a stream.
///
/// # Errors
/// When there is no place for it.
pub(super) fn handle<D: Dialect>(
    lines: Lines,
    incoming: Streaming<D::In>,
) -> Result<Response<Answers<D::Out>>, Status> {
    let place = lines.place().map_err(|error| status_of(&error))?;
    let (out, answers) = mpsc::channel(AHEAD);
    tokio::spawn(Stream::<D> { lines, incoming, out, _place: place }.run());
    Ok(Response::new(ReceiverStream::new(answers)))
}

impl<D: Dialect> Stream<D> {
    async fn run(mut self) {
        let last = match self.live().await {
            End::Clean => return,
            End::Failed(failure) => {
                tracing::warn!(command = failure.command_id, "a proxy's entity: {}", failure.description);
                Ok(D::failed(failure))
            }
            End::Broken(status) => Err(status),
        };
        // A proxy that has gone needs no word.
        let _ = self.out.send(last).await;
    }

    async fn live(&mut self) -> End {
        let mut live = match self.begin().await {
            Ok(live) => live,
            Err(end) => return end,
        };
        loop {
            if let Err(end) = self.step(&mut live).await {
                return end;
            }
        }
    }

    /// Waits for the init, and begins the activation.
    async fn begin(&mut self) -> Result<Live, End> {
        let stop = self.lines.stop().clone();
        let first = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            first = self.incoming.message() => first.map_err(End::Broken)?,
        };
        let Init { service, key, state } = match first.ok_or(End::Clean).map(D::heard)? {
            Some(Heard::Init(init)) => init,
            Some(Heard::Command(command)) => return Err(End::Failed(breach(command.id, "a command before the init"))),
            Some(Heard::Event(..)) => return Err(End::Failed(breach(0, "an event before the init"))),
            None => return Err(End::Failed(breach(0, "an empty message"))),
        };
        let catalogue = self.catalogue()?;
        let declared = catalogue.service(&service, D::KIND).cloned();
        let declared = declared.ok_or_else(|| End::Failed(unknown_service(&service)))?;
        let entity = EntityId::new(declared.entity_type.clone(), key.as_str());
        let entity = entity.map_err(|error| End::Failed(breach(0, &error.message)))?;
        let (sequence, state) = stored(&declared, state)?;
        let line = self.lines.line().await.map_err(|error| End::Broken(status_of(&error)))?;
        let seat = line.activate(entity, sequence, state);
        let events = Vec::new();
        Ok(Live { declared, key, seat, sequence, events, bytes: 0, whole: false, spent: false })
    }

    /// Does the next thing that is to do.
    async fn step(&mut self, live: &mut Live) -> Result<(), End> {
        let (stop, waiting) = (self.lines.stop().clone(), !live.events.is_empty());
        tokio::select! {
            biased;
            message = self.incoming.message() => match message.map_err(End::Broken)? {
                Some(message) => self.take(live, D::heard(message)).await,
                None => Err(End::Clean),
            },
            said = live.seat.recv() => unasked(said),
            () = stop.cancelled() => Err(End::Clean),
            // Nothing else is to do: what has come so far goes to the function.
            () = ready(()), if waiting => self.replay(live, 0, false).await,
        }
    }

    async fn take(&mut self, live: &mut Live, heard: Option<Heard>) -> Result<(), End> {
        match heard {
            None => Err(End::Failed(breach(0, "an empty message"))),
            Some(Heard::Init(_)) => Err(End::Failed(breach(0, "a second init"))),
            Some(Heard::Event(sequence, event)) => {
                live.take(sequence, event)?;
                if live.events.len() < PAGE_EVENTS && live.bytes < PAGE_BYTES {
                    return Ok(());
                }
                self.replay(live, 0, false).await
            }
            Some(Heard::Command(command)) => {
                let (reply, anew) = self.command(live, command).await?;
                self.out.send(Ok(reply)).await.map_err(|_| End::Clean)?;
                // An activation that the function has ended leaves nothing to ask; to begin anew is the proxy's.
                if live.spent && !anew { Err(End::Clean) } else { Ok(()) }
            }
        }
    }

    /// Folds the events that have come into the state.
    async fn replay(&mut self, live: &mut Live, command: i64, last: bool) -> Result<(), End> {
        let (activation, events) = (live.seat.activation, std::mem::take(&mut live.events));
        live.bytes = 0;
        live.seat.line.say(vec![HostFrame::Replay { activation, events, last }]);
        live.whole |= last;
        loop {
            match self.hear(live).await? {
                FunctionFrame::Replayed { .. } => return Ok(()),
                FunctionFrame::ActivationFailed { error, .. } => {
                    return Err(End::Failed(failure(command, &error, false)));
                }
                _ => {}
            }
        }
    }

    /// Runs a command; says whether the proxy begins the entity anew after its answer.
    async fn command(&mut self, live: &mut Live, command: Command) -> Result<(D::Out, bool), End> {
        let Command { entity_id, id, name, payload: body, metadata: beside, .. } = command;
        let wrong = |said: &str| End::Failed(breach(id, said));
        if live.spent {
            return Err(wrong("a command for an entity that was to begin anew"));
        }
        if entity_id != live.key {
            return Err(wrong(&format!("a command for the entity {entity_id:?} on the stream of {:?}", live.key)));
        }
        let body = payload(body.ok_or_else(|| wrong("a command without a payload"))?);
        let declared = live.declared.clone();
        let offered = declared.method(&name);
        let offered = offered.ok_or_else(|| wrong(&format!("{} has no command {name:?}", declared.service)))?;
        let beside = metadata(beside);
        check_metadata("a command", &beside).map_err(|error| wrong(&error.message))?;
        if !live.whole {
            self.replay(live, id, true).await?;
        }
        let credit = tokio::select! {
            credit = live.seat.line.credit(body.size()) => credit.map_err(|error| End::Broken(status_of(&error)))?,
            () = self.out.closed() => return Err(End::Clean),
        };
        let call = live.seat.run(Run { offered, payload: body, metadata: beside });
        let mut answer = self.answer(live, call, id).await?;
        drop(credit);
        if matches!(answer.result, HandlerResult::Reply(None)) {
            answer.result = HandlerResult::Reply(answer::empty(offered).payload.map(payload));
        }
        self.ended(live, id, answer).await
    }

    /// Waits for the answer of a handler.
    async fn answer(&mut self, live: &mut Live, call: FrameCall, command: i64) -> Result<AnswerFrame, End> {
        loop {
            match self.hear(live).await? {
                FunctionFrame::Answer(answer) if answer.call == call => return Ok(answer),
                FunctionFrame::ActivationFailed { error, .. } => {
                    return Err(End::Failed(failure(command, &error, false)));
                }
                _ => {}
            }
        }
    }

    async fn ended(&mut self, live: &mut Live, id: i64, answer: AnswerFrame) -> Result<(D::Out, bool), End> {
        let AnswerFrame { result, mut effects, activation_ended, metadata, .. } = answer;
        let wrote = effects.writes();
        let catalogue = self.catalogue()?;
        let told = answer::side_effects(catalogue, std::mem::take(&mut effects.side_effects));
        let told = told.and_then(|effects| Ok((effects, answer::said(catalogue, result, metadata)?)));
        let (side_effects, action) = match told {
            Err(error) => return live.refuses::<D>(id, &error, wrote || activation_ended),
            Ok((_, Said::Failed(error))) => return Err(End::Failed(failure(id, &error, false))),
            Ok((_, Said::Refused(error))) => return live.refuses::<D>(id, &error, activation_ended),
            Ok((effects, Said::Reply(reply))) => (effects, Some(Action::Reply(reply))),
            Ok((effects, Said::Forward(forward))) => (effects, Some(Action::Forward(forward))),
            Ok((effects, Said::Nothing)) => (effects, None),
        };
        live.spent = activation_ended;
        let client_action = action.and_then(answer::action);
        let mut reply = Reply { command_id: id, client_action, side_effects, writes: effects };
        self.snapshot(live, &mut reply).await?;
        let reply = D::reply(self.catalogue()?, reply);
        let error = match reply {
            Ok(reply) if reply.encoded_len() <= MESSAGE_BYTES => return Ok((reply, false)),
            Ok(reply) => {
                let bytes = reply.encoded_len();
                let said = format!("the answer takes {bytes} bytes, more than the {MESSAGE_BYTES} that proxies take");
                Error::exhausted(said)
            }
            Err(error) => error,
        };
        live.refuses::<D>(id, &error, wrote || activation_ended)
    }

    /// In this protocol the function says when a snapshot is to be kept: with the events that pass a multiple of so many.
    /// One for which the answer has no room is left out.
    async fn snapshot(&mut self, live: &mut Live, reply: &mut Reply) -> Result<(), End> {
        let (before, every) = (live.sequence, live.declared.snapshot_every);
        live.sequence += reply.writes.events.len() as Sequence;
        let passed = every > 0 && before / every != live.sequence / every;
        if reply.writes.snapshot.is_some() || !passed || reply.writes.delete || live.spent {
            return Ok(());
        }
        let call = live.seat.snapshot();
        let answer = self.answer(live, call, reply.command_id).await?;
        if let HandlerResult::Failed(error) = &answer.result {
            tracing::warn!(%error, "no snapshot: events alone are kept");
        }
        let fits = |snapshot: &Payload| reply.bytes() + snapshot.size() + ENVELOPE <= MESSAGE_BYTES;
        reply.writes.snapshot = answer.effects.snapshot.filter(fits);
        Ok(())
    }

    fn catalogue(&self) -> Result<&Catalogue, End> {
        self.lines.catalogue().map_err(|error| End::Broken(status_of(&error)))
    }

    /// The next frame of the activation.
    async fn hear(&mut self, live: &mut Live) -> Result<FunctionFrame, End> {
        tokio::select! {
            biased;
            () = self.out.closed() => Err(End::Clean),
            frame = live.seat.recv() => frame.map_err(|gone| match gone {
                Gone::Over => End::Broken(status_of(&ended())),
                Gone::Superseded => superseded(),
            }),
        }
    }
}

impl Live {
    fn take(&mut self, sequence: i64, event: Option<Any>) -> Result<(), End> {
        let wrong = |said: &str| Err(End::Failed(breach(0, said)));
        if self.whole {
            return wrong("an event after the first command");
        }
        let Some(event) = event.filter(|event| !event.type_url.is_empty()) else {
            return wrong("an event without a payload");
        };
        match Sequence::try_from(sequence) {
            Ok(sequence) if sequence > self.sequence => self.sequence = sequence,
            _ => return wrong(&format!("the event {sequence} after {}", self.sequence)),
        }
        let event = self.declared.stored(event);
        self.bytes += event.size();
        self.events.push((self.sequence, event));
        Ok(())
    }

    /// Fails a command. Where the function's state is not the proxy's any more, the entity has to begin anew.
    fn refuses<D: Dialect>(&mut self, id: i64, error: &Error, anew: bool) -> Result<(D::Out, bool), End> {
        self.spent |= anew;
        let refused = D::refused(failure(id, error, anew));
        Ok((refused.ok_or_else(|| End::Failed(failure(id, error, false)))?, anew))
    }
}

/// What the init brings of the state.
fn stored(declared: &Declared, state: Option<(i64, Option<Any>)>) -> Result<(Sequence, Option<Payload>), End> {
    let Some((sequence, state)) = state else { return Ok((0, None)) };
    let wrong = |said| End::Failed(breach(0, said));
    let sequence = Sequence::try_from(sequence).map_err(|_| wrong("a snapshot of a sequence below 0"))?;
    let state = state.ok_or_else(|| wrong("a snapshot without a payload"))?;
    Ok((sequence, Some(declared.stored(state))))
}

fn superseded() -> End {
    End::Failed(breach(0, "the entity was begun anew on another stream of this connection"))
}

/// What the function says while nothing is asked.
fn unasked(said: Result<FunctionFrame, Gone>) -> Result<(), End> {
    match said {
        Ok(FunctionFrame::ActivationFailed { error, .. }) => Err(End::Failed(failure(0, &error, false))),
        Ok(_) => Ok(()),
        // The function goes: the proxy begins anew when it needs the entity.
        Err(Gone::Over) => Err(End::Clean),
        Err(Gone::Superseded) => Err(superseded()),
    }
}
