// SPDX-License-Identifier: Apache-2.0
//! Actions: no state, no order, not redelivered; their replies may be streams.

use adjoin_model::{Error, Metadata, Outcome, Payload};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::ShardLoop;
use super::calls::{Due, Place};
use super::job::{Ask, Job};
use super::sessions::Starved;
use super::stream::Blocked;
use super::turn::command_frame;
use crate::call::{Call, CallId, Reply};
use crate::frame::{AnswerFrame, FrameCall, HandlerResult, HostFrame, SideEffect, check_metadata};
use crate::io::{Output, SessionId};

/// Elements that a function may send before the edge has taken any.
const STREAM_CREDIT: u32 = 16;

/// Elements that an edge may send before the function has taken any.
const INPUT_CREDIT: usize = 16;

/// An action that the function runs.
pub(crate) struct Action {
    pub(super) job: Box<Job>,
    pub(super) session: SessionId,
    pub(super) streams: bool,
    pub(super) effects: usize,
    /// A part of its reply that waits for calls made for it.
    pub(super) blocked: Option<Box<Blocked>>,
}

impl ShardLoop {
    pub(super) fn admit_action(&mut self, call: Call) {
        if let Some(deadline) = call.deadline {
            self.calls.due_at(deadline, Due::Deadline(call.id));
        }
        self.calls.begin(&call, Place::Starved);
        self.start_action(Job::new(call, Ask::Command));
    }

    /// Sends an action to a function, or lets it wait for one, or for its credit.
    pub(super) fn start_action(&mut self, job: Box<Job>) {
        if self.calls.place(job.id()).is_none() {
            return;
        }
        let Some(session) = self.sessions.choose(job.call.entity.entity_type()) else { return self.park_action(job) };
        let frame = self.frame_name();
        let streams = self.streams(&job.call);
        let Some(open) = self.sessions.get_mut(session) else { return };
        if !open.take_credit(job.bytes()) {
            self.calls.put(job.id(), Place::Starved);
            open.starved.push_back(Starved::Action(job));
            return;
        }
        self.send_action(session, frame, job, streams);
    }

    fn send_action(&mut self, session: SessionId, frame: FrameCall, mut job: Box<Job>, streams: bool) {
        job.frame = frame;
        job.sent = self.now.mono;
        self.calls.count_sent(&job);
        self.calls.put(job.id(), Place::Action(frame));
        let remaining_ms = job.call.deadline.map_or(0, |deadline| (deadline.since(self.now.mono) / 1000).max(1));
        self.send(session, HostFrame::Command(command_frame(&job, 0, remaining_ms)));
        if streams {
            self.send(session, HostFrame::StreamCredit { call: frame, elements: STREAM_CREDIT });
        }
        let early = self.calls.early.remove(&job.id()).unwrap_or_default();
        for payload in early.elements {
            self.send(session, HostFrame::StreamInput { call: frame, payload });
        }
        if early.ended {
            self.send(session, HostFrame::StreamInputEnd { call: frame });
        }
        self.actions.insert(frame, Action { job, session, streams, effects: 0, blocked: None });
    }

    fn streams(&self, call: &Call) -> bool {
        let entity_type = self.sessions.entity_type(call.entity.entity_type());
        entity_type.and_then(|t| t.handler(&call.name)).is_some_and(|handler| handler.streamed_out)
    }

    /// No function is there: it waits where the calls of entities wait.
    fn park_action(&mut self, job: Box<Job>) {
        match self.place_for(&job.call.entity) {
            Ok(slot) => self.wait_in(slot, job),
            Err(error) => self.fail(job, error),
        }
    }

    pub(super) fn action_answer(&mut self, session: SessionId, frame: AnswerFrame) {
        if self.is_stream(frame.call) && self.is_cloudstate(session) {
            return self.stream_part(session, frame);
        }
        let Some(mut action) = self.take_action(session, frame.call) else { return };
        action.job.in_order = self.is_cloudstate(session);
        let broken = frame.effects.writes().then_some("an action returned events or a value, but it has no state");
        let durable = frame.effects.side_effects.iter().any(|effect| effect.durable);
        let effects = frame.effects.side_effects;
        match frame.result {
            _ if broken.is_some() => self.end_action(action, Err(Error::protocol(broken.unwrap_or_default()))),
            _ if durable => {
                self.end_action(action, Err(no_outbox()));
            }
            HandlerResult::Failed(error) if !effects.is_empty() && self.is_cloudstate(session) => {
                self.reply(action.job, Err(error), effects);
            }
            HandlerResult::Failed(error) => self.end_action(action, Err(error)),
            HandlerResult::Forward(target) => {
                let wrote = !effects.is_empty();
                self.go_on(action.job, target, wrote, effects);
            }
            HandlerResult::Reply(payload) if !action.streams => match check_metadata("the reply", &frame.metadata) {
                Ok(()) => {
                    self.reply(action.job, Ok(Reply { payload, metadata: frame.metadata, ..Reply::default() }), effects)
                }
                Err(error) => self.end_action(action, Err(error.with_outcome(Outcome::Unknown))),
            },
            HandlerResult::Reply(_) => {
                self.end_action(action, Err(Error::protocol("a streamed handler answered without a stream")));
            }
        }
    }

    pub(super) fn take_action(&mut self, session: SessionId, frame: FrameCall) -> Option<Action> {
        if self.actions.get(&frame)?.session != session {
            return None;
        }
        let action = self.actions.remove(&frame)?;
        if let Some(open) = self.sessions.get_mut(session) {
            open.give_credit(action.job.bytes());
        }
        self.feed_starved(session);
        Some(action)
    }

    pub(super) fn end_action(&mut self, action: Action, result: Result<(), Error>) {
        let call = action.job.id();
        match (action.streams, result) {
            (true, result) => {
                if let Some(known) = self.calls.remove(call) {
                    self.out.push(Output::End { call, error: result.err(), sent: known.sent });
                }
            }
            (false, Err(error)) => self.fail(action.job, error),
            (false, Ok(())) => self.tell(action.job, Ok(Reply::default())),
        }
    }

    pub(super) fn stream_element(
        &mut self,
        session: SessionId,
        frame: FrameCall,
        (payload, metadata): (Payload, Metadata),
        effects: Vec<SideEffect>,
    ) {
        let Some(action) = self.actions.get_mut(&frame).filter(|a| a.session == session && a.streams) else { return };
        let durable = effects.iter().any(|effect| effect.durable);
        if let Err(error) = if durable { Err(no_outbox()) } else { check_metadata("the reply", &metadata) } {
            let call = action.job.id();
            if let Some(known) = self.calls.remove(call) {
                self.out.push(Output::End { call, error: Some(error), sent: known.sent });
            }
            self.abandon_action(frame);
            return;
        }
        let (from, call) = (action.effects, action.job.call.clone());
        action.effects += effects.len();
        if !action.job.abandoned {
            self.out.push(Output::Element { call: call.id, payload: Some(payload), sequence: 0, metadata });
        }
        self.make_effects(&call, effects, from);
    }

    /// Whether an action's reply is a stream.
    pub(super) fn is_stream(&self, frame: FrameCall) -> bool {
        self.actions.get(&frame).is_some_and(|action| action.streams)
    }

    pub(super) fn stream_end(&mut self, session: SessionId, frame: FrameCall, error: Option<Error>) {
        if let Some(action) = self.take_action(session, frame) {
            self.end_action(action, error.map_or(Ok(()), Err));
        }
    }

    pub(super) fn stream_taken(&mut self, frame: FrameCall, elements: u32) {
        if let Some(action) = self.actions.get(&frame) {
            let session = action.session;
            self.send(session, HostFrame::StreamCredit { call: frame, elements });
        }
    }

    /// An element of the client's stream. Before its action was sent it is kept, within the credit a stream begins with.
    pub(super) fn stream_input(&mut self, call: CallId, payload: Payload) {
        if let Some((session, call)) = self.running_action(call) {
            return self.send(session, HostFrame::StreamInput { call, payload });
        }
        let Some(Place::Starved | Place::Entity(_)) = self.calls.place(call) else { return };
        let early = self.calls.early.entry(call).or_default();
        if early.elements.len() < INPUT_CREDIT {
            return early.elements.push(payload);
        }
        let said = format!("more than {INPUT_CREDIT} elements came before the function took any");
        self.give_up(call, Error::exhausted(said));
    }

    pub(super) fn stream_input_end(&mut self, call: CallId) {
        if let Some((session, call)) = self.running_action(call) {
            return self.send(session, HostFrame::StreamInputEnd { call });
        }
        if let Some(Place::Starved | Place::Entity(_)) = self.calls.place(call) {
            self.calls.early.entry(call).or_default().ended = true;
        }
    }

    fn running_action(&self, call: CallId) -> Option<(SessionId, FrameCall)> {
        let Some(Place::Action(frame)) = self.calls.place(call) else { return None };
        self.actions.get(&frame).map(|action| (action.session, frame))
    }

    pub(super) fn stream_input_credit(&mut self, session: SessionId, frame: FrameCall, elements: u32) {
        if let Some(action) = self.actions.get(&frame).filter(|action| action.session == session) {
            self.out.push(Output::StreamInputCredit { call: action.job.id(), elements });
        }
    }

    /// The process is gone: what it ran may have had effects elsewhere, so it is not run again.
    pub(super) fn actions_lost(&mut self, session: SessionId) {
        let mut lost: Vec<FrameCall> =
            self.actions.iter().filter(|(_, action)| action.session == session).map(|(frame, _)| *frame).collect();
        lost.sort_unstable();
        for action in lost.into_iter().filter_map(|frame| self.actions.remove(&frame)).collect::<Vec<_>>() {
            let said = "the function's process ended while the action ran; it may have had effects";
            self.end_action(action, Err(Error::unavailable(said).with_outcome(Outcome::Unknown)));
        }
    }

    /// Nobody waits for an action any more: the function is told, its answer is dropped.
    pub(super) fn abandon_action(&mut self, frame: FrameCall) -> bool {
        if let Some(action) = self.actions.get_mut(&frame) {
            action.job.abandoned = true;
            let (session, blocked) = (action.session, action.blocked.take());
            self.send(session, HostFrame::Cancel { call: frame });
            self.unblock(frame, blocked);
        }
        true
    }

    /// An action that waited for credit is given up.
    pub(super) fn forget_starved(&mut self, call: CallId) -> bool {
        for id in self.sessions.ids() {
            if let Some(session) = self.sessions.get_mut(id) {
                session.starved.retain(|one| !matches!(one, Starved::Action(job) if job.id() == call));
            }
        }
        false
    }
}

/// Its effects would have to be written before its answer leaves, but an action writes nothing.
fn no_outbox() -> Error {
    Error::invalid("an action has no journal, so it has no durable side effects: let an entity ask for them")
}
