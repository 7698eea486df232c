// SPDX-License-Identifier: Apache-2.0
//! What clients do: ask, wait, ask again, watch, hang up.

use adjoin_entity::spec::EntityKind;
use adjoin_model::{Kind, Payload, Sequence};

use super::World;
use crate::agenda::{Event, MS, Time};
use crate::client::{Habit, choose};
use crate::fault::Fault;
use crate::history::{Action, AttemptId, Ending, Operation, OperationId, Seen, command_id};
use crate::words::State;

/// Tries beyond the first.
const RETRIES: u8 = 5;
/// The longest pause before one.
const LONGEST_PAUSE: Time = 1000 * MS;
/// So many of its keys a client may use again.
const RECENT: usize = 30;

impl World {
    pub(super) fn client_acts(&mut self, client: usize) {
        match self.clients[client].habit {
            Habit::Watches => self.open_watch(client),
            Habit::OnDemand => {}
            _ if self.context.healing => {}
            Habit::Closed(_) => self.ask_something(client),
            Habit::Open(pause) => {
                self.ask_something(client);
                let next = self.context.random.around(pause);
                self.context.after(next, Event::ClientActs { client });
            }
        }
    }

    /// Asks a random thing.
    pub(super) fn ask_something(&mut self, client: usize) {
        if self.context.plan.forgets_keys() && self.context.random.chance(1000) && self.reuse_old_key(client) {
            return;
        }
        let (subject, action) = choose(&mut self.context);
        // A forward whose caller has left goes on without a deadline, and so perhaps for longer than its key lasts.
        let lasts = self.context.plan.key_lasts().is_none() || action.forwarded_to().is_none();
        let keyed = self.context.random.chance(3000) && lasts && action != Action::Poison;
        let matches = self.context.random.chance(1500) && action.children() == [crate::words::NOBODY; 2];
        let single = self.context.plan.subjects[subject].kind != EntityKind::Action;
        let operation = Operation {
            if_match: (matches && single).then_some(self.clients[client].known[subject]),
            key: (keyed && single && !action.reads()).then_some(self.history.operations.len() as u64),
            pad: self.context.random.pick(&[0, 0, 0, 20, 100]),
            ..self.operation(client, subject, action)
        };
        let id = self.ask(operation);
        self.maybe_reuse_key(id);
    }

    fn operation(&self, client: usize, subject: usize, action: Action) -> Operation {
        let token = (self.history.operations.len() as u64 + 1) << 8;
        let pad = if action == Action::Huge { 2000 } else { 0 };
        Operation {
            client,
            subject,
            action,
            token,
            pad,
            key: None,
            if_match: None,
            attempts: Vec::new(),
            retries_left: RETRIES,
            forgotten: false,
        }
    }

    /// Begins an operation that must succeed; returns its attempt.
    pub(super) fn ask_now(&mut self, subject: usize, action: Action, later: Time) -> AttemptId {
        let client = self.clients.len() - 1;
        let operation = self.history.operations.len();
        let asked = Operation { retries_left: 0, ..self.operation(client, subject, action) };
        self.history.operations.push(asked);
        self.send(operation, Some(5_000), later)
    }

    fn ask(&mut self, mut operation: Operation) -> OperationId {
        if operation.action == Action::Huge {
            operation.pad = 2000;
        }
        if !self.context.plan.retries {
            operation.retries_left = 0;
        }
        let (id, keyed) = (self.history.operations.len(), operation.key.is_some());
        if keyed && matches!(operation.action, Action::Append { .. } | Action::Set) {
            self.clients[operation.client].keyed.push(id);
        }
        self.history.operations.push(operation);
        self.try_once(id, 0);
        if keyed && self.context.befalls(Fault::Duplicate) {
            let later = self.context.random.below(20 * MS);
            self.try_once(id, later);
        }
        id
    }

    /// Sends the key of an operation with another command: at most one of them may have its effect.
    fn maybe_reuse_key(&mut self, id: OperationId) {
        let first = self.history.operations[id].clone();
        let writes = matches!(first.action, Action::Append { .. } | Action::Set);
        if first.key.is_some() && writes && self.context.befalls(Fault::KeyReused) {
            let token = (self.history.operations.len() as u64 + 1) << 8;
            let other = Operation { token, attempts: Vec::new(), retries_left: 0, forgotten: true, ..first };
            self.history.operations.push(other);
            let later = self.context.random.below(200 * MS);
            self.try_once(id + 1, later);
        }
    }

    /// Sends a key of long ago with another command, if there is one; whether that one has its effect depends on what
    /// became of the record.
    fn reuse_old_key(&mut self, client: usize) -> bool {
        let keyed = &self.clients[client].keyed;
        let Some(recent) = keyed.len().checked_sub(1).map(|last| last.min(RECENT)) else { return false };
        let id = keyed[keyed.len() - 1 - self.context.random.index(recent + 1)];
        if self.history.is_open(id) {
            return false;
        }
        let first = self.history.operations[id].clone();
        let fault = self.fate_of_key(&first);
        self.context.count(fault);
        let fresh = self.operation(client, first.subject, first.action);
        self.ask(Operation { key: first.key, pad: first.pad, ..fresh });
        true
    }

    /// What has become of the record of a key, as the store and the clock say.
    fn fate_of_key(&self, operation: &Operation) -> Fault {
        let row = self.store.row(&self.context.plan.subjects[operation.subject].id);
        let dedups = row.map_or(&[][..], |row| &row.dedups);
        let its = |command| operation.attempts.iter().any(|attempt| command_id(*attempt) == command);
        let Some(place) = dedups.iter().position(|(command, _)| its(*command)) else { return Fault::KeyReused };
        if dedups[place].1.expires <= self.context.clocks().wall {
            return Fault::KeyExpired;
        }
        let others = crate::store::keys_after(dedups, place).count();
        if others >= self.context.plan.limits().dedup_records { Fault::KeyEvicted } else { Fault::KeyReused }
    }

    /// For how much longer a client may go on with the key of an operation, so many microseconds from now.
    fn key_lasts(&self, operation: OperationId, later: Time) -> Option<Time> {
        let operation = &self.history.operations[operation];
        operation.key.filter(|_| self.context.plan.retries)?;
        let first = operation.attempts.first().map_or(self.context.now, |first| self.history.attempts[*first].sent_at);
        let over = first + self.context.plan.key_lasts()?;
        Some(over.saturating_sub(self.context.now + later))
    }

    /// Sends an operation with the deadline and the patience of its client.
    fn try_once(&mut self, operation: OperationId, later: Time) {
        let deadline_ms = if self.context.befalls(Fault::ShortDeadline) {
            Some(self.context.random.between(1, 30))
        } else {
            self.context.random.chance(4000).then(|| self.context.random.between(100, 10_000))
        };
        let lasts_ms = self.key_lasts(operation, later).map(|lasts| lasts / MS);
        let deadline_ms = deadline_ms.into_iter().chain(lasts_ms).min();
        let attempt = self.send(operation, deadline_ms, later);
        if !self.context.healing && self.context.random.chance(self.context.plan.chance(Fault::ClientGone)) {
            let gone = later + self.context.random.below(50 * MS);
            self.context.after(gone, Event::HangsUp { attempt });
        }
    }

    fn send(&mut self, operation: OperationId, deadline_ms: Option<u64>, later: Time) -> AttemptId {
        let sent = self.context.next_order();
        let attempt = self.history.begin(operation, (sent, self.context.now), deadline_ms);
        let arrives = later + self.context.random.between(50, 300);
        self.context.after(arrives, Event::CallArrives { attempt });
        attempt
    }

    pub(super) fn retries(&mut self, operation: OperationId) {
        self.context.count(Fault::Retry);
        self.try_once(operation, 0);
    }

    /// A client sees how an attempt ended.
    pub(super) fn answer_arrives(&mut self, attempt: AttemptId, ending: Ending) {
        if self.history.attempts[attempt].ending != Ending::Open {
            return;
        }
        let order = self.context.next_order();
        let its = &mut self.history.attempts[attempt];
        (its.done, its.done_at, its.ending) = (Some(order), self.context.now, ending.clone());
        let id = its.operation;
        self.trace_ending(attempt, &ending);
        let lasts = self.key_lasts(id, LONGEST_PAUSE).is_none_or(|lasts| lasts > 10 * MS);
        let operation = &mut self.history.operations[id];
        let stale = operation.if_match.is_some() && matches!(ending, Ending::Failed { kind: Kind::Conflict, .. });
        let again = operation.key.is_some() && operation.retries_left > 0 && ending.is_retried() && lasts;
        operation.retries_left = operation.retries_left.saturating_sub(u8::from(again));
        let (client, subject, action) = (operation.client, operation.subject, operation.action);
        if let Ending::Reply { sequence, .. } = ending
            && action.forwarded_to().is_none()
        {
            let known = &mut self.clients[client].known[subject];
            *known = sequence.max(*known);
        }
        if stale {
            self.context.count(Fault::StaleMatch);
        }
        if again {
            let pause = self.context.random.between(20 * MS, LONGEST_PAUSE);
            return self.context.after(pause, Event::Retries { operation: id });
        }
        self.over(client, id);
    }

    fn trace_ending(&mut self, attempt: AttemptId, ending: &Ending) {
        let word = match ending {
            Ending::Open => 0,
            Ending::Reply { sequence, .. } => 1 << 32 | sequence,
            Ending::Failed { kind, outcome, .. } => 2 << 32 | (*kind as u64) << 1 | *outcome as u64,
            Ending::Broken => 3 << 32,
            Ending::Over { well } => 4 << 32 | u64::from(*well),
        };
        self.context.trace.line(self.context.now, "ending", [attempt as u64, word, 0]);
        self.context.trace.remark(self.context.now, || format!("attempt {attempt}: {ending:?}"));
    }

    /// An operation is over for its client, unless another attempt at it is open.
    fn over(&mut self, client: usize, operation: OperationId) {
        if self.history.is_open(operation) || std::mem::replace(&mut self.history.operations[operation].forgotten, true)
        {
            return;
        }
        let pause = match self.clients[client].habit {
            Habit::Closed(pause) => pause,
            Habit::Watches => 200 * MS,
            Habit::Open(_) | Habit::OnDemand => return,
        };
        let next = self.context.random.around(pause);
        self.context.after(next, Event::ClientActs { client });
    }

    /// Opens a watch where the last one of that entity ended, or anew.
    fn open_watch(&mut self, client: usize) {
        let watched: Vec<usize> = (0..self.context.plan.subjects.len())
            .filter(|subject| self.context.plan.subjects[*subject].kind != EntityKind::Action)
            .collect();
        let subject = self.context.random.pick(&watched);
        let known = self.clients[client].known[subject];
        let after = (known > 0 && self.context.random.chance(5000)).then_some(known);
        let operation = self.history.operations.len();
        let asked = Operation { retries_left: 0, ..self.operation(client, subject, Action::Watch { after }) };
        self.history.operations.push(asked);
        let attempt = self.send(operation, None, 0);
        if !self.context.healing {
            let patience = self.context.random.between(1000, 30_000) * MS;
            self.context.after(patience, Event::HangsUp { attempt });
        }
    }

    /// A client sees an element of a watch or a stream, and says after a while that it has taken it.
    pub(super) fn element_arrives(&mut self, attempt: AttemptId, payload: Option<Payload>, sequence: Sequence) {
        if self.history.attempts[attempt].ending != Ending::Open {
            return;
        }
        let order = self.context.next_order();
        let count = self.history.attempts[attempt].seen.len() as u64;
        let (client, subject) = {
            let operation = self.history.operation_of(attempt);
            (operation.client, operation.subject)
        };
        if matches!(self.history.operation_of(attempt).action, Action::Count { .. }) {
            let right = payload.as_ref().is_some_and(|payload| *payload.data == count.to_le_bytes());
            self.context.demand(right, || format!("element {count} of a stream is {payload:?}"));
        } else {
            self.clients[client].known[subject] = self.clients[client].known[subject].max(sequence);
        }
        let state = payload.as_ref().and_then(State::read);
        self.history.attempts[attempt].seen.push(Seen { order, sequence, state });
        if let Some((host, call)) = self.history.attempts[attempt].at {
            let takes = if self.context.random.chance(8000) { 200 } else { self.context.random.between(1, 500) * MS };
            self.context.after(takes, Event::Taken { attempt, call, host });
        }
    }
}
