// SPDX-License-Identifier: Apache-2.0
//! One activation: its stream, its queue, and the one command that the function has.

use std::collections::VecDeque;
use std::sync::Arc;

use adjoin_entity::frame::{ActivationId, AnswerFrame, CommandFrame, Effects, FunctionFrame, HandlerResult};
use adjoin_model::{EntityId, Error, Payload, Sequence};
use tokio::sync::mpsc::UnboundedReceiver;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::model::Declared;
use super::outcome::{Answers, action, cut_off};
use super::payload::any;
use super::protocol::client_action::Action;
use super::protocol::{ClientAction, Command, Failure, SideEffect};
use super::session::Shared;
use super::stream::Stream;

/// What the host asks of an activation.
pub(super) enum Order {
    Replay(Vec<(Sequence, Payload)>),
    Command(CommandFrame),
    Deactivate,
}

/// What tells one kind of entity from another.
pub(super) trait Dialect: Send + Sync + 'static {
    /// Proxy to function.
    type In: Send + 'static;
    /// Function to proxy.
    type Out: Send + 'static;

    /// What clients are told when an activation ends before its time.
    const TEXTS: Texts;

    /// Opens a stream.
    fn handle(
        channel: Channel,
        bytes: usize,
        messages: tokio_stream::wrappers::ReceiverStream<Self::In>,
    ) -> impl Future<Output = Result<tonic::Response<Streaming<Self::Out>>, Status>> + Send + 'static;

    /// The first message.
    fn init(service: &str, key: &str, sequence: Sequence, state: Option<Payload>) -> Self::In;

    /// A stored event; none for a kind that has no events.
    fn event(sequence: Sequence, event: Payload) -> Option<Self::In>;

    /// A command.
    fn command(command: Command) -> Self::In;

    /// What a message says; none when it says nothing.
    fn heard(message: Self::Out) -> Option<Heard>;
}

/// What a message of the function says.
pub(super) enum Heard {
    Reply(Box<Reply>),
    Failure(Failure),
}

/// How a command ended.
pub(super) struct Reply {
    pub(super) command_id: i64,
    pub(super) client_action: Option<ClientAction>,
    pub(super) side_effects: Vec<SideEffect>,
    /// What is to be written; none when it is unsound.
    pub(super) writes: Option<Effects>,
    /// A failure with `restart` begins the entity anew.
    pub(super) restarts: bool,
}

/// Texts of the reference proxy, which clients see.
pub(super) struct Texts {
    pub(super) reply: &'static str,
    pub(super) failure: &'static str,
    pub(super) message: &'static str,
    pub(super) termination: &'static str,
    pub(super) terminated: &'static str,
}

/// Why an activation ends.
enum End {
    /// The host wants it, or is gone.
    Wanted,
    /// The function broke the protocol, failed, or ended the stream: what the command in flight is told.
    Broken(&'static str),
    /// The function asked to begin anew.
    Restart,
}

struct InFlight {
    id: i64,
    command: CommandFrame,
}

pub(super) struct Activation<D: Dialect> {
    shared: Arc<Shared>,
    id: ActivationId,
    entity: EntityId,
    sequence: Sequence,
    orders: UnboundedReceiver<Order>,
    stream: Stream<D::In, D::Out>,
    queue: VecDeque<CommandFrame>,
    in_flight: Option<InFlight>,
    /// Commands sent on this stream.
    sent: i64,
}

impl<D: Dialect> Activation<D> {
    /// Opens the stream.
    pub(super) fn new(
        shared: Arc<Shared>,
        id: ActivationId,
        entity: EntityId,
        sequence: Sequence,
        orders: UnboundedReceiver<Order>,
    ) -> Self {
        let (channel, bytes) = (shared.channel.clone(), shared.message_bytes);
        let stream = Stream::open(|messages| D::handle(channel, bytes, messages));
        Self { shared, id, entity, sequence, orders, stream, queue: VecDeque::new(), in_flight: None, sent: 0 }
    }

    /// Lives until the host or the function ends it.
    pub(super) async fn run(mut self, state: Option<Payload>) {
        let Some(declared) = self.shared.model.declared(self.entity.entity_type()).cloned() else { return };
        let init = D::init(&declared.service, self.entity.key(), self.sequence, state);
        let end = match self.send(init).await {
            Ok(()) => self.live(&declared).await,
            Err(end) => end,
        };
        match end {
            End::Wanted => {}
            End::Restart => {
                tracing::warn!(entity = %self.entity, "an entity begins anew after a failure");
            }
            End::Broken(text) => self.broken(text).await,
        }
        self.stream.finish().await;
    }

    async fn live(&mut self, declared: &Declared) -> End {
        loop {
            if let Err(end) = self.send_next().await {
                return end;
            }
            let done = tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.take(order).await,
                    None => Err(End::Wanted),
                },
                message = self.stream.incoming.next() => self.hear(message, declared).await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn take(&mut self, order: Order) -> Result<(), End> {
        match order {
            Order::Replay(events) => return self.replay(events).await,
            Order::Command(command) if command.query => self.shared.say(vec![not_asked(&command)]).await,
            Order::Command(command) => self.queue.push_back(command),
            Order::Deactivate => return Err(End::Wanted),
        }
        Ok(())
    }

    /// Each event waits for the transport's room: a slow function holds back its replay.
    async fn replay(&mut self, events: Vec<(Sequence, Payload)>) -> Result<(), End> {
        for (sequence, event) in events {
            self.sequence = sequence;
            if let Some(message) = D::event(sequence, event) {
                self.send(message).await?;
            }
        }
        self.shared.say(vec![FunctionFrame::Replayed { activation: self.id, sequence: self.sequence }]).await;
        Ok(())
    }

    /// Gives the function its next command, once it has answered the one before.
    async fn send_next(&mut self) -> Result<(), End> {
        if self.in_flight.is_some() {
            return Ok(());
        }
        let Some(command) = self.queue.pop_front() else { return Ok(()) };
        self.sent += 1;
        let message = D::command(Command {
            entity_id: self.entity.key().to_owned(),
            id: self.sent,
            name: (*command.name).to_owned(),
            payload: Some(any(command.payload.clone())),
            streamed: false,
            metadata: None,
        });
        self.in_flight = Some(InFlight { id: self.sent, command });
        self.send(message).await
    }

    /// Sends when the transport has room. What the function says meanwhile is out of turn: it had nothing to answer, or
    /// not yet seen it.
    async fn send(&mut self, message: D::In) -> Result<(), End> {
        let heard = tokio::select! {
            biased;
            room = self.stream.outgoing.reserve() => match room {
                Ok(room) => {
                    room.send(message);
                    return Ok(());
                }
                // The transport has let go of the stream: the other direction says why.
                Err(_) => self.stream.incoming.next().await,
            },
            heard = self.stream.incoming.next() => heard,
        };
        Err(self.out_of_turn(heard))
    }

    fn out_of_turn(&self, heard: Result<Option<D::Out>, Status>) -> End {
        let texts = D::TEXTS;
        End::Broken(match heard.map(|message| message.map(D::heard)) {
            Ok(Some(Some(Heard::Reply(_)))) => texts.reply,
            Ok(Some(Some(Heard::Failure(failure)))) => self.failure(&failure),
            Ok(Some(None)) => texts.message,
            Ok(None) => self.ended(None),
            Err(status) => self.ended(Some(&status)),
        })
    }

    async fn hear(&mut self, heard: Result<Option<D::Out>, Status>, declared: &Declared) -> Result<(), End> {
        let reply = match heard.map(|message| message.map(D::heard)) {
            Ok(Some(Some(Heard::Reply(reply)))) => reply,
            Ok(Some(Some(Heard::Failure(failure)))) => return Err(End::Broken(self.failure(&failure))),
            Ok(Some(None)) => return Err(End::Broken(D::TEXTS.message)),
            Ok(None) => return Err(End::Broken(self.ended(None))),
            Err(status) => return Err(End::Broken(self.ended(Some(&status)))),
        };
        let own = self.in_flight.as_ref().is_some_and(|in_flight| in_flight.id == reply.command_id);
        if !own || reply.writes.is_none() {
            tracing::warn!(entity = %self.entity, command = reply.command_id, "a reply that cannot be taken");
            return Err(End::Broken(D::TEXTS.reply));
        }
        let Some(InFlight { command, .. }) = self.in_flight.take() else { return Ok(()) };
        self.answer(&command, *reply, declared).await
    }

    async fn answer(&mut self, command: &CommandFrame, reply: Reply, declared: &Declared) -> Result<(), End> {
        let shared = self.shared.clone();
        let Some(method) = declared.method(&command.name) else { return Err(End::Broken(D::TEXTS.reply)) };
        let answers = Answers { model: &shared.model, reporter: &shared.reporter, method };
        let client_action = action(reply.client_action);
        let restart = reply.restarts && matches!(&client_action, Some(Action::Failure(failure)) if failure.restart);
        let ended = answers.outcome(client_action, reply.side_effects);
        // What is stored stays as it was: the function wants to begin again from there.
        let writes = reply.writes.filter(|_| !restart).unwrap_or_default();
        let effects = Effects { side_effects: ended.side_effects, ..writes };
        let answer = AnswerFrame {
            activation: self.id,
            call: command.call,
            result: ended.result,
            effects,
            activation_ended: restart,
            metadata: ended.metadata,
        };
        shared.say(vec![FunctionFrame::Answer(answer)]).await;
        if restart { Err(End::Restart) } else { Ok(()) }
    }

    fn failure(&self, failure: &Failure) -> &'static str {
        let said = crate::status::printable(&failure.description);
        tracing::warn!(entity = %self.entity, command = failure.command_id, "the function failed an entity: {said}");
        D::TEXTS.failure
    }

    fn ended(&self, status: Option<&Status>) -> &'static str {
        match status {
            Some(status) => tracing::warn!(entity = %self.entity, %status, "the stream of an entity broke"),
            None => tracing::warn!(entity = %self.entity, "the function ended the stream of an entity"),
        }
        D::TEXTS.termination
    }

    /// Tells the command in flight, then those behind it, then the host.
    async fn broken(&mut self, text: &'static str) {
        let mut frames = Vec::new();
        if let Some(InFlight { command, .. }) = self.in_flight.take() {
            frames.push(failed(&command, cut_off(text)));
        }
        self.orders.close();
        while let Ok(order) = self.orders.try_recv() {
            if let Order::Command(command) = order {
                self.queue.push_back(command);
            }
        }
        let terminated = || cut_off(D::TEXTS.terminated);
        frames.extend(self.queue.drain(..).map(|command| failed(&command, terminated())));
        frames.push(FunctionFrame::ActivationFailed {
            activation: self.id,
            error: terminated(),
            snapshot_unreadable: false,
        });
        self.shared.say(frames).await;
    }
}

fn failed(command: &CommandFrame, error: Error) -> FunctionFrame {
    FunctionFrame::Answer(AnswerFrame {
        activation: command.activation,
        call: command.call,
        result: HandlerResult::Failed(error),
        effects: Effects::default(),
        activation_ended: false,
        metadata: Vec::new(),
    })
}

/// The protocol has no queries; only the host asks for one, to show a state.
fn not_asked(command: &CommandFrame) -> FunctionFrame {
    let said = "a function that speaks the Cloudstate protocol cannot be asked for its state: read the journal instead";
    failed(command, Error::invalid(said))
}
