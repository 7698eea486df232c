// SPDX-License-Identifier: Apache-2.0
//! Idempotency: whatever was sent under one key has had its effect once at most, and is answered the same every time.

use std::collections::BTreeMap;

use adjoin_model::Sequence;

use super::Case;
use crate::history::{Ending, OperationId};
use crate::words::State;

impl Case<'_> {
    pub(super) fn check_keys(&mut self) {
        let mut groups: BTreeMap<(usize, u64), Vec<OperationId>> = BTreeMap::new();
        for (id, operation) in self.history.operations.iter().enumerate() {
            if let Some(key) = operation.key {
                groups.entry((operation.client, key)).or_default().push(id);
            }
        }
        for operations in groups.into_values() {
            let tokens = operations.iter().map(|id| self.history.operations[*id].token);
            let effective: Vec<u64> = tokens.filter(|token| self.journal.spans.contains_key(token)).collect();
            self.demand(effective.len() <= 1, || format!("one key, several effects: {effective:x?}"));
            operations.into_iter().for_each(|id| self.check_same(id));
        }
    }

    /// Every attempt that was answered well was answered the same.
    fn check_same(&mut self, id: OperationId) {
        let attempts = &self.history.operations[id].attempts;
        let replies = attempts.iter().filter_map(|attempt| match &self.history.attempts[*attempt].ending {
            Ending::Reply { state, sequence, .. } => Some((*state, *sequence)),
            _ => None,
        });
        let replies: Vec<(Option<State>, Sequence)> = replies.collect();
        let wrote = self.history.operations[id].action.writes() != crate::history::Writes::Nothing;
        let same = replies.windows(2).all(|pair| pair[0] == pair[1]);
        self.demand(same || !wrote, || format!("{:?}: {replies:?}", "one command, several answers"));
    }
}
