// SPDX-License-Identifier: Apache-2.0
//! Judges a run from what clients saw and what the store holds, read directly and not the way hosts read.
//!
//! A journal is a log with unique tokens, so every claim is checked in O(n log n); a general linearizability checker
//! looks at small windows of the same histories, from what clients saw alone.

mod entrusted;
mod heard;
mod journal;
mod keys;
mod order;
mod replies;
mod watches;
mod window;

use std::collections::BTreeSet;

use crate::context::Context;
use crate::history::History;
use crate::words::Token;
use crate::world::World;
pub use heard::Letters;
use journal::Journal;

/// What is judged.
pub(crate) struct Case<'a> {
    context: &'a Context,
    history: &'a History,
    journal: Journal,
    effects: &'a BTreeSet<Token>,
    found: Vec<String>,
}

impl Case<'_> {
    fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.found.push(what());
        }
    }

    /// An entity's name, for people.
    fn name(&self, subject: usize) -> String {
        self.context.plan.subjects.get(subject).map_or_else(|| "nobody".into(), |subject| subject.id.to_string())
    }
}

/// What was found, and how many windows the general checker decided and gave up.
pub(crate) struct Judgement {
    pub(crate) found: Vec<String>,
    pub(crate) windows: u64,
    pub(crate) undecided: u64,
}

/// Judges a run that has come to its end.
pub(crate) fn judge(world: &World) -> Judgement {
    let World { context, history, store, effects, .. } = world;
    let (journal, found) = Journal::read(context, history, store);
    let mut case = Case { context, history, journal, effects, found };
    case.check_facts();
    case.check_replies();
    case.check_entrusted(store, &world.given.stuck);
    case.check_heard(store, &world.functions.heard);
    case.check_order();
    case.check_keys(store);
    case.check_watches();
    case.check_snapshots(store);
    let (windows, undecided) = case.check_windows();
    Judgement { found: case.found, windows, undecided }
}
