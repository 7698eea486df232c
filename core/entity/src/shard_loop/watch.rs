// SPDX-License-Identifier: Apache-2.0
//! Watches: the latest answer of a query, by pull. An element is asked for only once the one before was taken, so a
//! slow watcher costs nothing and sees the newest state next.

use adjoin_model::{Error, Metadata, Payload, Sequence};
use alloc::boxed::Box;

use super::ShardLoop;
use super::entity::Slot;
use super::job::{Ask, Job};
use crate::call::{Call, CallId};
use crate::io::Output;
use crate::mutant::Mutant;
use crate::phase::Phase;

/// One watcher of an entity.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) call: Call,
    /// The newest sequence the watcher has; `None` before the first element.
    seen: Option<Sequence>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for something newer.
    Waits,
    /// The query is under way.
    Asked,
    /// An element is with the edge.
    Untaken,
}

impl Watch {
    pub(crate) fn new(call: Call, after: Option<Sequence>) -> Self {
        Self { call, seen: after, state: State::Waits }
    }
}

impl ShardLoop {
    /// Asks the query of every watcher that waits and has not seen the present sequence.
    pub(super) fn ask_watches(&mut self, slot: Slot) {
        let repeats = self.is(Mutant::WatchRepeats);
        let Some(entity) = self.entities.get_mut(slot) else { return };
        if entity.phase != Phase::Active || entity.watches.is_empty() {
            return;
        }
        let mut asked = false;
        for watch in &mut entity.watches {
            if watch.state == State::Waits && (repeats || watch.seen.is_none_or(|seen| seen < entity.durable)) {
                watch.state = State::Asked;
                entity.mailbox.push_back(Job::new(watch.call.clone(), Ask::Watch));
                asked = true;
            }
        }
        if asked {
            self.make_ready(slot);
        }
    }

    /// The edge took an element of a watch.
    pub(super) fn watch_taken(&mut self, slot: Slot, call: CallId) {
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let Some(watch) = entity.watches.iter_mut().find(|watch| watch.call.id == call) else { return };
        if watch.state == State::Untaken {
            watch.state = State::Waits;
        }
        self.ask_watches(slot);
    }

    /// A watch's query was answered and what it saw is durable.
    pub(super) fn watch_answered(&mut self, slot: Slot, job: Box<Job>, payload: Option<Payload>, sequence: Sequence) {
        let repeats = self.is(Mutant::WatchRepeats);
        let Some(entity) = self.entities.get_mut(slot) else { return };
        let Some(watch) = entity.watches.iter_mut().find(|watch| watch.call.id == job.id()) else { return };
        if watch.seen.is_none_or(|seen| seen < sequence) || repeats {
            watch.seen = Some(sequence);
            watch.state = State::Untaken;
            self.out.push(Output::Element { call: job.id(), payload, sequence, metadata: Metadata::new() });
        } else {
            watch.state = State::Waits;
        }
    }

    /// Ends one watch with an error.
    pub(super) fn watch_failed(&mut self, slot: Slot, call: CallId, error: Error) {
        if self.forget_watch(slot, call) {
            self.calls.remove(call);
            self.out.push(Output::End { call, error: Some(error), sent: 0 });
        }
    }

    /// Ends every watch of an entity with this error.
    pub(super) fn fail_watches(&mut self, slot: Slot, error: &Error) {
        while let Some(call) =
            self.entities.get(slot).and_then(|entity| entity.watches.first()).map(|watch| watch.call.id)
        {
            self.watch_failed(slot, call, error.clone());
        }
    }

    /// Drops a watch and its query that waits; says whether there was one. A query under way is dropped when answered.
    pub(super) fn forget_watch(&mut self, slot: Slot, call: CallId) -> bool {
        let Some(entity) = self.entities.get_mut(slot) else { return false };
        let before = entity.watches.len();
        entity.watches.retain(|watch| watch.call.id != call);
        entity.mailbox.retain(|job| job.ask != Ask::Watch || job.id() != call);
        entity.watches.len() < before
    }
}
