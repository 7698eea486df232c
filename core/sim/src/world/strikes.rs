// SPDX-License-Identifier: Apache-2.0
//! Faults that strike by themselves.

use super::World;
use crate::agenda::{Event, HostId, MS, ProcessId};
use crate::fault::Fault;
use crate::host::Phase;

impl World {
    pub(super) fn plan_strike(&mut self, fault: Fault) {
        if let Some(pause) = self.context.plan.pause(fault) {
            let next = self.context.random.around(pause);
            self.context.after(next, Event::Strikes { fault, again: true });
        }
    }

    pub(super) fn strikes(&mut self, fault: Fault, again: bool) {
        if self.context.healing {
            return;
        }
        self.strike(fault);
        if again {
            self.plan_strike(fault);
        }
    }

    fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::HostCrash => self.crash(false),
            Fault::PowerLoss => self.crash(true),
            Fault::HostPause => self.pause(),
            Fault::TwoOwners => self.second_owner(),
            Fault::Drain => self.roll(),
            Fault::ClockStep => {
                self.context.count(fault);
                self.context.step_clock();
            }
            Fault::StoreSlow | Fault::StoreFull => self.store_suffers(fault),
            Fault::StoreRestart if !self.store.down => {
                self.context.count(fault);
                self.store_crashes();
            }
            Fault::StoreUnreachable | Fault::StoreUnheard => self.part(fault),
            Fault::FunctionCrash => self.end_process(fault, (10, 1500)),
            Fault::FunctionRestart => self.end_process(fault, (10, 1500)),
            Fault::FunctionAbsent => {
                let wait = self.context.plan.function_wait() / MS;
                self.end_process(fault, (wait, 2 * wait));
            }
            Fault::SessionCut => self.cut_session(),
            Fault::FunctionSlow => {
                self.context.count(fault);
                self.functions.slow = true;
                let lasts = self.context.random.between(100, 4000) * MS;
                self.context.after(lasts, Event::FunctionRecovers);
            }
            Fault::Pressure => self.functions.press(&mut self.context),
            Fault::Burst => self.burst(),
            _ => {}
        }
    }

    /// The newest incarnation, if it is there.
    fn newest(&self) -> Option<HostId> {
        let last = self.hosts.len().checked_sub(1)?;
        self.hosts[last].is_alive().then_some(last)
    }

    fn crash(&mut self, with_store: bool) {
        let Some(host) = self.newest() else { return };
        self.context.count(if with_store { Fault::PowerLoss } else { Fault::HostCrash });
        self.host_dies(host);
        if with_store && !self.store.down {
            self.store_crashes();
        }
    }

    /// The store loses what it has not synced, and is away for a moment.
    fn store_crashes(&mut self) {
        let random = &mut self.context.random;
        let loss = self.store.crash(|unsynced| random.below(unsynced as u64 + 1) as usize);
        if loss.ops > 0 {
            self.context.count(Fault::UnsyncedLost);
        }
        if loss.torn {
            self.context.count(Fault::TornWrite);
        }
        self.store.down = true;
        let away = self.context.random.between(5, 1500) * MS;
        self.context.after(away, Event::StoreStarts);
    }

    fn pause(&mut self) {
        let Some(host) = self.newest() else { return };
        self.context.count(Fault::HostPause);
        let lasts = self.context.random.between(10, 4000) * MS;
        self.hosts[host].paused_until = self.hosts[host].paused_until.max(self.context.now + lasts);
    }

    /// Host and store lose each other for a while: both ways, or only what the store answers.
    fn part(&mut self, fault: Fault) {
        let Some(host) = self.newest() else { return };
        self.context.count(fault);
        let until = self.context.now + self.context.random.between(100, 4000) * MS;
        if fault == Fault::StoreUnreachable {
            self.hosts[host].cut_until = until;
        }
        self.hosts[host].deaf_until = self.hosts[host].deaf_until.max(until);
    }

    /// Somebody takes the node for dead and starts another one, while it lives on for a while.
    fn second_owner(&mut self) {
        let Some(old) = self.serving() else { return };
        if self.hosts[..old].iter().any(|older| older.is_alive()) || self.starting {
            return;
        }
        self.context.count(Fault::TwoOwners);
        if self.context.random.chance(5000) {
            let until = self.context.now + self.context.random.between(1, 3000) * MS;
            self.hosts[old].paused_until = self.hosts[old].paused_until.max(until);
        }
        let dies = self.context.random.between(1000, 20_000) * MS;
        if self.context.random.chance(5000) {
            self.context.count(Fault::StoreUnheard);
            self.hosts[old].deaf_until = self.context.now + dies;
        }
        self.context.after(dies, Event::HostDies { host: old });
        self.start_host_after(0);
    }

    /// An orderly restart.
    fn roll(&mut self) {
        let Some(host) = self.serving() else { return };
        self.context.count(Fault::Drain);
        let patience = self.context.random.between(2000, 20_000) * MS;
        self.drain(host, patience);
    }

    fn store_suffers(&mut self, fault: Fault) {
        self.context.count(fault);
        match fault {
            Fault::StoreFull => self.store.full = true,
            _ => self.store.slow = true,
        }
        let lasts = self.context.random.between(200, 6000) * MS;
        self.context.after(lasts, Event::StoreRecovers { from: fault });
    }

    pub(super) fn store_recovers(&mut self, from: Fault) {
        match from {
            Fault::StoreFull => self.store.full = false,
            _ => self.store.slow = false,
        }
    }

    fn end_process(&mut self, fault: Fault, (least, most): (u64, u64)) {
        let process: ProcessId = self.context.random.index(self.functions.processes.len());
        if self.functions.processes[process].up {
            self.context.count(fault);
            let away = self.context.random.between(least, most) * MS;
            self.functions.end(&mut self.context, process, fault == Fault::FunctionRestart, away);
        }
    }

    fn cut_session(&mut self) {
        let open: Vec<_> = self.functions.open_sessions().collect();
        if !open.is_empty() {
            self.context.count(Fault::SessionCut);
            let session = self.context.random.pick(&open);
            self.functions.close(&mut self.context, session, false);
        }
    }

    /// Many calls at once.
    fn burst(&mut self) {
        if self.hosts.last().is_some_and(|host| host.phase == Phase::Running) {
            self.context.count(Fault::Burst);
            for _ in 0..self.context.random.between(20, 150) {
                self.ask_something(self.clients.len() - 1);
            }
        }
    }
}
