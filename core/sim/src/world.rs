// SPDX-License-Identifier: Apache-2.0
//! The world around the loops: takes the next event, hands it to the part it belongs to, until the run is judged.

mod calls;
mod clients;
mod given;
mod healing;
mod hosts;
mod operator;
mod routing;
mod strikes;

pub(crate) use calls::promises_nothing_written;
pub(crate) use given::Given;

use std::collections::{BTreeMap, BTreeSet};

use crate::agenda::{Event, HostId};
use crate::client::{Client, clients};
use crate::context::Context;
use crate::function::Functions;
use crate::history::{AttemptId, History};
use crate::host::Host;
use crate::storage::{Pending, RequestId};
use crate::store::Store;
use crate::words::Token;

/// More events than any sound run has: a run that goes on for ever is a finding.
const MOST_EVENTS: u64 = 20_000_000;

/// Everything there is.
pub(crate) struct World {
    pub(crate) context: Context,
    pub(crate) store: Store,
    pub(crate) requests: BTreeMap<RequestId, Pending>,
    pub(crate) requests_made: u64,
    /// Every incarnation; the last one serves.
    pub(crate) hosts: Vec<Host>,
    /// A start is planned.
    pub(crate) starting: bool,
    pub(crate) functions: Functions,
    pub(crate) clients: Vec<Client>,
    pub(crate) history: History,
    /// Tokens of the side effects that were made.
    pub(crate) effects: BTreeSet<Token>,
    /// What is known of the events that were given.
    pub(crate) given: Given,
    /// Attempts that must succeed after healing.
    pub(crate) probes: Vec<AttemptId>,
    pub(crate) events: u64,
    /// The last host is being drained: no other follows.
    closing: bool,
    over: bool,
}

impl World {
    pub(crate) fn new(context: Context) -> Self {
        Self {
            store: Store::new(context.mutant),
            requests: BTreeMap::new(),
            requests_made: 0,
            hosts: Vec::new(),
            starting: false,
            functions: Functions::new(context.plan.processes),
            clients: clients(&context),
            history: History::default(),
            effects: BTreeSet::new(),
            given: Given::default(),
            probes: Vec::new(),
            events: 0,
            closing: false,
            over: false,
            context,
        }
    }

    /// Runs until it is judged, or until the first violation.
    pub(crate) fn run(&mut self) {
        self.begin();
        while let Some((at, event)) = self.context.agenda.next() {
            self.context.now = at;
            self.events += 1;
            if self.events > MOST_EVENTS {
                self.context.violate(|| format!("still not over after {MOST_EVENTS} events"));
            }
            self.take(event);
            if self.over || !self.context.violations.is_empty() {
                return;
            }
        }
    }

    /// Whether the run came to its end.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    fn begin(&mut self) {
        self.start_host_after(0);
        for process in 0..self.functions.processes.len() {
            self.context.after(1000, Event::ProcessStarts { process });
        }
        for client in 0..self.clients.len() {
            let begins = self.context.random.between(1000, 1_000_000);
            self.context.after(begins, Event::ClientActs { client });
        }
        self.context.after(self.context.plan.looks, Event::OperatorLooks);
        for fault in self.context.plan.strikers().collect::<Vec<_>>() {
            self.plan_strike(fault);
        }
        if self.context.plan.drift_ppm != 0 {
            self.context.count(crate::fault::Fault::ClockDrift);
        }
        let heals = self.context.plan.faults_until;
        self.context.after(heals, Event::Heals);
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::HostStarts => self.host_starts(),
            Event::ClaimAgain { host, shard } => self.claim(host, shard),
            Event::Step { host, index } => self.step(host, index),
            Event::HostDies { host } => self.host_dies(host),
            Event::Lands { request, host, asked, how } => self.lands(request, host, *asked, how),
            Event::Synced { boot, upto, answer } => self.synced(boot, upto, answer),
            Event::Answers { request, said } => self.answers(request, *said),
            Event::TimesOut { request } => self.times_out(request),
            Event::StoreStarts => self.store.down = false,
            Event::StoreRecovers { from } => self.store_recovers(from),
            Event::SessionOpens { host, process } => self.session_opens(host, process),
            Event::ToFunction { session, frames } => self.functions.take(&mut self.context, session, frames),
            Event::ToHost { session, frames } => self.frames_arrive(session, frames),
            Event::SessionGone { session, orderly } => self.session_gone(session, orderly),
            Event::Folds { session, activation } => self.functions.folds(&mut self.context, session, activation),
            Event::HandlerEnds { session, call } => self.functions.handler_ends(&mut self.context, session, call),
            Event::ProcessStarts { process } => self.process_starts(process),
            Event::ProcessKilled { process, boot } => self.process_killed(process, boot),
            Event::FunctionRecovers => self.functions.slow = false,
            Event::ClientActs { client } => self.client_acts(client),
            Event::CallArrives { attempt } => self.call_arrives(attempt),
            Event::Retries { operation } => self.retries(operation),
            Event::HangsUp { attempt } => self.hangs_up(attempt),
            Event::AnswerArrives { attempt, ending } => self.answer_arrives(attempt, *ending),
            Event::ElementArrives { attempt, payload, sequence } => self.element_arrives(attempt, payload, sequence),
            Event::Taken { attempt, call, host } => self.taken(attempt, call, host),
            Event::StreamInput { attempt, left } => self.stream_input(attempt, left),
            Event::OperatorLooks => self.operator_looks(),
            Event::Strikes { fault, again } => self.strikes(fault, again),
            Event::Heals => self.heals(),
            Event::Probes => self.probe(),
            Event::Ends => self.ends(),
        }
    }

    /// The incarnation that serves, if one does.
    pub(crate) fn serving(&self) -> Option<HostId> {
        let last = self.hosts.len().checked_sub(1)?;
        (self.hosts[last].phase == crate::host::Phase::Running).then_some(last)
    }

    pub(crate) fn end(&mut self) {
        self.over = true;
    }
}
