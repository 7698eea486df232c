// SPDX-License-Identifier: Apache-2.0
//! Streams of actions: elements out within credit, elements in until they end.

use adjoin_entity::frame::{AnswerFrame, Effects, FunctionFrame, HandlerResult};
use adjoin_model::{Error, Payload};

use super::handler::number;
use super::session::Session;
use crate::agenda::Event;
use crate::context::Context;
use crate::fault::Fault;
use crate::words::Ask;

/// Where a stream stands.
#[derive(Default)]
pub(crate) struct Stream {
    sent: u16,
    credit: u32,
    gathered: u16,
}

impl Stream {
    /// How many elements came in.
    pub(super) fn gathered(&self) -> Payload {
        number(u64::from(self.gathered))
    }
}

impl Session {
    pub(super) fn stream_starts(&mut self, context: &mut Context, call: u64) {
        self.pump(context, call);
    }

    pub(super) fn stream_credit(&mut self, context: &mut Context, call: u64, elements: u32) {
        if let Some(running) = self.calls.get_mut(&call) {
            running.stream.credit += elements;
            self.pump(context, call);
        }
    }

    /// Sends elements while there is credit, and the end after the last.
    fn pump(&mut self, context: &mut Context, call: u64) {
        loop {
            let Some(running) = self.calls.get_mut(&call).filter(|r| &*r.frame.name == "count" && r.started) else {
                return;
            };
            let parts = Ask::read(&running.frame.payload).map_or(0, |ask| ask.parts);
            let stream = &mut running.stream;
            if stream.sent == parts {
                self.calls.remove(&call);
                return self.send(context, FunctionFrame::StreamEnd { call, error: None });
            }
            if stream.credit == 0 {
                return;
            }
            stream.credit -= 1;
            let payload = number(u64::from(stream.sent));
            stream.sent += 1;
            self.send(
                context,
                FunctionFrame::StreamElement { call, payload, effects: Vec::new(), metadata: Vec::new() },
            );
        }
    }

    pub(super) fn stream_input(&mut self, context: &mut Context, call: u64) {
        if let Some(running) = self.calls.get_mut(&call) {
            running.stream.gathered += 1;
            self.send(context, FunctionFrame::StreamInputCredit { call, elements: 1 });
        }
    }

    pub(super) fn stream_input_end(&mut self, context: &mut Context, call: u64) {
        if self.calls.get(&call).is_some_and(|running| running.started) {
            context.after(10, Event::HandlerEnds { session: self.id, call });
        }
    }

    /// Nobody waits any more: handlers of streams stop, others may.
    pub(super) fn cancel(&mut self, context: &mut Context, call: u64) {
        let Some(running) = self.calls.get_mut(&call).filter(|running| running.started) else { return };
        let error = Error::unavailable("cancelled");
        match &*running.frame.name {
            "count" => {
                self.calls.remove(&call);
                self.send(context, FunctionFrame::StreamEnd { call, error: Some(error) });
            }
            "gather" => {
                self.calls.remove(&call);
                let (result, effects) = (HandlerResult::Failed(error), Effects::default());
                let answer =
                    AnswerFrame { activation: 0, call, result, effects, activation_ended: false, metadata: Vec::new() };
                self.send(context, FunctionFrame::Answer(answer));
            }
            _ => running.stops = context.befalls(Fault::HandlerStops),
        }
    }
}
