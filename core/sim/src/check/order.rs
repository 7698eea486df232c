// SPDX-License-Identifier: Apache-2.0
//! Real-time order: what began after something had ended sees it, and stands after it.

use std::collections::BTreeMap;

use adjoin_model::Sequence;

use super::Case;
use crate::history::{AttemptId, Ending, Operation, Writes};
use crate::words::root;

/// When which sequence was known to exist, in order: (order, highest sequence so far).
type Known = Vec<(u64, Sequence)>;

impl Case<'_> {
    pub(super) fn check_order(&mut self) {
        let known: Vec<Known> = (0..self.context.plan.subjects.len()).map(|subject| self.known(subject)).collect();
        self.check_read_order(&known);
        self.check_write_order(&known);
        self.check_watch_order(&known);
    }

    /// What clients knew of a subject's sequences, and since when.
    fn known(&self, subject: usize) -> Known {
        let mut seen: Known = Vec::new();
        for attempt in &self.history.attempts {
            let operation = &self.history.operations[attempt.operation];
            if answers(operation) != subject {
                continue;
            }
            if let (Ending::Reply { sequence, .. }, Some(done)) = (&attempt.ending, attempt.done) {
                seen.push((done, *sequence));
            }
            seen.extend(attempt.seen.iter().map(|seen| (seen.order, seen.sequence)));
        }
        seen.sort_unstable();
        let mut highest = 0;
        for (_, sequence) in &mut seen {
            highest = highest.max(*sequence);
            *sequence = highest;
        }
        seen
    }

    /// A read shows at least what was known before it began.
    fn check_read_order(&mut self, known: &[Known]) {
        for id in 0..self.history.attempts.len() {
            let operation = self.history.operation_of(id).clone();
            if !operation.action.reads() {
                continue;
            }
            let floor = floor(&known[operation.subject], self.history.attempts[id].sent);
            let read = self.newest_read(id, &operation);
            let holds = read.is_none_or(|read| read >= floor);
            let entity = self.name(operation.subject);
            self.demand(holds, || format!("{operation:?} of {entity} read {read:?}, {floor} was known before"));
        }
    }

    /// The newest sequence that a read can have shown.
    fn newest_read(&self, id: AttemptId, operation: &Operation) -> Option<Sequence> {
        match &self.history.attempts[id].ending {
            Ending::Reply { sequence, .. } => Some(*sequence),
            Ending::Failed { shown: Some(state), .. } => self.sequences_of(operation.subject, *state).last(),
            _ => None,
        }
    }

    /// Whatever was written, acknowledged or not, stands after everything that was known before it was first asked.
    fn check_write_order(&mut self, known: &[Known]) {
        let mut found = Vec::new();
        for (token, span) in &self.journal.spans {
            let Some(first) = self.first_sent(root(*token)) else { continue };
            let floor = floor(&known[span.subject], first);
            if span.first <= floor {
                found.push(format!("{token:#x} stands at {span:?}, {floor} was known before it was asked for"));
            }
        }
        let deletes: BTreeMap<_, _> = self.journal.commands.iter().map(|(command, at)| (*command, *at)).collect();
        for (id, attempt) in self.history.attempts.iter().enumerate() {
            let operation = &self.history.operations[attempt.operation];
            let Some((subject, sequence)) = deletes.get(&crate::history::command_id(id)) else { continue };
            if operation.action.writes() == Writes::Delete && *sequence <= floor(&known[*subject], attempt.sent) {
                found.push(format!("{operation:?} stands at {sequence}, which was known before it was asked for"));
            }
        }
        self.found.extend(found);
    }

    fn first_sent(&self, token: u64) -> Option<u64> {
        let operation = self.history.operations.get((token >> 8).checked_sub(1)? as usize)?;
        operation.attempts.first().map(|attempt| self.history.attempts[*attempt].sent)
    }

    /// A watch that asks for the present state is shown what was known before.
    fn check_watch_order(&mut self, known: &[Known]) {
        for id in 0..self.history.attempts.len() {
            let operation = self.history.operation_of(id).clone();
            let attempt = &self.history.attempts[id];
            let crate::history::Action::Watch { .. } = operation.action else { continue };
            let Some(first) = attempt.seen.first() else { continue };
            let floor = floor(&known[operation.subject], attempt.sent);
            self.demand(first.sequence >= floor, || format!("{operation:?} begins at {first:?}, {floor} was known"));
        }
    }
}

/// Whose sequence an operation is answered with.
fn answers(operation: &Operation) -> usize {
    operation.action.forwarded_to().map_or(operation.subject, usize::from)
}

/// The highest sequence that was known before this moment.
fn floor(known: &Known, before: u64) -> Sequence {
    let count = known.partition_point(|(order, _)| *order < before);
    count.checked_sub(1).map_or(0, |last| known[last].1)
}
