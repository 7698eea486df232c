// SPDX-License-Identifier: Apache-2.0
//! Messages become inputs.

use adjoin_entity::frame::FunctionFrame;
use adjoin_entity::{Call, CallId, Input, SessionId};
use adjoin_model::Outcome;

use super::{Driver, Sink};
use crate::message::{Message, Waiting};
use crate::shared::bug;
use crate::status::LoopStatus;

impl Driver {
    /// Takes what has come; says whether to go on.
    pub(super) fn take(&mut self, messages: &mut Vec<Message>) -> bool {
        for message in messages.drain(..) {
            match message {
                Message::Call(call, waiting) => self.take_call(call, waiting),
                Message::Input(input) => self.take_input(input),
                Message::Follow(input) => self.take_follow(input),
                Message::Frames { session, frames, _bytes } => self.take_frames(session, frames),
                Message::Written(settled) => {
                    self.inputs.extend(settled.into_iter().map(|(shard, input)| Input::Shard { shard, input }));
                }
                Message::SessionUp { session, spec, running, bytes, sink } => {
                    self.meter.learn(&spec);
                    self.sinks.push(Sink { session, sink, frames: Vec::new() });
                    self.inputs.push(Input::SessionUp { session, spec, running, bytes });
                }
                // Whoever asked and left does not want to know.
                Message::Status { slow_ms, answer } => drop(answer.send(self.status(slow_ms))),
                Message::Effects { limit, answer } => drop(answer.send(self.machine.effects(limit))),
                Message::Consumers { limit, answer } => drop(answer.send(self.machine.consumers(limit))),
                Message::Order { call, input, answer } => {
                    self.orders.insert(call, answer);
                    self.inputs.push(input);
                }
                Message::Drain(done) if self.drained || self.failed => done.send(()).unwrap_or_default(),
                Message::Drain(done) => {
                    self.drains.push(done);
                    self.inputs.push(Input::Drain);
                }
                Message::Stop => return false,
            }
        }
        true
    }

    pub(super) fn take_call(&mut self, call: Call, waiting: Waiting) {
        if self.failed {
            return waiting.refuse(bug().with_outcome(Outcome::None));
        }
        self.traces.call(&call, &waiting.span);
        let meter = self.meter.of(&call);
        self.drained = false;
        self.edges.enter(call.id, waiting, meter);
        self.inputs.push(Input::Call(call));
    }

    fn take_input(&mut self, input: Input) {
        match &input {
            Input::SessionDown { session, .. } => self.sinks.retain(|sink| sink.session != *session),
            Input::Cancel(call) => {
                self.traces.left(*call);
                self.edges.leave(*call);
            }
            Input::Loaded { load, page } => {
                self.traces.loaded(*load);
                self.meter.replayed(page.as_ref().map_or(0, |page| page.events.len()));
            }
            _ => {}
        }
        self.inputs.push(input);
    }

    /// An input about a call: where the call is not known, it may have been forwarded to another loop.
    fn take_follow(&mut self, input: Input) {
        let call = match &input {
            Input::Cancel(call)
            | Input::Taken { call, .. }
            | Input::StreamInput { call, .. }
            | Input::StreamInputEnd { call } => *call,
            _ => 0,
        };
        if !self.edges.knows(call) && self.is_home(call) {
            return self.ports.shared.send_others(self.index, &input);
        }
        self.take_input(input);
    }

    fn is_home(&self, call: CallId) -> bool {
        call & 0xff == u64::from(self.index)
    }

    fn take_frames(&mut self, session: SessionId, frames: Vec<FunctionFrame>) {
        for frame in &frames {
            self.traces.answered(frame);
        }
        self.inputs.extend(frames.into_iter().map(|frame| Input::Frame { session, frame }));
    }

    fn status(&self, slow_ms: u64) -> LoopStatus {
        let machine = self.machine.status(slow_ms);
        LoopStatus { index: self.index, machine, drained: self.drained, failed: self.failed }
    }
}
