// SPDX-License-Identifier: Apache-2.0
//! The journal as it is stored: gapless, one writer after the other, every command whole and once, every cause before
//! its effect.

use std::collections::BTreeMap;

use adjoin_entity::spec::EntityKind;
use adjoin_model::{Body, CommandId, Sequence};

use super::Case;
use crate::context::Context;
use crate::history::{History, OperationId, Writes};
use crate::store::{Kept, Store};
use crate::words::{Fact, State, Token, root};

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Fact(Fact),
    Delete,
}

/// A sequenced record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) op: usize,
    pub(super) command: CommandId,
    pub(super) what: What,
    /// The state after it.
    pub(super) state: State,
}

/// Where a command's facts are: in one entity, from one sequence to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) subject: usize,
    pub(super) first: Sequence,
    pub(super) last: Sequence,
}

/// The rows of every subject; the row of sequence `s` is at `s - 1`.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) rows: Vec<Vec<Row>>,
    pub(super) spans: BTreeMap<Token, Span>,
    pub(super) commands: BTreeMap<CommandId, (usize, Sequence)>,
}

impl Journal {
    pub(super) fn read(context: &Context, history: &History, store: &Store) -> (Self, Vec<String>) {
        let (mut journal, mut found) = (Self::default(), Vec::new());
        for (number, subject) in context.plan.subjects.iter().enumerate() {
            let kept = store.row(&subject.id).map_or(&[][..], |row| &row.records);
            found.extend(chain(kept).map(|said| format!("{}: {said}", subject.id)));
            let rows = rows(subject.kind, history, kept);
            found.extend(journal.index(number, &rows).into_iter().map(|said| format!("{}: {said}", subject.id)));
            journal.rows.push(rows);
        }
        (journal, found)
    }

    /// Indexes a subject's facts by token: each command's are whole, in order, together and there once.
    fn index(&mut self, subject: usize, rows: &[Row]) -> Vec<String> {
        let mut found = Vec::new();
        for (row, sequence) in rows.iter().zip(1..) {
            self.commands.entry(row.command).or_insert((subject, sequence));
            let What::Fact(fact) = row.what else { continue };
            match self.spans.get_mut(&fact.token) {
                None if fact.part == 0 => {
                    self.spans.insert(fact.token, Span { subject, first: sequence, last: sequence });
                }
                Some(span) if span.subject == subject && span.last + 1 == sequence && fact.part > 0 => {
                    span.last = sequence;
                }
                Some(span) => found.push(format!("{fact:?} at {sequence} is there already: {span:?}")),
                None => found.push(format!("{fact:?} at {sequence} has no beginning")),
            }
        }
        for row in rows {
            let What::Fact(fact) = row.what else { continue };
            let whole = self.spans.get(&fact.token).is_some_and(|s| s.last + 1 - s.first == u64::from(fact.parts));
            if fact.part == 0 && !whole {
                found.push(format!("{fact:?} is not whole"));
            }
        }
        found
    }

    /// The command that wrote a sequence.
    pub(super) fn command_at(&self, subject: usize, sequence: Sequence) -> Option<CommandId> {
        let before = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.rows.get(subject)?.get(before).map(|row| row.command)
    }

    /// The state at a sequence; `None` beyond the last one.
    pub(super) fn state(&self, subject: usize, sequence: Sequence) -> Option<State> {
        let Some(before) = sequence.checked_sub(1) else { return Some(State::default()) };
        self.rows.get(subject)?.get(usize::try_from(before).ok()?).map(|row| row.state)
    }
}

/// Sequences without gaps, under epochs that never fall.
fn chain(kept: &[Kept]) -> impl Iterator<Item = String> + '_ {
    let gaps = kept.iter().zip(1..).filter(|(kept, sequence)| kept.sequence != *sequence);
    let gaps = gaps.map(|(kept, sequence)| format!("sequence {} stands at {sequence}", kept.sequence));
    let falls = kept.windows(2).filter(|pair| pair[1].epoch < pair[0].epoch);
    gaps.chain(falls.map(|pair| format!("sequence {} was written under an older epoch", pair[1].sequence)))
}

fn rows(kind: EntityKind, history: &History, kept: &[Kept]) -> Vec<Row> {
    let mut state = State::default();
    let mut rows = Vec::with_capacity(kept.len());
    for record in kept {
        let what = what(history, record);
        state = match what {
            What::Delete => State::default(),
            What::Fact(fact) if kind == EntityKind::Value => State::of_value(fact.token),
            What::Fact(fact) => state.fold(fact),
        };
        rows.push(Row { op: record.op, command: record.command, what, state });
    }
    rows
}

fn what(history: &History, record: &Kept) -> What {
    let token = |command| history.attempt_of(command).map(|attempt| history.operation_of(attempt).token);
    match &record.body {
        Body::Event(payload) | Body::Value(payload) => {
            What::Fact(Fact::read(payload).unwrap_or(Fact { token: 0, part: 0, parts: 0 }))
        }
        // A value that a later one of its batch replaced: its command says what it was.
        Body::Superseded => What::Fact(Fact { token: token(record.command).unwrap_or(0), part: 0, parts: 1 }),
        Body::Delete | Body::Dedup(_) | Body::Outbox(_) | Body::Inbox(_) | Body::Done { .. } | Body::Consumed(_) => {
            What::Delete
        }
    }
}

impl Case<'_> {
    /// Every fact belongs where a client asked for it, and an effect stands after its cause.
    pub(super) fn check_facts(&mut self) {
        for (token, span) in self.journal.spans.clone() {
            let owner = (root(token) >> 8).checked_sub(1).map(|id| id as OperationId);
            let Some(operation) = owner.and_then(|id| self.history.operations.get(id)) else {
                self.found.push(format!("nobody asked for {token:#x} at {span:?}"));
                continue;
            };
            let child = (token & 0xff).checked_sub(1);
            let expected = match child {
                None => operation.subject,
                Some(index) => operation.action.children().get(index as usize).map_or(usize::MAX, |t| usize::from(*t)),
            };
            let action = operation.action;
            let asked = child.is_some() || matches!(action.writes(), Writes::Facts(_));
            self.demand(asked && expected == span.subject, || format!("{action:?} wrote {token:#x} at {span:?}"));
            if child.is_some() && action.writes() != Writes::Nothing {
                self.check_cause(token, span);
            }
        }
    }

    fn check_cause(&mut self, token: Token, effect: Span) {
        let cause = self.journal.spans.get(&root(token)).copied();
        let when = |span: Span| self.journal.rows[span.subject].get(span.first as usize - 1).map(|row| row.op);
        let before = cause.is_some_and(|cause| when(cause) < when(effect));
        self.demand(before, || format!("{token:#x} at {effect:?} is there, but its cause is at {cause:?}"));
    }
}
