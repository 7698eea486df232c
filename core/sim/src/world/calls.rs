// SPDX-License-Identifier: Apache-2.0
//! Calls between clients and hosts: in, and their answers out again.

use adjoin_entity::{Call, CallId, Input, Operation, Reply};
use adjoin_model::{Error, Kind, Outcome, Payload, Result, Sequence};

use super::World;
use crate::agenda::{Event, HostId, MS};
use crate::fault::Fault;
use crate::history::{Action, AttemptId, Ending, command_id};
use crate::host::Edge;
use crate::words::State;

/// How late a deadline may be noticed: a loop that is not paused is stepped as soon as it asked for.
const SLACK: u64 = 5 * MS;

impl World {
    /// A call reaches the node: the incarnation that serves takes it.
    pub(super) fn call_arrives(&mut self, attempt: AttemptId) {
        if self.history.attempts[attempt].ending != Ending::Open {
            return;
        }
        let Some(host) = self.serving() else {
            let error = Error::unavailable("nobody listens");
            return self.tell_client(attempt, failed(&error));
        };
        let call = self.call_of(host, attempt);
        let operation = self.history.operation_of(attempt);
        let streams = matches!(operation.action, Action::Watch { .. } | Action::Count { .. });
        let gathers = match operation.action {
            Action::Gather { parts } => Some(parts),
            _ => None,
        };
        self.history.attempts[attempt].at = Some((host, call.id));
        self.context.trace.line(self.context.now, "call", [attempt as u64, host as u64, call.id]);
        self.enter(host, call, Edge::Client(attempt), streams);
        if let Some(left) = gathers {
            self.context.after(50, Event::StreamInput { attempt, left });
        }
    }

    fn call_of(&mut self, host: HostId, attempt: AttemptId) -> Call {
        let id = self.hosts[host].name_call();
        let operation = self.history.operation_of(attempt);
        let deadline_ms = self.history.attempts[attempt].deadline_ms;
        Call {
            id,
            command: command_id(attempt),
            entity: self.context.plan.subjects[operation.subject].id.clone(),
            name: operation.action.command().into(),
            payload: operation.payload(),
            caller: self.clients[operation.client].name.clone(),
            metadata: Vec::new(),
            chain: Vec::new(),
            hops: 0,
            wrote: false,
            idempotency_key: operation.sent_key(),
            if_match: operation.if_match,
            deadline: deadline_ms.map(|ms| self.context.clocks().mono.plus_ms(ms)),
            operation: match operation.action {
                Action::Watch { after } => Operation::Watch { after },
                Action::State => Operation::State,
                Action::Delete => Operation::Delete,
                _ => Operation::Run,
            },
            inbox: None,
            sent: None,
        }
    }

    /// A call is answered.
    pub(super) fn reply(&mut self, id: HostId, call: CallId, result: Result<Reply>, sent: u32) {
        if let Some(order) = self.hosts[id].orders.remove(&call) {
            return self.order_answered(id, order, result);
        }
        let Some(waiting) = self.hosts[id].calls.remove(&call) else {
            return self.context.violate(|| format!("call {call} is answered, but it is over: {result:?}"));
        };
        let sound = !waiting.streams || result.is_err();
        self.context.demand(sound, || format!("call {call} streams and is answered: {result:?}"));
        self.check_deadline(id, call, waiting.deadline);
        match &result {
            Ok(reply) => self.check_durable(&waiting.entity, reply.sequence, "a reply"),
            Err(error) => self.context.demand(!error.message.is_empty(), || format!("call {call}: an empty error")),
        }
        match waiting.edge {
            Edge::Client(attempt) => self.deliver(id, attempt, result),
            Edge::Loop { index, effect: Some(effect) } => {
                self.push(id, index, Input::EffectDone { effect, result, sent });
            }
            Edge::Loop { effect: None, .. } => {}
        }
    }

    /// Nobody is kept waiting beyond the deadline, unless the whole host was paused.
    fn check_deadline(&mut self, id: HostId, call: CallId, deadline: Option<adjoin_model::Mono>) {
        let Some(deadline) = deadline.map(Self::time_of) else { return };
        let due = deadline.max(self.hosts[id].paused_until) + SLACK;
        let now = self.context.now;
        self.context.demand(now <= due, || format!("call {call} is answered {} µs after its deadline", now - deadline));
    }

    fn deliver(&mut self, id: HostId, attempt: AttemptId, result: Result<Reply>) {
        let ending = match &result {
            Ok(reply) => Ending::Reply {
                state: reply.payload.as_ref().and_then(State::read),
                sequence: reply.sequence,
                replayed: reply.replayed,
            },
            Err(error) => failed(error),
        };
        self.check_stream_reply(attempt, &result);
        let wrote = self.history.operation_of(attempt).action.writes() != crate::history::Writes::Nothing;
        let reads = match &ending {
            Ending::Reply { .. } => !wrote,
            Ending::Failed { shown, kind, .. } => shown.is_some() || *kind == Kind::Conflict || *kind == Kind::NotFound,
            Ending::Open | Ending::Broken | Ending::Over { .. } => false,
        };
        // What a deposed host reads may be old: the lease of rule 4 will keep it from saying so.
        let ending = if self.hosts[id].deposed && reads { Ending::Broken } else { ending };
        self.tell_client(attempt, ending);
    }

    /// A handler that gathers must have been given every element.
    fn check_stream_reply(&mut self, attempt: AttemptId, result: &Result<Reply>) {
        let Action::Gather { parts } = self.history.operation_of(attempt).action else { return };
        let Ok(Reply { payload: Some(payload), .. }) = result else { return };
        let sent = u64::from(parts).to_le_bytes();
        self.context.demand(*payload.data == sent, || format!("a stream of {parts} elements arrived as {payload:?}"));
    }

    /// One element of a watch or a stream.
    pub(super) fn element(&mut self, id: HostId, call: CallId, payload: Option<Payload>, sequence: Sequence) {
        let Some(waiting) = self.hosts[id].calls.get_mut(&call) else {
            return self.context.violate(|| format!("call {call} gets an element, but it is over"));
        };
        let (streams, untaken, entity) = (waiting.streams, waiting.untaken, waiting.entity.clone());
        let edge = waiting.edge;
        let watch = sequence > 0;
        waiting.untaken = watch;
        self.context.demand(streams, || format!("call {call} gets an element, but it does not stream"));
        self.context.demand(!(watch && untaken), || format!("watch {call} gets an element before the last was taken"));
        self.check_durable(&entity, sequence, "a watch element");
        if let Edge::Client(attempt) = edge
            && !self.hosts[id].deposed
        {
            let arrives = self.arrival(attempt);
            self.context.agenda.plan(arrives, Event::ElementArrives { attempt, payload, sequence });
        }
    }

    /// A watch or a stream is over.
    pub(super) fn end_of(&mut self, id: HostId, call: CallId, error: Option<Error>) {
        let Some(waiting) = self.hosts[id].calls.remove(&call) else {
            return self.context.violate(|| format!("call {call} ends, but it is over: {error:?}"));
        };
        self.context.demand(waiting.streams, || format!("call {call} ends, but it does not stream"));
        if let Edge::Client(attempt) = waiting.edge {
            let deposed = self.hosts[id].deposed;
            self.tell_client(attempt, if deposed { Ending::Broken } else { Ending::Over { well: error.is_none() } });
        }
    }

    /// Sends an ending to its client.
    pub(crate) fn tell_client(&mut self, attempt: AttemptId, ending: Ending) {
        let arrives = self.arrival(attempt);
        self.context.agenda.plan(arrives, Event::AnswerArrives { attempt, ending: Box::new(ending) });
    }

    fn arrival(&mut self, attempt: AttemptId) -> u64 {
        let soon = self.context.now + self.context.random.between(50, 300);
        let arrives = &mut self.history.attempts[attempt].arrives;
        *arrives = soon.max(*arrives);
        *arrives
    }

    /// A client hangs up; the host is told, if the call got there.
    pub(super) fn hangs_up(&mut self, attempt: AttemptId) {
        if self.history.attempts[attempt].ending != Ending::Open {
            return;
        }
        self.context.count(Fault::ClientGone);
        if let Some((host, call)) = self.history.attempts[attempt].at
            && let Some(waiting) = self.hosts[host].calls.get_mut(&call)
        {
            waiting.gone = true;
            let index = waiting.index;
            self.push(host, index, Input::Cancel(call));
        }
        self.answer_arrives(attempt, Ending::Broken);
    }

    /// A client has taken an element.
    pub(super) fn taken(&mut self, attempt: AttemptId, call: CallId, host: HostId) {
        if self.history.attempts[attempt].at != Some((host, call)) {
            return;
        }
        if let Some(waiting) = self.hosts[host].calls.get_mut(&call) {
            waiting.untaken = false;
            let index = waiting.index;
            self.push(host, index, Input::Taken { call, elements: 1 });
        }
    }

    /// A client sends one element of its stream, or its end.
    pub(super) fn stream_input(&mut self, attempt: AttemptId, left: u16) {
        let Some((host, call)) = self.history.attempts[attempt].at else { return };
        let Some(index) = self.hosts[host].calls.get(&call).map(|waiting| waiting.index) else { return };
        if left == 0 {
            return self.push(host, index, Input::StreamInputEnd { call });
        }
        self.push(host, index, Input::StreamInput { call, payload: Payload::new("Element", vec![1]) });
        let pause = self.context.random.between(10, 2000);
        self.context.after(pause, Event::StreamInput { attempt, left: left - 1 });
    }
}

fn failed(error: &Error) -> Ending {
    Ending::Failed {
        kind: error.kind,
        outcome: error.outcome,
        shown: State::of_refusal(error),
        message: error.to_string(),
    }
}

/// What may be said of an outcome: only `none` promises something.
pub(crate) fn promises_nothing_written(ending: &Ending) -> bool {
    matches!(ending, Ending::Failed { outcome: Outcome::None, .. })
}
