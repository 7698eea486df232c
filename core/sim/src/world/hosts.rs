// SPDX-License-Identifier: Apache-2.0
//! Hosts and processes that come and go, and the sessions between them.

use adjoin_entity::frame::FunctionFrame;
use adjoin_entity::{Input, SessionId, ShardLoop, loop_of};
use adjoin_model::{Head, Owner, ShardId};

use super::World;
use crate::agenda::{Event, HostId, MS, ProcessId, Time};
use crate::fault::Fault;
use crate::history::Ending;
use crate::host::{Edge, Host, Phase};
use crate::mutant::Mutant;
use crate::storage::{Asked, Purpose, Said};

impl World {
    /// Plans the start of a new incarnation, unless one is planned.
    pub(crate) fn start_host_after(&mut self, delay: Time) {
        if !self.starting {
            self.starting = true;
            self.context.after(delay, Event::HostStarts);
        }
    }

    pub(super) fn host_starts(&mut self) {
        self.starting = false;
        let owner = Owner((u128::from(self.context.random.next()) << 64) | (self.hosts.len() as u128 + 1));
        if !self.hosts.is_empty() {
            self.context.count(Fault::HostRestart);
        }
        self.hosts.iter_mut().for_each(|older| older.deposed = true);
        let (host, shards) = (self.hosts.len(), self.context.plan.shards);
        self.context.trace.line(self.context.now, "host starts", [host as u64, 0, 0]);
        self.hosts.push(Host::new(owner, shards, self.context.plan.loops));
        for shard in 0..shards {
            self.claim(host, shard);
        }
    }

    /// Asks for a shard: the first answer says who has it, the second that it was taken from there.
    pub(super) fn claim(&mut self, host: HostId, shard: u32) {
        if self.hosts[host].phase == Phase::Claiming && self.hosts[host].unclaimed.contains(&shard) {
            self.claim_from(host, ShardId(shard), Head::EMPTY);
        }
    }

    fn claim_from(&mut self, host: HostId, shard: ShardId, expected: Head) {
        let owner = self.hosts[host].owner;
        self.submit(host, 0, Purpose::Claim(shard), Asked::Raise { shard, expected, owner });
    }

    /// The store answered a claim.
    pub(crate) fn claimed(&mut self, host: HostId, shard: ShardId, said: Said) {
        let head = match said {
            Said::Raised(head) => head,
            Said::Fenced(head) => return self.claim_from(host, shard, head),
            Said::Durable | Said::Refused(_) | Said::Page(_) | Said::Events(_) => {
                return self.context.after(50 * MS, Event::ClaimAgain { host, shard: shard.0 });
            }
        };
        let mine = &mut self.hosts[host];
        if mine.unclaimed.remove(&shard.0) {
            mine.claimed.push((shard, head));
        }
        if mine.unclaimed.is_empty() && mine.phase == Phase::Claiming {
            self.begin_loops(host);
        }
    }

    fn begin_loops(&mut self, host: HostId) {
        let (plan, mine, store) = (&self.context.plan, &mut self.hosts[host], &mut self.store);
        let (owner, loops) = (mine.owner, plan.loops);
        let claimed = std::mem::take(&mut mine.claimed);
        let machine_mutant = match self.context.mutant {
            Some(Mutant::Machine(mutant)) => Some(mutant),
            _ => None,
        };
        let machine = |index: u8| {
            let heads = claimed.iter().filter(|(shard, _)| shard.0 % u32::from(loops) == u32::from(index));
            let settings = plan.settings(index, owner, owner.0 as u64 ^ u64::from(index));
            let mut machine = ShardLoop::new(settings, heads.copied().collect());
            machine_mutant.into_iter().for_each(|mutant| machine.mutate(mutant));
            for (shard, _) in claimed.iter().filter(|(shard, _)| shard.0 % u32::from(loops) == u32::from(index)) {
                machine.resume(*shard, store.unfinished(*shard));
            }
            machine
        };
        mine.begin((0..loops).map(machine));
        self.context.trace.line(self.context.now, "host serves", [host as u64, 0, 0]);
        for process in 0..self.functions.processes.len() {
            let delay = self.context.random.between(100, 20_000);
            self.context.after(delay, Event::SessionOpens { host, process });
        }
    }

    /// A host's process is gone; what its clients asked is open for ever.
    pub(crate) fn host_dies(&mut self, host: HostId) {
        if !self.hosts[host].is_alive() {
            return;
        }
        self.context.trace.line(self.context.now, "host dies", [host as u64, 0, 0]);
        let calls = std::mem::take(&mut self.hosts[host].calls);
        for waiting in calls.into_values() {
            if let Edge::Client(attempt) = waiting.edge {
                self.tell_client(attempt, Ending::Broken);
            }
        }
        self.hosts[host].die();
        self.functions.host_died(host);
        if host + 1 == self.hosts.len() && !self.closing {
            let away = self.context.random.between(100, 4000) * MS;
            self.start_host_after(away);
        }
    }

    pub(super) fn process_starts(&mut self, process: ProcessId) {
        let its = &mut self.functions.processes[process];
        if its.up {
            return;
        }
        its.up = true;
        its.boot += 1;
        for host in 0..self.hosts.len() {
            if self.hosts[host].is_up() {
                let delay = self.context.random.between(100, 50_000);
                self.context.after(delay, Event::SessionOpens { host, process });
            }
        }
    }

    pub(super) fn process_killed(&mut self, process: ProcessId, boot: u32) {
        if self.functions.processes[process].boot == boot {
            let away = if self.context.healing { 100 * MS } else { self.context.random.between(10, 2000) * MS };
            self.functions.end(&mut self.context, process, false, away);
        }
    }

    pub(super) fn session_opens(&mut self, host: HostId, process: ProcessId) {
        let connected = self.functions.is_connected(host, process);
        if !self.hosts[host].is_up() || !self.functions.processes[process].up || connected {
            return;
        }
        if self.context.befalls(Fault::SpecChanged) {
            self.functions.processes[process].version ^= 1;
        }
        let spec = self.context.plan.spec(process, self.functions.processes[process].version).clone();
        let session = self.functions.open(host, process, spec.clone());
        self.hosts[host].sessions.insert(session);
        let (running, bytes) = self.context.plan.credit;
        let up = Input::SessionUp { session, spec: spec.clone(), running, bytes };
        // Each loop of a simulated host has the whole credit.
        self.hosts[host].homes.settle(session, &spec, u32::MAX);
        self.push_to_all(host, &up);
        self.hosts[host].homes.spread(&spec);
    }

    pub(super) fn session_gone(&mut self, session: SessionId, orderly: bool) {
        let Some(gone) = self.functions.sessions.remove(&session) else { return };
        let (host, process) = (gone.host, gone.process);
        if !self.hosts[host].sessions.contains(&session) {
            return;
        }
        // The loops still have what they were told before: it ends for them when they take this.
        self.hosts[host].sessions.remove(&session);
        self.push_to_all(host, &Input::SessionDown { session, orderly });
        if self.functions.processes[process].up {
            let delay = self.context.random.between(1, 500) * MS;
            self.context.after(delay, Event::SessionOpens { host, process });
        }
    }

    pub(super) fn frames_arrive(&mut self, session: SessionId, frames: Vec<FunctionFrame>) {
        let Some(host) = self.functions.sessions.get(&session).map(|session| session.host) else { return };
        if !self.hosts[host].sessions.contains(&session) {
            return;
        }
        for frame in frames {
            let input = |frame| Input::Frame { session, frame };
            match loop_of(&frame) {
                Some(index) => self.push(host, index, input(frame)),
                None => self.push_to_all(host, &input(frame)),
            }
        }
    }

    fn push_to_all(&mut self, host: HostId, input: &Input) {
        for index in 0..self.hosts[host].loops.len() {
            self.push(host, index as u8, input.clone());
        }
    }

    /// Hands an input to a loop, which takes it soon.
    pub(crate) fn push(&mut self, host: HostId, index: u8, input: Input) {
        let soon = self.context.now + self.context.random.below(40);
        let Some(slot) = self.hosts[host].loops.get_mut(usize::from(index)) else {
            return self.context.violate(|| format!("an input for loop {index}, which is not there: {input:?}"));
        };
        slot.inputs.push(input);
        self.wake(host, index, soon);
    }

    /// Steps a loop at that time at the latest.
    pub(crate) fn wake(&mut self, host: HostId, index: u8, at: Time) {
        let Some(slot) = self.hosts[host].loops.get_mut(usize::from(index)) else { return };
        if slot.step_at.is_none_or(|planned| at < planned) {
            slot.step_at = Some(at);
            self.context.agenda.plan(at, Event::Step { host, index });
        }
    }

    /// No new calls; the host ends once nothing is under way, or is ended after a while.
    pub(crate) fn drain(&mut self, host: HostId, patience: Time) {
        self.hosts[host].phase = Phase::Draining;
        self.push_to_all(host, &Input::Drain);
        self.context.after(patience, Event::HostDies { host });
    }
}
