// SPDX-License-Identifier: Apache-2.0
//! Watches: never backwards, nothing that the watcher has seen, nothing that never was.

use super::Case;
use crate::history::Action;

impl Case<'_> {
    pub(super) fn check_watches(&mut self) {
        for id in 0..self.history.attempts.len() {
            let operation = self.history.operation_of(id).clone();
            let Action::Watch { after } = operation.action else { continue };
            let mut before = after;
            for seen in self.history.attempts[id].seen.clone() {
                let newer = before.is_none_or(|before| seen.sequence > before);
                self.demand(newer, || format!("a watch shows {} after {before:?}", seen.sequence));
                before = Some(seen.sequence);
                let stored = self.journal.state(operation.subject, seen.sequence);
                let right = stored.is_some() && stored == seen.state;
                let entity = self.name(operation.subject);
                self.demand(right, || format!("a watch of {entity} shows {seen:?}, the journal has {stored:?}"));
            }
        }
    }
}
