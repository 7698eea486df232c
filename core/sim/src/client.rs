// SPDX-License-Identifier: Apache-2.0
//! What clients are like and what they ask.

use std::sync::Arc;

use adjoin_entity::spec::EntityKind;
use adjoin_model::Sequence;

use crate::agenda::Time;
use crate::context::Context;
use crate::fault::Fault;
use crate::history::{Action, OperationId};
use crate::words::NOBODY;

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Asks again so long after each answer.
    Closed(Time),
    /// Asks every so often, whatever becomes of it.
    Open(Time),
    /// Watches one entity after the other.
    Watches,
    /// Asks only when told to.
    OnDemand,
}

/// A client.
pub(crate) struct Client {
    pub(crate) name: Arc<str>,
    pub(crate) habit: Habit,
    /// The newest sequence it has seen of each subject.
    pub(crate) known: Vec<Sequence>,
    /// What it has asked with a key that may be used again.
    pub(crate) keyed: Vec<OperationId>,
}

/// All clients of a run: closed ones, open ones, watchers, and last one that asks on demand.
pub(crate) fn clients(context: &Context) -> Vec<Client> {
    let plan = &context.plan;
    let closed = plan.closed.iter().map(|pause| Habit::Closed(*pause));
    let open = plan.open.iter().map(|pause| Habit::Open(*pause));
    let watchers = (0..plan.watchers).map(|_| Habit::Watches);
    let client = |(number, habit)| Client {
        name: format!("c{number}").into(),
        habit,
        known: vec![0; plan.subjects.len()],
        keyed: Vec::new(),
    };
    closed.chain(open).chain(watchers).chain([Habit::OnDemand]).enumerate().map(client).collect()
}

/// Whom to ask, and what.
pub(crate) fn choose(context: &mut Context) -> (usize, Action) {
    let subjects = context.plan.subjects.len();
    // One entity is asked more than the others, so that calls meet.
    let subject = if context.random.chance(3000) { 0 } else { context.random.index(subjects) };
    let action = match context.plan.subjects[subject].kind {
        EntityKind::EventSourced => of_log(context),
        EntityKind::Value => of_value(context),
        EntityKind::Action => of_relay(context),
    };
    (subject, action)
}

fn of_log(context: &mut Context) -> Action {
    if context.random.chance(context.plan.chance(Fault::HandlerKills)) {
        return Action::Poison;
    }
    match context.random.below(100) {
        0..40 => Action::Append { parts: 1 },
        40..50 => Action::Append { parts: context.random.between(2, 5) as u16 },
        50..55 => Action::Refuse,
        55..58 => Action::Fail,
        58..62 => Action::Look,
        62..76 => Action::Get,
        76..78 => Action::Remove,
        78..84 => {
            let beside = if context.random.chance(3000) { log(context) } else { NOBODY };
            Action::Pass { target: log(context), noted: context.random.chance(5000), beside }
        }
        84..88 => Action::Entrust { targets: targets(context) },
        88..92 => Action::Spread { targets: targets(context), synchronous: context.random.chance(5000) },
        92..96 => Action::State,
        96..98 => Action::Delete,
        _ => Action::Huge,
    }
}

fn of_value(context: &mut Context) -> Action {
    match context.random.below(100) {
        0..60 => Action::Set,
        60..66 => Action::Refuse,
        66..68 => Action::Fail,
        68..88 => Action::Get,
        88..93 => Action::Clear,
        93..98 => Action::State,
        _ => Action::Delete,
    }
}

fn of_relay(context: &mut Context) -> Action {
    match context.random.below(100) {
        0..20 => Action::Echo,
        20..50 => Action::Route { target: log(context) },
        50..70 => Action::Poke { targets: targets(context), synchronous: context.random.chance(5000) },
        70..85 => Action::Count { parts: context.random.between(0, 40) as u16 },
        // Within the credit that a stream begins with, so that no credit has to be waited for.
        _ => Action::Gather { parts: context.random.between(0, 16) as u16 },
    }
}

fn log(context: &mut Context) -> u16 {
    let logs = context.plan.of_kind(EntityKind::EventSourced);
    context.random.pick(&logs) as u16
}

fn targets(context: &mut Context) -> [u16; 2] {
    let first = log(context);
    let second = if context.random.chance(5000) { log(context) } else { NOBODY };
    [first, second]
}
