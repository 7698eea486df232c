// SPDX-License-Identifier: Apache-2.0
//! The second phase: faults end, and progress is demanded within a stated time.

use adjoin_entity::spec::EntityKind;

use super::World;
use crate::agenda::{Event, HostId, MS};
use crate::history::{Action, Ending};
use crate::host::Phase;

/// Everything that was asked has ended so long after the last fault.
const CALLS_END: u64 = 30_000 * MS;
/// Every probe has succeeded, and every watch is up to date, so long after that.
const PROBES_END: u64 = 12_000 * MS;
/// The host has drained so long after that.
const DRAIN_ENDS: u64 = 5000 * MS;

impl World {
    pub(super) fn heals(&mut self) {
        self.context.healing = true;
        self.context.trace.line(self.context.now, "heals", [0; 3]);
        (self.store.full, self.store.slow, self.functions.slow) = (false, false, false);
        for process in 0..self.functions.processes.len() {
            if self.functions.processes[process].hung {
                self.functions.end(&mut self.context, process, false, 100 * MS);
            } else if !self.functions.processes[process].up {
                self.context.after(100 * MS, Event::ProcessStarts { process });
            }
        }
        for host in 0..self.hosts.len() {
            self.resume(host);
            (self.hosts[host].cut_until, self.hosts[host].deaf_until) = (0, 0);
            if host + 1 < self.hosts.len() {
                self.host_dies(host);
            }
        }
        self.context.after(MS, Event::OperatorLooks);
        self.context.after(CALLS_END, Event::Probes);
    }

    /// Ends a pause.
    fn resume(&mut self, host: HostId) {
        let now = self.context.now;
        if self.hosts[host].paused_until > now {
            self.hosts[host].paused_until = now;
            (0..self.hosts[host].loops.len()).for_each(|index| self.wake(host, index as u8, now));
        }
    }

    /// Nothing of the past is open any more; every entity must work.
    pub(super) fn probe(&mut self) {
        let open: Vec<_> = self.history.unanswered().collect();
        if let Some(first) = open.first() {
            let operation = self.history.operation_of(*first).clone();
            let at = self.history.attempts[*first].at;
            let count = open.len();
            self.context.violate(|| {
                format!(
                    "{count} calls are open {} s after the last fault: {operation:?} at {at:?}",
                    CALLS_END / MS / 1000
                )
            });
        }
        let mut later = 0;
        for subject in 0..self.context.plan.subjects.len() {
            let actions = match self.context.plan.subjects[subject].kind {
                EntityKind::EventSourced => [Action::Append { parts: 1 }, Action::Get],
                EntityKind::Value => [Action::Set, Action::Get],
                EntityKind::Action => [Action::Echo, Action::Echo],
            };
            for action in actions {
                // One after the other: the bounds of some runs are lower than the number of entities.
                let attempt = self.ask_now(subject, action, later);
                self.probes.push(attempt);
                later += 200 * MS;
            }
        }
        self.context.after(PROBES_END, Event::Ends);
    }

    /// First the probes and watches are judged and the host is drained; then the run is over.
    pub(super) fn ends(&mut self) {
        if !self.closing {
            self.judge_probes();
            self.judge_watches();
            self.closing = true;
            self.serving().into_iter().for_each(|host| self.drain(host, DRAIN_ENDS * 2));
            return self.context.after(DRAIN_ENDS, Event::Ends);
        }
        let last = self.hosts.last().map(|host| host.phase);
        self.context.demand(last == Some(Phase::Dead), || format!("the host has not drained: it is {last:?}"));
        self.store.sync_all();
        self.end();
    }

    fn judge_probes(&mut self) {
        for attempt in std::mem::take(&mut self.probes) {
            let ending = self.history.attempts[attempt].ending.clone();
            let operation = self.history.operation_of(attempt);
            let (subject, action) = (self.context.plan.subjects[operation.subject].id.clone(), operation.action);
            let well = matches!(ending, Ending::Reply { .. });
            self.context.demand(well, || format!("{action:?} of {subject} after healing ended as {ending:?}"));
        }
    }

    /// A watch that is open shows the last state there is.
    fn judge_watches(&mut self) {
        for attempt in 0..self.history.attempts.len() {
            let operation = self.history.operation_of(attempt);
            let Action::Watch { after } = operation.action else { continue };
            let its = &self.history.attempts[attempt];
            if its.ending != Ending::Open || its.at.is_none() {
                continue;
            }
            let subject = self.context.plan.subjects[operation.subject].id.clone();
            let seen = its.seen.last().map(|seen| seen.sequence).or(after).unwrap_or(0);
            let durable = self.store.durable_last(&subject);
            self.context
                .demand(seen == durable, || format!("a watch of {subject} shows {seen}, {durable} are durable"));
        }
    }
}
