// SPDX-License-Identifier: Apache-2.0
//! Idempotency: whatever was sent under one key has had its effect once while the key's record was there, and is answered
//! the same every time; once the record has gone, by its time or to make room, the key is free.

use std::collections::BTreeMap;

use adjoin_model::{CommandId, Dedup, Kind, Outcome, Sequence};

use super::Case;
use crate::history::{AttemptId, Ending, OperationId, Writes, command_id};
use crate::store::{Store, keys_after};
use crate::words::State;

/// Idempotency records of an entity, oldest first.
type Records = [(CommandId, Dedup)];

impl Case<'_> {
    pub(super) fn check_keys(&mut self, store: &Store) {
        let mut groups: BTreeMap<(usize, u64), Vec<OperationId>> = BTreeMap::new();
        for (id, operation) in self.history.operations.iter().enumerate() {
            if let Some(key) = operation.key {
                groups.entry((operation.client, key)).or_default().push(id);
            }
        }
        for operations in groups.into_values() {
            let subject = self.history.operations[operations[0]].subject;
            let row = store.row(&self.context.plan.subjects[subject].id);
            let records = row.map_or(&[][..], |row| &row.dedups);
            self.check_once(&operations, records);
            if operations.len() > 1 {
                operations.iter().for_each(|id| self.check_conflicts(*id, &operations, records));
            }
            operations.into_iter().for_each(|id| self.check_same(id));
        }
    }

    /// Of all that was sent under one key, each had its effect only after the record of the one before had gone.
    fn check_once(&mut self, operations: &[OperationId], records: &Records) {
        let spans = operations.iter().filter_map(|id| {
            let token = self.history.operations[*id].token;
            self.journal.spans.get(&token).map(|span| (span.subject, span.first, token))
        });
        let mut effective: Vec<(usize, Sequence, u64)> = spans.collect();
        effective.sort_unstable();
        let commands: Vec<Option<CommandId>> =
            effective.iter().map(|(subject, first, _)| self.journal.command_at(*subject, *first)).collect();
        for pair in commands.windows(2) {
            let free = matches!(pair, [Some(one), Some(next)] if self.was_free(*one, *next, records));
            self.demand(free, || format!("one key, several effects: {effective:x?}"));
        }
    }

    /// Whether the record of one command had gone when the next one was sent to the function.
    fn was_free(&self, one: CommandId, next: CommandId, records: &Records) -> bool {
        let place = |command| records.iter().position(|(other, _)| *other == command);
        let (Some(first), Some(second)) = (place(one), place(next)) else { return false };
        let runs = &self.history.runs;
        let (Some(from), Some(to)) = (runs.get(&one), runs.get(&next)) else { return false };
        // A clock that was ahead for a while may have let the record go then.
        let expired = self.context.walls(*from, *to).1 >= records[first].1.expires;
        let bound = self.context.plan.limits().dedup_records;
        expired || keys_after(&records[..second], first).count() >= bound
    }

    /// Who is told that the key belongs to another command is told so because of one that ran or whose record was there.
    fn check_conflicts(&mut self, id: OperationId, operations: &[OperationId], records: &Records) {
        let operation = &self.history.operations[id];
        let conflicts = |attempt: &AttemptId| {
            matches!(self.history.attempts[*attempt].ending, Ending::Failed { kind: Kind::Conflict, .. })
        };
        let told: Vec<AttemptId> = operation.attempts.iter().copied().filter(conflicts).collect();
        for attempt in told.into_iter().filter(|_| operation.if_match.is_none()) {
            let others = || operations.iter().filter(|other| **other != id);
            let right = others().any(|other| self.may_hold(*other, attempt, records));
            self.demand(right, || format!("{operation:?} is a conflict, but its key was free"));
        }
    }

    /// Whether an operation may have held its key when an attempt at another one was looked at: not before the first one
    /// was sent, since a later one is told what an earlier one, whose answer waits, will be told.
    fn may_hold(&self, other: OperationId, attempt: AttemptId, records: &Records) -> bool {
        let first = self.history.operation_of(attempt).attempts.first().map_or(attempt, |first| *first);
        let (sent, sent_at) = (self.history.attempts[first].sent, self.history.attempts[first].sent_at);
        let ended = |attempt: &AttemptId| {
            let its = &self.history.attempts[*attempt];
            let known = matches!(its.ending, Ending::Reply { .. } | Ending::Failed { outcome: Outcome::None, .. });
            known && its.done.is_some_and(|done| done < sent)
        };
        let attempts = &self.history.operations[other].attempts;
        if !attempts.iter().all(ended) {
            return true;
        }
        let its = |command| attempts.iter().any(|attempt| command_id(*attempt) == command);
        let Some(place) = records.iter().position(|(command, _)| its(*command)) else { return false };
        let done_at = self.history.attempts[attempt].done_at;
        let expired = records[place].1.expires <= self.context.walls(sent_at, done_at).0;
        let acknowledged = |command: &CommandId| {
            let its = self.history.attempt_of(*command).map(|attempt| &self.history.attempts[attempt]);
            its.is_some_and(|its| {
                matches!(its.ending, Ending::Reply { .. }) && its.done.is_some_and(|done| done < sent)
            })
        };
        let others = keys_after(records, place).filter(acknowledged).count();
        !expired && others < self.context.plan.limits().dedup_records
    }

    /// Every attempt that was answered well was answered the same.
    fn check_same(&mut self, id: OperationId) {
        let attempts = &self.history.operations[id].attempts;
        let replies = attempts.iter().filter_map(|attempt| match &self.history.attempts[*attempt].ending {
            Ending::Reply { state, sequence, .. } => Some((*state, *sequence)),
            _ => None,
        });
        let replies: Vec<(Option<State>, Sequence)> = replies.collect();
        let wrote = self.history.operations[id].action.writes() != Writes::Nothing;
        let same = replies.windows(2).all(|pair| pair[0] == pair[1]);
        self.demand(same || !wrote, || format!("{:?}: {replies:?}", "one command, several answers"));
    }
}
