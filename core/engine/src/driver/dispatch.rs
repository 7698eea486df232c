// SPDX-License-Identifier: Apache-2.0
//! Outputs are carried out.

use adjoin_entity::frame::HostFrame;
use adjoin_entity::{Call, EffectId, Input, Output, SessionId};
use adjoin_model::{Mono, Now, ShardId};

use super::Driver;
use super::edges::Sent;
use crate::elements::Element;
use crate::message::{Edge, Message, Waiting};
use crate::readers::Job;
use crate::responder::{Delivery, Responder};

impl Driver {
    pub(super) fn dispatch(&mut self, now: Mono) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            self.carry_out(output, now);
        }
        self.outputs = outputs;
    }

    fn carry_out(&mut self, output: Output, now: Mono) {
        let index = self.index;
        match output {
            Output::Reply { call, result, sent } => self.end(call, Delivery::Reply(result), sent, now),
            Output::End { call, error, sent } => self.end(call, Delivery::End(error), sent, now),
            Output::Element { call, payload, sequence, metadata } => {
                match self.edges.element(call, Element { payload, sequence, metadata }) {
                    Sent::Listened => {}
                    Sent::Taken => self.inputs.push(Input::Taken { call, elements: 1 }),
                    Sent::Deaf => self.inputs.push(Input::Cancel(call)),
                }
            }
            Output::StreamInputCredit { call, elements } => self.edges.input_credit(call, elements),
            Output::Forward(call) => self.forward(call, now),
            Output::Effect { effect, call } => self.effect(effect, call, now),
            Output::Frame { session, frame } => self.frame(session, frame),
            Output::Load { load, entity, request } => {
                self.traces.load(load, &entity);
                self.ports.asks.send(Job::Load { home: index, load, entity, request });
            }
            Output::Write(batch) => self.ports.writes.send(index, batch),
            Output::Raise { shard, expected } => self.ports.asks.send(Job::Raise { home: index, shard, expected }),
            Output::KeepSnapshot { entity, snapshot } => self.ports.asks.send(Job::Keep { entity, snapshot }),
            Output::Deliver { from, to, records } => self.tell(to, Input::Deliver { from, to, records }),
            Output::Delivered { from, to, up_to } => self.tell(from, Input::Delivered { from, to, up_to }),
            Output::Trim { shard, delivered } => self.ports.asks.send(Job::Trim { shard, delivered }),
            Output::ReadEvents { shard, consumer, from, max_bytes } => {
                self.ports.asks.send(Job::Events { home: index, shard, consumer, from, max_bytes });
            }
            Output::Drained => {
                self.drained = true;
                self.drains.drain(..).for_each(|done| done.send(()).unwrap_or_default());
            }
        }
    }

    /// Says something to the loop of a shard, which may be this one.
    fn tell(&mut self, shard: ShardId, input: Input) {
        let home = self.ports.shared.home_of(shard);
        if home == self.index {
            return self.inputs.push(input);
        }
        // A loop that has stopped has the whole engine stop.
        drop(self.ports.shared.send(home, Message::Input(input)));
    }

    fn end(&mut self, call: u64, delivery: Delivery, sent: u32, now: Mono) {
        if let Some(answer) = self.orders.remove(&call) {
            let result = if let Delivery::Reply(Err(error)) = delivery { Err(error) } else { Ok(()) };
            // Whoever asked and left does not want to know.
            return drop(answer.send(result));
        }
        let Some((waiting, meter)) = self.edges.take(call) else { return };
        let error = match &delivery {
            Delivery::Reply(result) => result.as_ref().err(),
            Delivery::End(error) => error.as_ref(),
            Delivery::Element { .. } | Delivery::InputCredit(_) => None,
        };
        self.meter.ended(meter, error, now.since(waiting.since));
        self.traces.ended(call, &waiting.span, error);
        self.edges.answer(waiting, delivery, sent);
    }

    /// The call goes on at another entity, with the same edge waiting.
    fn forward(&mut self, call: Call, now: Mono) {
        self.traces.left(call.id);
        let waiting = match self.edges.take(call.id) {
            Some((waiting, _)) => waiting,
            None => self.nobody(&call, now),
        };
        self.route(call, waiting);
    }

    fn effect(&mut self, effect: Option<EffectId>, mut call: Call, now: Mono) {
        let shared = &self.ports.shared;
        call.id = shared.call_id(shared.home(&call.entity, u64::from(self.index)));
        let mut waiting = self.nobody(&call, now);
        if let Some(effect) = effect {
            waiting.edge = Edge::Effect { home: self.index, effect };
        }
        self.route(call, waiting);
    }

    fn nobody(&self, call: &Call, now: Mono) -> Waiting {
        Waiting {
            edge: Edge::Responder(Responder::Nobody),
            since: now,
            upstream: None,
            span: super::call_span(call),
            permit: self.ports.shared.admission.inner_call(call.payload.size(), false),
        }
    }

    fn route(&mut self, call: Call, waiting: Waiting) {
        // What any loop serves stays in this one.
        let home = self.ports.shared.home(&call.entity, u64::from(self.index));
        if home == self.index {
            return self.take_call(call, waiting);
        }
        // A loop that has stopped has the whole engine stop.
        drop(self.ports.shared.send(home, Message::Call(call, waiting)));
    }

    fn frame(&mut self, session: SessionId, frame: HostFrame) {
        if let HostFrame::Command(command) = &frame {
            self.traces.sent(command);
        }
        // A session that has just ended takes no frames: the machine is told with the next step.
        if let Some(sink) = self.sinks.iter_mut().find(|sink| sink.session == session) {
            sink.frames.push(frame);
        }
    }

    /// What this step has for functions and queues leaves, one batch each.
    pub(super) fn flush(&mut self) {
        self.edges.flush();
        let inputs = &mut self.inputs;
        self.sinks.retain_mut(|sink| {
            let frames = std::mem::take(&mut sink.frames);
            let alive = frames.is_empty() || sink.sink.send(frames).is_ok();
            if !alive {
                inputs.push(Input::SessionDown { session: sink.session, orderly: false });
            }
            alive
        });
    }

    pub(super) fn sweep(&mut self, now: Now) {
        if self.next_sweep.is_some_and(|at| at <= now.mono) {
            self.next_sweep = Some(now.mono.plus_ms(self.ports.sweep_every_ms));
            self.ports.asks.send(Job::Sweep { now: now.wall });
        }
    }
}
