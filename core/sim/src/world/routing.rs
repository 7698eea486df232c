// SPDX-License-Identifier: Apache-2.0
//! The driver's part: steps a loop, carries its outputs, and checks what may be checked on the way.

use std::collections::BTreeMap;

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_entity::{Call, CallId, Input, Output, SessionId};
use adjoin_model::{EntityId, Record, Sequence, ShardBatch, ShardId};

use super::World;
use crate::agenda::{Event, HostId, MS, Time};
use crate::host::{Edge, Host, Phase, Waiting};
use crate::mutant::Mutant;
use crate::plan::HEARS;
use crate::storage::{Asked, Purpose};
use crate::words::Ask;

/// The monotonic clock of hosts at time 0.
const MONO_BASE: u64 = 1_000_000;

/// Frames of one step, by session.
type Frames = BTreeMap<SessionId, Vec<HostFrame>>;

impl World {
    pub(super) fn step(&mut self, id: HostId, index: u8) {
        let host = &mut self.hosts[id];
        let paused = host.paused_until;
        let Some(slot) = host.loops.get_mut(usize::from(index)) else { return };
        if slot.step_at != Some(self.context.now) {
            return;
        }
        slot.step_at = None;
        if paused > self.context.now {
            return self.wake(id, index, paused);
        }
        let mut inputs = std::mem::take(&mut slot.inputs);
        let idle = inputs.is_empty();
        note_ends(host, &inputs);
        let (cancelled, gone) = (cancels(host, &inputs), sessions_gone(&inputs));
        let (now, mut outputs) = (self.context.clocks(), Vec::new());
        self.context.trace.line(self.context.now, "step", [id as u64, u64::from(index), inputs.len() as u64]);
        if self.context.trace.is_printed() {
            inputs.iter().for_each(|input| self.context.trace.remark(self.context.now, || format!("<- {input:?}")));
        }
        let slot = &mut self.hosts[id].loops[usize::from(index)];
        slot.machine.step(now, &mut inputs, &mut outputs);
        self.context.demand(inputs.is_empty(), || "a step left inputs behind".into());
        let quiet = idle && outputs.is_empty();
        let mut frames = Frames::new();
        for output in outputs {
            self.trace_output(&output);
            self.route(id, index, output, &mut frames);
        }
        frames.into_iter().for_each(|(session, frames)| self.send_frames(session, frames));
        // Until a loop has taken a cancel it may answer; from then on it may not.
        self.hosts[id].calls.retain(|call, waiting| !cancelled.contains(&(*call, waiting.hops)));
        // What it began in a session before it took the session's end has ended with it.
        gone.into_iter().for_each(|session| self.hosts[id].forget_session(session));
        self.note_stuck(id, index);
        self.after_step(id, index, quiet);
    }

    fn trace_output(&mut self, output: &Output) {
        self.context.trace.line(self.context.now, kind(output), [0; 3]);
        self.context.trace.remark(self.context.now, || format!("-> {output:?}"));
    }

    /// Plans the next step, and checks what is bounded.
    fn after_step(&mut self, id: HostId, index: u8, quiet: bool) {
        let most = self.context.plan.limits().calls;
        let Some(slot) = self.hosts[id].loops.get_mut(usize::from(index)) else { return };
        let status = slot.machine.status(u64::MAX);
        let wake = slot.machine.next_wake().map(|mono| mono.0.saturating_sub(MONO_BASE));
        let at_once = wake.is_some_and(|at| at <= self.context.now);
        slot.restless = if quiet && at_once { slot.restless + 1 } else { 0 };
        let restless = slot.restless;
        self.context.demand(restless < 100, || format!("loop {index} wants to be woken again and again for nothing"));
        self.context.demand(status.calls <= most, || format!("{} calls in a loop that takes {most}", status.calls));
        let limits = self.context.plan.limits();
        let (activating, activations) = (status.activating, limits.activations);
        let (entities, resident) = (status.entities, limits.resident);
        self.context.demand(entities <= resident, || format!("{entities} entities where {resident} may be resident"));
        self.context.demand(activating <= activations, || format!("{activating} activations at once"));
        if let Some(at) = wake {
            self.wake(id, index, at.max(self.context.now + 1));
        }
    }

    fn send_frames(&mut self, session: SessionId, frames: Vec<HostFrame>) {
        let delay = self.context.random.between(20, 200);
        let Some(open) = self.functions.sessions.get_mut(&session) else { return };
        open.to_function_at = open.to_function_at.max(self.context.now + delay);
        self.context.agenda.plan(open.to_function_at, Event::ToFunction { session, frames });
    }

    fn route(&mut self, id: HostId, index: u8, output: Output, frames: &mut Frames) {
        match output {
            Output::Reply { call, result, sent } => self.reply(id, call, result, sent),
            Output::Element { call, payload, sequence, .. } => self.element(id, call, payload, sequence),
            Output::End { call, error, .. } => self.end_of(id, call, error),
            Output::Forward(call) => self.forward(id, call),
            Output::Effect { effect, call } => {
                // An event is not what anybody asked for.
                match &*call.name {
                    HEARS => self.check_given(id, &call),
                    _ => self.effects.extend(Ask::read(&call.payload).map(|ask| ask.token)),
                }
                let name = self.hosts[id].name_call();
                self.enter(id, Call { id: name, ..call }, Edge::Loop { index, effect }, false);
            }
            Output::Frame { session, frame } => {
                self.note_frame(id, session, &frame);
                frames.entry(session).or_default().push(frame);
            }
            Output::Load { load, entity, request } => {
                self.submit(id, index, Purpose::Load(load), Asked::Load { entity, request });
            }
            Output::Write(batch) => self.write(id, index, batch),
            Output::Raise { shard, expected } => self.raise(id, index, shard, expected),
            Output::KeepSnapshot { entity, snapshot } => {
                self.check_durable(&entity, snapshot.sequence, "a snapshot is kept");
                self.submit(id, index, Purpose::Keep, Asked::Keep { entity, snapshot });
            }
            Output::Deliver { from, to, records } => {
                self.push(id, self.loop_of(to), Input::Deliver { from, to, records });
            }
            Output::Delivered { from, to, up_to } => {
                self.push(id, self.loop_of(from), Input::Delivered { from, to, up_to });
            }
            Output::Trim { shard, delivered } => {
                self.submit(id, index, Purpose::Keep, Asked::Trim { shard, delivered });
            }
            Output::ReadEvents { shard, consumer, from, max_bytes } => {
                let purpose = Purpose::Events { shard, consumer, from };
                self.submit(id, index, purpose, Asked::Events { shard, from, max_bytes });
            }
            Output::StreamInputCredit { .. } => {}
            Output::Drained => self.drained(id, index),
        }
    }

    fn loop_of(&self, shard: ShardId) -> u8 {
        (shard.0 % u32::from(self.context.plan.loops)) as u8
    }

    /// Puts a call into its loop.
    pub(super) fn enter(&mut self, id: HostId, call: Call, edge: Edge, streams: bool) {
        let turn = if let Edge::Loop { index, .. } = edge { u64::from(index) } else { call.id };
        let index = self.hosts[id].homes.of_call(&call.entity, turn);
        let entity = call.entity.clone();
        let (deadline, hops) = (call.deadline, call.hops);
        let waiting = Waiting { edge, index, entity, deadline, streams, untaken: false, gone: false, hops };
        let twice = self.hosts[id].calls.insert(call.id, waiting).is_some();
        self.context.demand(!twice, || format!("call {} is named twice", call.id));
        self.push(id, index, Input::Call(call));
    }

    fn forward(&mut self, id: HostId, call: Call) {
        let Some(waiting) = self.hosts[id].calls.remove(&call.id) else {
            return self.context.violate(|| format!("call {} is forwarded, but it is over", call.id));
        };
        let name = call.id;
        self.enter(id, call, waiting.edge, waiting.streams);
        if let Some(entered) = self.hosts[id].calls.get_mut(&name).filter(|_| waiting.gone) {
            entered.gone = true;
            let index = entered.index;
            self.push(id, index, Input::Cancel(name));
        }
    }

    fn write(&mut self, id: HostId, index: u8, batch: ShardBatch) {
        let shard = batch.shard;
        self.check_notes(&batch);
        let bytes: usize = batch.records.iter().map(Record::size).sum();
        let bound = self.context.plan.limits().batch_bytes;
        let sized = !batch.records.is_empty() && bytes <= bound;
        self.context.demand(sized, || format!("shard {shard}: a batch of {bytes} bytes, at most {bound} are taken"));
        if self.context.mutant == Some(Mutant::AcknowledgeBeforeAppend) {
            self.submit(id, index, Purpose::Keep, Asked::Write(batch));
            let input = adjoin_entity::ShardInput::Durable;
            return self.push(id, index, Input::Shard { shard, input });
        }
        let flying =
            self.requests.values().any(|pending| pending.host == id && pending.purpose == Purpose::Write(shard));
        self.context.demand(!flying, || format!("shard {shard}: two batches in flight"));
        self.submit(id, index, Purpose::Write(shard), Asked::Write(batch));
    }

    fn raise(&mut self, id: HostId, index: u8, shard: ShardId, expected: adjoin_model::Head) {
        let owner = self.hosts[id].owner;
        let raise = Asked::Raise { shard, expected, owner };
        match self.context.mutant {
            Some(Mutant::ReadBackOnly) => self.submit(id, index, Purpose::Raise(shard, None), Asked::Head(shard)),
            Some(Mutant::ReadBackFirst) => {
                let position = self.store.head(shard).position;
                self.submit(id, index, Purpose::Raise(shard, Some(position)), raise);
            }
            _ => self.submit(id, index, Purpose::Raise(shard, None), raise),
        }
    }

    /// What leaves must be on disk by now: of this command and of every earlier one of the entity.
    pub(super) fn check_durable(&mut self, entity: &EntityId, sequence: Sequence, what: &str) {
        let durable = self.store.durable_last(entity);
        self.context.demand(sequence <= durable, || {
            format!("{what} of {entity} at sequence {sequence}, but only {durable} are durable")
        });
    }

    /// An entity is active once at most, in one session.
    fn note_frame(&mut self, id: HostId, session: SessionId, frame: &HostFrame) {
        let host = &mut self.hosts[id];
        match frame {
            HostFrame::Command(command) if !command.query => {
                self.history.runs.insert(command.id, self.context.now);
            }
            HostFrame::Activate { activation, entity, .. } => {
                let twice = host.active.insert(entity.clone(), *activation);
                host.activations.insert(*activation, (entity.clone(), session));
                self.context.demand(twice.is_none(), || format!("{entity} is activated while it is active"));
            }
            HostFrame::Deactivate { activation } => host.forget_activation(*activation),
            _ => {}
        }
    }

    /// A host ends when every loop has said that nothing is under way, and no call is on its way to one.
    fn drained(&mut self, id: HostId, index: u8) {
        let host = &mut self.hosts[id];
        let asked = host.phase == Phase::Draining;
        host.loops[usize::from(index)].drained = true;
        let all = host.loops.iter().all(|slot| slot.drained);
        let open = host.calls.values().filter(|waiting| waiting.index == index).count();
        let under_way = host.loops[usize::from(index)].machine.status(u64::MAX).calls;
        self.context.demand(asked, || format!("loop {index} is drained, which nobody asked"));
        self.context.demand(under_way == 0, || format!("loop {index} is drained with {under_way} calls under way"));
        if all && open == 0 && host.calls.is_empty() {
            self.context.after(MS, Event::HostDies { host: id });
        }
    }

    /// When a loop's time is in the world's time.
    pub(super) fn time_of(mono: adjoin_model::Mono) -> Time {
        mono.0.saturating_sub(MONO_BASE)
    }
}

/// Activations that have ended by what a loop is about to take.
fn note_ends(host: &mut Host, inputs: &[Input]) {
    for input in inputs {
        match input {
            Input::Frame { frame: FunctionFrame::ActivationFailed { activation, .. }, .. } => {
                host.forget_activation(*activation);
            }
            Input::Frame { frame: FunctionFrame::Answer(answer), .. } if answer.activation_ended => {
                host.forget_activation(answer.activation);
            }
            Input::SessionDown { session, .. } => host.forget_session(*session),
            _ => {}
        }
    }
}

/// Calls that nobody waits for any more once these inputs are taken.
fn cancels(host: &Host, inputs: &[Input]) -> Vec<(CallId, u32)> {
    let call = |input: &Input| if let Input::Cancel(call) = input { Some(*call) } else { None };
    let known = |call| Some((call, host.calls.get(&call)?.hops));
    inputs.iter().filter_map(call).filter_map(known).collect()
}

fn sessions_gone(inputs: &[Input]) -> Vec<SessionId> {
    let gone = |input: &Input| if let Input::SessionDown { session, .. } = input { Some(*session) } else { None };
    inputs.iter().filter_map(gone).collect()
}

fn kind(output: &Output) -> &'static str {
    match output {
        Output::Reply { .. } => "reply",
        Output::Element { .. } => "element",
        Output::StreamInputCredit { .. } => "credit",
        Output::End { .. } => "end",
        Output::Forward(_) => "forward",
        Output::Effect { .. } => "effect",
        Output::Frame { .. } => "frame",
        Output::Load { .. } => "load",
        Output::Write(_) => "write",
        Output::Raise { .. } => "raise",
        Output::KeepSnapshot { .. } => "keep",
        Output::Deliver { .. } => "deliver",
        Output::Delivered { .. } => "delivered",
        Output::Trim { .. } => "trim",
        Output::ReadEvents { .. } => "events",
        Output::Drained => "drained",
    }
}
