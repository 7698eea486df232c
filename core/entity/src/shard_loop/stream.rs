// SPDX-License-Identifier: Apache-2.0
//! Parts of a streamed reply of the Cloudstate protocol: each makes its calls before it goes out, in order.

use adjoin_model::{Error, Metadata, Payload, Result};
use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::ShardLoop;
use super::calls::Place;
use super::release::effect_call;
use crate::call::{CallId, Reply};
use crate::frame::{
    AnswerFrame, FrameCall, FunctionFrame, HandlerResult, HostFrame, SideEffect, Target, check_metadata,
};
use crate::io::{Output, SessionId};

/// Parts that wait behind one that is blocked; a function that sends more has forgotten its credit.
const HELD: usize = 1024;

/// A part that waits for one call, and what comes behind that.
pub(crate) struct Blocked {
    part: Part,
    /// Calls that are still to be made for it.
    rest: VecDeque<SideEffect>,
    held: VecDeque<FunctionFrame>,
}

enum Part {
    /// An element; none when there were only calls to make.
    Element(Option<Payload>, Metadata),
    /// The element is another handler's reply.
    Forward(Target),
    /// What the forward gave takes its place.
    Forwarded,
    End(Error),
}

impl ShardLoop {
    /// Keeps back what comes behind a blocked part of the same reply; gives back what may be taken now.
    pub(super) fn behind(&mut self, session: SessionId, frame: FunctionFrame) -> Option<FunctionFrame> {
        let call = match &frame {
            FunctionFrame::StreamElement { call, .. } | FunctionFrame::StreamEnd { call, .. } => *call,
            FunctionFrame::Answer(answer) if answer.activation == 0 => answer.call,
            _ => return Some(frame),
        };
        let action = self.actions.get_mut(&call).filter(|action| action.session == session);
        let Some(blocked) = action.and_then(|action| action.blocked.as_mut()) else { return Some(frame) };
        if blocked.held.len() < HELD {
            blocked.held.push_back(frame);
        } else {
            self.break_stream(call, Error::exhausted("too many parts of a streamed reply wait"));
        }
        None
    }

    /// A part that is more than an element: calls to make, a forward, a failure.
    pub(super) fn stream_part(&mut self, session: SessionId, frame: AnswerFrame) {
        if self.actions.get(&frame.call).is_none_or(|action| action.session != session) {
            return;
        }
        let part = match frame.result {
            HandlerResult::Reply(payload) => match check_metadata("the reply", &frame.metadata) {
                Ok(()) => Part::Element(payload, frame.metadata),
                Err(error) => Part::End(error),
            },
            HandlerResult::Failed(error) => Part::End(error),
            HandlerResult::Forward(target) => Part::Forward(target),
        };
        self.part(frame.call, part, frame.effects.side_effects.into(), VecDeque::new());
    }

    /// Makes a call for a part; says whether its end is waited for, which it is not once the caller has left.
    fn part_call(&mut self, frame: FrameCall, target: Target, waits: bool) -> bool {
        let Some(action) = self.actions.get_mut(&frame) else { return false };
        let (index, call) = (action.effects, &action.job.call);
        action.effects += 1;
        let waits = waits && self.calls.place(call.id).is_some();
        let effect = waits.then(|| self.calls.name_effect(call.id));
        self.out.push(Output::Effect { effect, call: effect_call(call, target, index, waits) });
        waits
    }

    /// Makes the calls of a part, one after the other, then lets it out.
    fn part(&mut self, frame: FrameCall, part: Part, mut rest: VecDeque<SideEffect>, held: VecDeque<FunctionFrame>) {
        while let Some(effect) = rest.pop_front() {
            if self.part_call(frame, effect.target, effect.synchronous) {
                return self.block(frame, Blocked { part, rest, held });
            }
        }
        let Some(action) = self.actions.get_mut(&frame) else { return };
        match part {
            Part::Element(None, _) | Part::Forwarded => {}
            Part::Element(payload, metadata) => {
                if !action.job.abandoned {
                    self.out.push(Output::Element { call: action.job.id(), payload, sequence: 0, metadata });
                }
            }
            Part::Forward(target) => {
                if self.part_call(frame, target, true) {
                    return self.block(frame, Blocked { part: Part::Forwarded, rest, held });
                }
            }
            Part::End(error) => return self.break_stream(frame, error),
        }
        let Some(session) = self.actions.get(&frame).map(|action| action.session) else { return };
        for frame in held {
            self.frame(session, frame);
        }
    }

    /// Lets nothing out of a reply until the call that was made last has ended.
    fn block(&mut self, frame: FrameCall, blocked: Blocked) {
        if let Some(action) = self.actions.get_mut(&frame) {
            action.blocked = Some(Box::new(blocked));
        }
    }

    /// The caller has left: what a part still asks for is made all the same, and nothing waits for it.
    pub(super) fn unblock(&mut self, frame: FrameCall, blocked: Option<Box<Blocked>>) {
        if let Some(blocked) = blocked {
            let Blocked { part, rest, held } = *blocked;
            self.part(frame, part, rest, held);
        }
    }

    /// A call that a part of a streamed reply waits for has ended. Only a forward's own end matters.
    pub(super) fn part_done(&mut self, call: CallId, result: Result<Reply>) {
        let Some(Place::Action(frame)) = self.calls.place(call) else { return };
        let Some(action) = self.actions.get_mut(&frame) else { return };
        let Some(mut blocked) = action.blocked.take() else { return };
        if matches!(blocked.part, Part::Forwarded) {
            blocked.part = match result {
                Ok(reply) => {
                    if reply.payload.is_none() {
                        let session = action.session;
                        self.send(session, HostFrame::StreamCredit { call: frame, elements: 1 });
                    }
                    Part::Element(reply.payload, reply.metadata)
                }
                Err(error) => Part::End(error),
            };
        }
        let Blocked { part, rest, held } = *blocked;
        self.part(frame, part, rest, held);
    }

    /// Ends a streamed reply before the function does: the function's call is cancelled.
    fn break_stream(&mut self, frame: FrameCall, error: Error) {
        let Some(session) = self.actions.get(&frame).map(|action| action.session) else { return };
        if let Some(action) = self.take_action(session, frame) {
            self.send(session, HostFrame::Cancel { call: frame });
            self.end_action(action, Err(error));
        }
    }
}
