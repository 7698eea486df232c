// SPDX-License-Identifier: Apache-2.0
//! One session, from the function's side: frames in, frames out, and what the host owes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use adjoin_entity::SessionId;
use adjoin_entity::frame::{ActivationId, CommandFrame, FunctionFrame, HostFrame};
use adjoin_entity::spec::Spec;

use super::Seen;
use super::activation::{Activation, takes};
use super::stream::Stream;
use crate::agenda::{Event, HostId, MS, ProcessId, Time};
use crate::context::Context;
use crate::fault::Fault;

/// A handler that is to run, or runs.
pub(crate) struct Running {
    pub(crate) frame: CommandFrame,
    pub(crate) started: bool,
    /// Nobody waits for it any more, and it noticed.
    pub(crate) stops: bool,
    pub(crate) stream: Stream,
}

/// A session.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) host: HostId,
    pub(crate) process: ProcessId,
    /// What the host was told when it opened.
    pub(super) spec: Arc<Spec>,
    /// The function's side of it is there.
    pub(crate) open: bool,
    pub(super) activations: BTreeMap<ActivationId, Activation>,
    /// Activations that have ended: frames for them may still be on their way.
    pub(super) over: BTreeSet<ActivationId>,
    pub(super) calls: BTreeMap<u64, Running>,
    seen_calls: BTreeSet<u64>,
    /// When the last frames on their way arrive: a session keeps their order.
    pub(crate) to_function_at: Time,
    to_host_at: Time,
}

impl Session {
    pub(super) fn new(id: SessionId, host: HostId, process: ProcessId, spec: Arc<Spec>) -> Self {
        Self {
            id,
            host,
            process,
            spec,
            open: true,
            activations: BTreeMap::new(),
            over: BTreeSet::new(),
            calls: BTreeMap::new(),
            seen_calls: BTreeSet::new(),
            to_function_at: 0,
            to_host_at: 0,
        }
    }

    pub(super) fn close(&mut self) {
        self.open = false;
        self.activations.clear();
        self.calls.clear();
    }

    /// Sends a frame to the host.
    pub(super) fn send(&mut self, context: &mut Context, frame: FunctionFrame) {
        let arrives = (context.now + context.random.between(20, 200)).max(self.to_host_at);
        self.to_host_at = arrives;
        context.agenda.plan(arrives, Event::ToHost { session: self.id, frames: vec![frame] });
    }

    pub(super) fn take(&mut self, context: &mut Context, seen: &mut Seen<'_>, frame: HostFrame) {
        match frame {
            HostFrame::Activate { activation, entity, epoch, sequence, state } => {
                self.check_epoch(context, seen, &entity, epoch);
                self.activate(context, activation, entity, (sequence, state));
            }
            HostFrame::Replay { activation, events, last } => self.replay(context, seen, activation, (&events, last)),
            HostFrame::Command(command) => self.command(context, seen, command),
            HostFrame::StreamInput { call, .. } => self.stream_input(context, call),
            HostFrame::StreamInputEnd { call } => self.stream_input_end(context, call),
            HostFrame::StreamCredit { call, elements } => self.stream_credit(context, call, elements),
            HostFrame::Cancel { call } => self.cancel(context, call),
            HostFrame::Deactivate { activation } => self.deactivate(context, activation),
            // The driver's business; handlers of the simulation call nobody.
            HostFrame::CallAnswer { .. } => {}
        }
    }

    fn command(&mut self, context: &mut Context, seen: &mut Seen<'_>, frame: CommandFrame) {
        let id = self.id;
        context.demand(self.seen_calls.insert(frame.call), || format!("session {id}: call {} named twice", frame.call));
        if frame.activation != 0 && self.over.contains(&frame.activation) {
            return;
        }
        if let Some(entity) = &frame.entity {
            self.check_type(context, entity.entity_type());
        }
        self.check_attempt(context, seen, &frame);
        self.check_turn(context, &frame);
        self.check_snapshot(context, &frame);
        self.check_credit(context, &frame);
        let (call, activation) = (frame.call, frame.activation);
        let query = frame.query;
        self.calls.insert(call, Running { frame, started: false, stops: false, stream: Stream::default() });
        match self.activations.get_mut(&activation) {
            Some(_) if query => self.start(context, seen, call),
            Some(entity) => {
                entity.queue.push_back(call);
                self.start_next(context, seen, activation);
            }
            None => self.start(context, seen, call),
        }
    }

    /// Starts the next command of an activation, unless one runs.
    pub(super) fn start_next(&mut self, context: &mut Context, seen: &mut Seen<'_>, activation: ActivationId) {
        let Some(entity) = self.activations.get_mut(&activation) else { return };
        if entity.busy {
            return;
        }
        if let Some(call) = entity.queue.pop_front() {
            entity.busy = true;
            self.start(context, seen, call);
        }
    }

    fn start(&mut self, context: &mut Context, seen: &mut Seen<'_>, call: u64) {
        let Some(running) = self.calls.get_mut(&call) else { return };
        if context.befalls(Fault::FunctionHang) {
            // Somebody notices sooner or later, as a liveness probe would.
            seen.process.hung = true;
            let killed = Event::ProcessKilled { process: self.process, boot: seen.process.boot };
            let noticed = context.random.between(1000, 20_000) * MS;
            context.after(noticed, killed);
            return;
        }
        running.started = true;
        if &*running.frame.name == "count" || &*running.frame.name == "gather" {
            return self.stream_starts(context, call);
        }
        let takes = takes(context, seen);
        context.after(takes, Event::HandlerEnds { session: self.id, call });
    }

    fn deactivate(&mut self, context: &mut Context, activation: ActivationId) {
        let id = self.id;
        let known = self.activations.remove(&activation).is_some();
        let first = self.over.insert(activation);
        context.demand(known || !first, || format!("session {id}: deactivates {activation}, which never was"));
        self.calls.retain(|_, running| running.frame.activation != activation);
    }
}
