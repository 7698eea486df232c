// SPDX-License-Identifier: Apache-2.0
//! Parts of a streamed reply of the Cloudstate protocol: each makes its calls before it goes out, in order.

use adjoin_model::{Error, Payload, Result};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::ShardLoop;
use super::calls::Place;
use super::release::effect_call;
use crate::call::{Call, CallId, Reply};
use crate::frame::{AnswerFrame, FrameCall, FunctionFrame, HandlerResult, HostFrame, SideEffect, Target};
use crate::io::{Output, SessionId};

/// Parts that wait behind one that is blocked; a function that sends more has forgotten its credit.
const HELD: usize = 1024;

/// A part that waits, and what came behind it.
pub(crate) struct Blocked {
    open: usize,
    part: Part,
    held: VecDeque<FunctionFrame>,
}

enum Part {
    /// An element; none when there were only calls to make.
    Element(Option<Payload>),
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
            HandlerResult::Reply(payload) => Part::Element(payload),
            HandlerResult::Failed(error) => Part::End(error),
            HandlerResult::Forward(target) => Part::Forward(target),
        };
        let open = self.part_effects(frame.call, frame.effects.side_effects);
        self.part(frame.call, part, open, VecDeque::new());
    }

    /// Makes the calls; says how many of them the part waits for.
    fn part_effects(&mut self, frame: FrameCall, effects: Vec<SideEffect>) -> usize {
        let Some(action) = self.actions.get_mut(&frame) else { return 0 };
        let (from, call) = (action.effects, action.job.call.clone());
        action.effects += effects.len();
        let mut open = 0;
        for (index, effect) in (from..).zip(effects) {
            open += usize::from(effect.synchronous);
            self.part_call(&call, effect.target, index, effect.synchronous);
        }
        open
    }

    fn part_call(&mut self, call: &Call, target: Target, index: usize, waits: bool) {
        let effect = waits.then(|| {
            self.calls.next_effect += 1;
            self.calls.effects.insert(self.calls.next_effect, call.id);
            self.calls.next_effect
        });
        self.out.push(Output::Effect { effect, call: effect_call(call, target, index, waits) });
    }

    /// Lets a part out, or blocks the reply until its calls have ended.
    fn part(&mut self, frame: FrameCall, part: Part, open: usize, held: VecDeque<FunctionFrame>) {
        let Some(action) = self.actions.get_mut(&frame) else { return };
        if open > 0 {
            action.blocked = Some(Box::new(Blocked { open, part, held }));
            return;
        }
        match part {
            Part::Element(None) | Part::Forwarded => {}
            Part::Element(payload) => {
                if !action.job.abandoned {
                    self.out.push(Output::Element { call: action.job.id(), payload, sequence: 0 });
                }
            }
            Part::Forward(target) => {
                let (call, index) = (action.job.call.clone(), action.effects);
                action.effects += 1;
                action.blocked = Some(Box::new(Blocked { open: 1, part: Part::Forwarded, held }));
                return self.part_call(&call, target, index, true);
            }
            Part::End(error) => return self.break_stream(frame, error),
        }
        let Some(session) = self.actions.get(&frame).map(|action| action.session) else { return };
        for frame in held {
            self.frame(session, frame);
        }
    }

    /// A call that a part of a streamed reply waits for has ended. Only a forward's own end matters.
    pub(super) fn part_done(&mut self, call: CallId, result: Result<Reply>) {
        let Some(Place::Action(frame)) = self.calls.place(call) else { return };
        let Some(action) = self.actions.get_mut(&frame) else { return };
        let Some(mut blocked) = action.blocked.take() else { return };
        blocked.open = blocked.open.saturating_sub(1);
        if matches!(blocked.part, Part::Forwarded) {
            blocked.part = match result {
                Ok(reply) => {
                    if reply.payload.is_none() {
                        let session = action.session;
                        self.send(session, HostFrame::StreamCredit { call: frame, elements: 1 });
                    }
                    Part::Element(reply.payload)
                }
                Err(error) => Part::End(error),
            };
        }
        let Blocked { open, part, held } = *blocked;
        self.part(frame, part, open, held);
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
