// SPDX-License-Identifier: Apache-2.0
//! What one seed's run is made of: a different mix of entities, clients, settings and faults for every seed.

use std::sync::Arc;

use adjoin_entity::Settings;
use adjoin_entity::spec::{EntityKind, EntityType, EventKey, Handler, Source, Spec, Subscription};
use adjoin_model::{EntityId, Limits, Owner};

use crate::agenda::{MS, ProcessId, Time};
use crate::fault::Fault;
use crate::random::Random;

/// An entity of the run.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) id: EntityId,
    pub(crate) kind: EntityKind,
}

/// The mix of one run.
pub(crate) struct Plan {
    /// How long faults strike.
    pub(crate) faults_until: Time,
    pub(crate) loops: u8,
    pub(crate) shards: u32,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) processes: usize,
    /// The store is in the host's process, so what the process has not handed over dies with it; otherwise it is
    /// somewhere else, and a write on its way lands after its sender has died.
    pub(crate) local: bool,
    /// Mean time from a write to its sync.
    pub(crate) sync: Time,
    /// How long the driver waits for the store.
    pub(crate) store_patience: Time,
    /// Handlers and bytes that a loop may have in a session.
    pub(crate) credit: (u32, u64),
    /// Mean pauses of clients: those that wait for each answer, and those that do not.
    pub(crate) closed: Vec<Time>,
    pub(crate) open: Vec<Time>,
    pub(crate) watchers: usize,
    /// What each process has, in two versions: the first one everything, the others perhaps less.
    specs: Vec<[Arc<Spec>; 2]>,
    /// Parts per million by which the wall clock is too fast.
    pub(crate) drift_ppm: i64,
    settings: Settings,
    /// Clients send a command with its key again when they do not know how it ended. Where a record may go before it is
    /// asked for, they would have the effect twice by right, which tells the checker nothing.
    pub(crate) retries: bool,
    /// Mean pause between two looks of an operator at what was given up.
    pub(crate) looks: Time,
    /// In ten thousand opportunities.
    chances: [u32; Fault::ALL.len()],
    /// Mean time between two strikes; 0 for never.
    pauses: [Time; Fault::ALL.len()],
}

/// Faults that may befall each opportunity, so often in ten thousand.
const BY_CHANCE: [(Fault, u32); 26] = [
    (Fault::WriteRefused, 60),
    (Fault::WriteLost, 50),
    (Fault::AckLost, 60),
    (Fault::LateWrite, 60),
    (Fault::WriteTwice, 100),
    (Fault::RaiseFailed, 1500),
    (Fault::RaiseAckLost, 1000),
    (Fault::LoadFailed, 100),
    (Fault::CorruptPage, 60),
    (Fault::SnapshotLost, 500),
    (Fault::FunctionHang, 10),
    (Fault::AnswerTwice, 100),
    (Fault::HandlerStops, 5000),
    (Fault::HandlerFails, 50),
    (Fault::HandlerKills, 15),
    (Fault::ActivationEnds, 50),
    (Fault::ContractBroken, 60),
    (Fault::AnswersSwapped, 60),
    (Fault::ReplayShort, 60),
    (Fault::SpecChanged, 3000),
    (Fault::ReplayFails, 60),
    (Fault::SnapshotUnreadable, 400),
    (Fault::ClientGone, 100),
    (Fault::ShortDeadline, 200),
    (Fault::Duplicate, 1500),
    (Fault::KeyReused, 400),
];

/// Faults that strike by themselves, with the mean pause in milliseconds.
const BY_TIME: [(Fault, u64); 18] = [
    (Fault::HostCrash, 60_000),
    (Fault::PowerLoss, 90_000),
    (Fault::HostPause, 45_000),
    (Fault::TwoOwners, 90_000),
    (Fault::Drain, 90_000),
    (Fault::ClockStep, 30_000),
    (Fault::StoreSlow, 40_000),
    (Fault::StoreFull, 60_000),
    (Fault::StoreRestart, 50_000),
    (Fault::StoreUnreachable, 60_000),
    (Fault::StoreUnheard, 60_000),
    (Fault::FunctionCrash, 20_000),
    (Fault::FunctionRestart, 50_000),
    (Fault::FunctionAbsent, 80_000),
    (Fault::SessionCut, 40_000),
    (Fault::FunctionSlow, 50_000),
    (Fault::Pressure, 40_000),
    (Fault::Burst, 40_000),
];

impl Plan {
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut chances = [0; Fault::ALL.len()];
        for (fault, chance) in BY_CHANCE {
            chances[fault as usize] = if random.chance(7500) { chance * random.between(1, 3) as u32 / 2 } else { 0 };
        }
        let mut pauses = [0; Fault::ALL.len()];
        for (fault, pause) in BY_TIME {
            pauses[fault as usize] = if random.chance(7500) { pause * MS * random.between(1, 4) / 2 } else { 0 };
        }
        let local = random.chance(4000);
        if local {
            // Nobody else can open a store that is in another process.
            pauses[Fault::TwoOwners as usize] = 0;
        }
        let memory = memory(random);
        if memory == Memory::Expires {
            // Half of them only by the time that passes, half of them also by steps of the wall clock.
            pauses[Fault::ClockStep as usize] *= random.below(2);
        }
        let retries = memory == Memory::Lasts || (memory == Memory::Expires && pauses[Fault::ClockStep as usize] == 0);
        if !retries {
            chances[Fault::Duplicate as usize] = 0;
        }
        let processes = random.between(1, 2) as usize;
        let loops = random.between(1, 3) as u8;
        let shards = random.between(u64::from(loops), 6) as u32;
        Self {
            faults_until: random.between(210, 440) * 1000 * MS,
            loops,
            shards,
            subjects: subjects(random),
            processes,
            local,
            sync: random.pick(&[300, 3000, 30_000]),
            store_patience: random.between(300, 3000) * MS,
            credit: (random.pick(&[1, 2, 4, 16, 64]), random.pick(&[40, 200, 2000, 1 << 20])),
            closed: (0..random.between(1, 6)).map(|_| random.between(50, 1500) * MS).collect(),
            open: (0..random.between(0, 2)).map(|_| random.between(150, 1000) * MS).collect(),
            watchers: random.between(0, 3) as usize,
            specs: specs(random, processes),
            drift_ppm: if random.chance(5000) { random.between(0, 1000) as i64 - 500 } else { 0 },
            settings: settings(random, loops, shards, memory),
            retries,
            looks: random.between(5, 60) * 1000 * MS,
            chances,
            pauses,
        }
    }

    /// How often in ten thousand opportunities a fault happens.
    pub(crate) fn chance(&self, fault: Fault) -> u32 {
        self.chances[fault as usize]
    }

    /// Mean time between two strikes; `None` for never.
    pub(crate) fn pause(&self, fault: Fault) -> Option<Time> {
        Some(self.pauses[fault as usize]).filter(|pause| *pause > 0)
    }

    /// The faults that strike by themselves in this run.
    pub(crate) fn strikers(&self) -> impl Iterator<Item = Fault> + '_ {
        Fault::ALL.into_iter().filter(|fault| self.pause(*fault).is_some())
    }

    /// The settings of one loop of one incarnation.
    pub(crate) fn settings(&self, index: u8, owner: Owner, seed: u64) -> Settings {
        Settings { index, owner, seed, ..self.settings.clone() }
    }

    /// What a version of a process of the function has.
    pub(crate) fn spec(&self, process: ProcessId, version: usize) -> &Arc<Spec> {
        &self.specs[process % self.specs.len()][version % 2]
    }

    /// Whether events are given to a handler. The first process has everything.
    pub(crate) fn listens(&self) -> bool {
        self.specs.first().is_some_and(|[spec, _]| spec.types.iter().any(|one| !one.subscriptions.is_empty()))
    }

    /// Failures after which a durable effect is stuck and an event is a dead letter; `None`: neither ever is.
    pub(crate) fn gives_up_after(&self) -> Option<u32> {
        Some(self.settings.effect_attempts).filter(|attempts| *attempts < u32::MAX)
    }

    /// The bounds.
    pub(crate) fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// How long a client may go on with one idempotency key; `None` as long as it likes. Short of the window by what
    /// clocks differ, and by what a call takes until it is looked at.
    pub(crate) fn key_lasts(&self) -> Option<Time> {
        let window = self.settings.dedup_window_ms * MS;
        (window < KEPT_MS * MS).then(|| window - window / 50 - 1000 * MS)
    }

    /// Whether idempotency records may go while the run lasts.
    pub(crate) fn forgets_keys(&self) -> bool {
        self.key_lasts().is_some() || self.settings.limits.dedup_records < Limits::default().dedup_records
    }

    /// Commands of one entity that the function may hold unanswered.
    pub(crate) fn window(&self) -> u32 {
        self.settings.window
    }

    /// Process deaths after which a command is given up.
    pub(crate) fn deaths(&self) -> u32 {
        self.settings.deaths
    }

    /// How long calls wait for a function.
    pub(crate) fn function_wait(&self) -> Time {
        self.settings.function_wait_ms * MS
    }

    /// Subjects of these kinds.
    pub(crate) fn of_kind(&self, kind: EntityKind) -> Vec<usize> {
        (0..self.subjects.len()).filter(|index| self.subjects[*index].kind == kind).collect()
    }
}

/// The entity types of the run.
pub(crate) const TYPES: [(&str, EntityKind); 3] =
    [("sim.Log", EntityKind::EventSourced), ("sim.Value", EntityKind::Value), ("sim.Relay", EntityKind::Action)];

fn subjects(random: &mut Random) -> Vec<Subject> {
    let counts = [random.between(1, 5), random.between(1, 2), 1];
    let mut subjects = Vec::new();
    for ((name, kind), count) in TYPES.into_iter().zip(counts) {
        for number in 0..count {
            if let Ok(id) = EntityId::new(name, format!("{number}")) {
                subjects.push(Subject { id, kind });
            }
        }
    }
    subjects
}

/// Longer than every step of the wall clock together, so that no record expires while it is needed.
const KEPT_MS: u64 = 100 * 3_600_000;

/// What becomes of idempotency records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// They outlast the run.
    Lasts,
    /// They expire while it lasts.
    Expires,
    /// They soon make room for others.
    IsSmall,
}

fn memory(random: &mut Random) -> Memory {
    match random.below(10) {
        0..6 => Memory::Lasts,
        6..8 => Memory::Expires,
        _ => Memory::IsSmall,
    }
}

fn settings(random: &mut Random, loops: u8, shards: u32, memory: Memory) -> Settings {
    let window = random.between(4000, 30_000);
    let records = random.pick(&[2, 4, 12]);
    let limits = Limits {
        mailbox: random.pick(&[4, 16, 64]),
        calls: random.pick(&[32, 128, 512]),
        watches: random.pick(&[2, 8]),
        activations: random.pick(&[1, 2, 8]),
        resident: random.pick(&[5, 7, 100]),
        batch_bytes: random.pick(&[700, 2000, 65_536]),
        event_bytes: 4096,
        events_per_command: 64,
        outbox: random.pick(&[4, 64]),
        inbox: random.pick(&[2, 8, 64]),
        deliveries: random.pick(&[1, 2, 16]),
        dedup_records: if memory == Memory::IsSmall { records } else { Limits::default().dedup_records },
        events: random.pick(&[1, 8, 64]),
        consuming: random.pick(&[1, 4, 64]),
        dead_letters: random.pick(&[2, 8, 64]),
        ..Limits::default()
    };
    Settings {
        loops,
        shards,
        limits,
        window: random.pick(&[1, 2, 8, 32]),
        function_wait_ms: random.between(1000, 8000),
        passivate_after_ms: random.pick(&[300, 2000, 30_000]),
        dedup_window_ms: if memory == Memory::Expires { window } else { KEPT_MS },
        raise_again_ms: random.between(20, 500),
        page_bytes: random.pick(&[1, 300, 65_536]),
        effect_retry_ms: random.between(10, 300),
        effect_retry_max_ms: 1500,
        // Where something is given up, an operator looks after it.
        effect_attempts: random.pick(&[u32::MAX, 2, 3, 5]),
        ..Settings::default()
    }
}

/// Another process may lack a type: what is asked of that one waits for the first process. Versions differ in when
/// entities are passivated and snapshots taken, in the types that another process lacks, and in a few handlers: the second
/// one may have a query where the first one has a command, and lack others.
fn specs(random: &mut Random, processes: usize) -> Vec<[Arc<Spec>; 2]> {
    // Who subscribes says so in every version: events that nobody has taken wait for no version in particular.
    let listens = random.chance(5000);
    let mut versions = [spec(random, listens), spec(random, listens)];
    for (entity_type, handler) in [("sim.Log", "spread"), ("sim.Relay", "poke")] {
        if random.chance(3000) {
            let its = versions[1].types.iter_mut().filter(|its| *its.name == *entity_type);
            its.for_each(|its| its.handlers.retain(|other| *other.name != *handler));
        }
    }
    let looks = random.chance(5000);
    let handlers = versions[1].types.iter_mut().flat_map(|its| &mut its.handlers);
    handlers.filter(|handler| &*handler.name == "look").for_each(|handler| handler.query = looks);
    let part = |random: &mut Random| {
        versions.each_ref().map(|whole| {
            let mut part = whole.clone();
            if random.chance(4000) {
                part.types.remove(random.index(part.types.len()));
            }
            Arc::new(part)
        })
    };
    let others: Vec<_> = (1..processes).map(|_| part(random)).collect();
    [versions.clone().map(Arc::new)].into_iter().chain(others).collect()
}

fn spec(random: &mut Random, listens: bool) -> Spec {
    let handlers = |names: &[(&str, bool)]| names.iter().map(|(name, query)| handler(name, *query)).collect();
    let log: Vec<Handler> = handlers(&[
        ("append", false),
        ("refuse", false),
        ("fail", false),
        ("poison", false),
        ("look", false),
        ("get", true),
        ("remove", false),
        ("pass", false),
        ("spread", false),
        ("entrust", false),
    ]);
    let value = handlers(&[("set", false), ("refuse", false), ("fail", false), ("get", true), ("clear", false)]);
    let mut relay: Vec<Handler> =
        handlers(&[("echo", false), ("route", false), ("poke", false), ("count", false), ("gather", false)]);
    relay[3].streamed_out = true;
    relay[4].streamed_in = true;
    relay.push(handler(HEARS, false));
    let types = TYPES.into_iter().zip([log, value, relay]).map(|((name, kind), handlers)| EntityType {
        handlers,
        readable_events: if kind == EntityKind::EventSourced { vec!["Fact".into()] } else { Vec::new() },
        passivate_after_ms: random.pick(&[0, 0, 500]),
        subscriptions: if listens && kind == EntityKind::Action { vec![subscription()] } else { Vec::new() },
        snapshot_every: if kind == EntityKind::EventSourced { random.pick(&[0, 3, 10, 40]) } else { 0 },
        ..EntityType::new(name, kind)
    });
    Spec::new("adjoin-sim", types.collect())
}

/// The handler that is given the events of every log, in runs that have eventing.
pub(crate) const HEARS: &str = "hear";

/// The group that it is.
pub(crate) const GROUP: &str = "sim";

fn subscription() -> Subscription {
    let source = Source::EventLog(TYPES[0].0.into());
    Subscription { source, group: GROUP.into(), events: Vec::new(), rest: Some(HEARS.into()), key: EventKey::Subject }
}

fn handler(name: &str, query: bool) -> Handler {
    Handler {
        name: name.into(),
        query,
        streamed_in: false,
        streamed_out: false,
        input_schema: String::new(),
        output_schema: String::new(),
        summary: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_is_one_that_hosts_take() {
        for seed in 0..20 {
            let plan = Plan::new(&mut Random::new(seed));
            assert!(plan.specs.iter().flatten().all(|spec| spec.check() == Ok(())));
            assert!(plan.shards >= u32::from(plan.loops));
        }
    }

    #[test]
    fn every_fault_by_chance_or_time_can_be_on() {
        let on = |fault: Fault| {
            (0..40).any(|seed| {
                let plan = Plan::new(&mut Random::new(seed));
                plan.chance(fault) > 0 || plan.pause(fault).is_some()
            })
        };
        let planned = BY_CHANCE.map(|(fault, _)| fault).into_iter().chain(BY_TIME.map(|(fault, _)| fault));
        for fault in planned {
            assert!(on(fault), "{fault:?}");
        }
    }
}
