// SPDX-License-Identifier: Apache-2.0
//! What was acknowledged is there, at the sequence that was said; what was said to have had no effect is not; what was
//! read is what the journal holds.

use adjoin_model::{Kind, Sequence};

use super::Case;
use super::journal::What;
use crate::history::{Action, AttemptId, Ending, Operation, Writes, command_id};
use crate::store::Store;
use crate::words::{NOBODY, State, child};

impl Case<'_> {
    pub(super) fn check_replies(&mut self) {
        for attempt in 0..self.history.attempts.len() {
            let ending = self.history.attempts[attempt].ending.clone();
            let operation = self.history.operation_of(attempt).clone();
            match ending {
                Ending::Reply { state, sequence, replayed } => {
                    self.check_reply(&operation, state, sequence);
                    // A later attempt may go on where an earlier one was cut off between its write and its calls.
                    if !replayed && operation.attempts.len() == 1 {
                        self.check_effects(&operation);
                    }
                }
                Ending::Failed { shown, kind, .. } => self.check_failure(attempt, &ending, shown, kind),
                Ending::Open | Ending::Broken | Ending::Over { .. } => {}
            }
        }
    }

    fn check_reply(&mut self, operation: &Operation, state: Option<State>, sequence: Sequence) {
        let said = || format!("{operation:?} was answered {state:?} at {sequence}");
        let forwarded = operation.action.forwarded_to().map(usize::from);
        let subject = forwarded.unwrap_or(operation.subject);
        let token = if forwarded.is_some() { child(operation.token, 0) } else { operation.token };
        let holds = match operation.action.writes() {
            Writes::Delete => self.is_delete(subject, sequence),
            Writes::Facts(_) => self.ends_at(token, subject, sequence),
            Writes::Nothing => forwarded.is_none() || self.ends_at(token, subject, sequence),
        };
        self.demand(holds, || format!("{}, but the journal holds {:?}", said(), sequence));
        let stored = self.journal.state(subject, sequence);
        let shows = state.is_none() || stored == state;
        self.demand(shows, || format!("{}, but the journal has {stored:?} there", said()));
        self.check_match(operation, sequence);
    }

    /// Side effects of a command that was answered well have been made.
    fn check_effects(&mut self, operation: &Operation) {
        let (action, token) = (operation.action, operation.token);
        let targets = action.children();
        for index in action.side_effects().iter().filter(|index| targets[**index as usize] != NOBODY) {
            let made = self.effects.contains(&child(token, *index));
            self.demand(made, || format!("{action:?} was answered well, but its side effect {index} was not made"));
        }
    }

    fn ends_at(&self, token: u64, subject: usize, sequence: Sequence) -> bool {
        self.journal.spans.get(&token).is_some_and(|span| (span.subject, span.last) == (subject, sequence))
    }

    fn is_delete(&self, subject: usize, sequence: Sequence) -> bool {
        let rows = self.journal.rows.get(subject);
        let row = rows.and_then(|rows| rows.get((sequence as usize).checked_sub(1)?));
        row.is_some_and(|row| row.what == What::Delete)
    }

    /// A command with an expected sequence ran at that sequence.
    fn check_match(&mut self, operation: &Operation, sequence: Sequence) {
        let Some(wanted) = operation.if_match else { return };
        let wrote = match operation.action.writes() {
            Writes::Nothing => 0,
            Writes::Delete => 1,
            Writes::Facts(parts) => u64::from(parts),
        };
        self.demand(sequence == wanted + wrote, || format!("{operation:?} ran at {} instead", sequence - wrote));
    }

    fn check_failure(&mut self, attempt: AttemptId, ending: &Ending, shown: Option<State>, kind: Kind) {
        let operation = self.history.operation_of(attempt).clone();
        if crate::world::promises_nothing_written(ending) {
            let written = self.journal.commands.get(&command_id(attempt)).copied();
            self.demand(written.is_none(), || format!("{operation:?} failed without effect ({ending:?}): {written:?}"));
        }
        if let Some(state) = shown {
            let subject = operation.subject;
            let known = self.sequences_of(subject, state).next().is_some();
            self.demand(known, || format!("{operation:?} was refused at a state that never was: {state:?}"));
        }
        let refused = kind != Kind::Rejected || shown.is_some() || !matches!(operation.action, Action::Refuse);
        self.demand(refused, || format!("{operation:?} was refused without a state: {ending:?}"));
    }

    /// The sequences at which an entity had this state.
    pub(super) fn sequences_of(&self, subject: usize, state: State) -> impl Iterator<Item = Sequence> + '_ {
        let before = (state == State::default()).then_some(0);
        let rows = self.journal.rows.get(subject).map_or(&[][..], Vec::as_slice);
        before.into_iter().chain(rows.iter().zip(1..).filter(move |(row, _)| row.state == state).map(|(_, s)| s))
    }

    /// What a snapshot holds is what the journal folds to.
    pub(super) fn check_snapshots(&mut self, store: &Store) {
        for subject in 0..self.context.plan.subjects.len() {
            let id = self.context.plan.subjects[subject].id.clone();
            for snapshot in store.row(&id).map_or(&[][..], |row| &row.snapshots) {
                let (stored, state) = (self.journal.state(subject, snapshot.sequence), State::read(&snapshot.state));
                let right = stored.is_some() && stored == state;
                self.demand(right, || format!("{id}: the snapshot at {} holds {state:?}", snapshot.sequence));
            }
        }
    }
}
