// SPDX-License-Identifier: Apache-2.0
//! Where each call is, and what waits for time.

use adjoin_model::{Error, Mono, Outcome, Payload};
use alloc::vec::Vec;
use core::hash::BuildHasherDefault;
use hashbrown::HashMap;

use super::entity::Slot;
use super::job::Job;
use crate::call::{Call, CallId};
use crate::frame::FrameCall;
use crate::io::EffectId;
use crate::timers::Timers;

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In an entity's queues, or following a job there.
    Entity(Slot),
    /// A watch of an entity.
    Watch(Slot),
    /// An action that the function runs.
    Action(FrameCall),
    /// An action that waits for credit.
    Starved,
    /// Done, but its synchronous effects are not.
    Held,
}

/// What is known of a call that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) place: Place,
    /// It has had an effect before it came here.
    pub(crate) wrote: bool,
    /// How often its command was sent to a function, where that is counted.
    pub(crate) sent: u32,
}

impl Known {
    /// The error as its caller may be told it.
    pub(crate) fn told(self, error: Error) -> Error {
        told(self.wrote, error)
    }
}

/// An error of a call that had an effect elsewhere is not without effect, whatever happened here.
pub(crate) fn told(wrote: bool, error: Error) -> Error {
    if wrote { error.with_outcome(Outcome::Unknown) } else { error }
}

/// What is due at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The caller's deadline.
    Deadline(CallId),
    /// The longest wait for a function.
    FunctionWait(CallId),
}

impl Due {
    pub(crate) fn call(self) -> CallId {
        match self {
            Self::Deadline(call) | Self::FunctionWait(call) => call,
        }
    }
}

/// Call ids come from the driver, which counts them: no stranger chooses them, so mixing is enough.
#[derive(Default)]
pub(crate) struct CountHasher(u64);

impl core::hash::Hasher for CountHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// A map keyed by ids that the host counts.
pub(crate) type CountMap<V> = HashMap<u64, V, BuildHasherDefault<CountHasher>>;

/// Elements of a client's stream that came before its action was sent.
#[derive(Default)]
pub(crate) struct Early {
    pub(crate) elements: Vec<Payload>,
    pub(crate) ended: bool,
}

/// All calls of a loop.
#[derive(Default)]
pub(crate) struct Calls {
    places: CountMap<Known>,
    due: Timers<Due>,
    /// Replies that wait for synchronous effects: how many are open.
    pub(crate) held: CountMap<super::release::Held>,
    pub(crate) effects: CountMap<CallId>,
    last_effect: EffectId,
    pub(crate) early: CountMap<Early>,
}

impl Calls {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn place(&self, call: CallId) -> Option<Place> {
        self.places.get(&call).map(|known| known.place)
    }

    /// A call has come in.
    pub(crate) fn begin(&mut self, call: &Call, place: Place) {
        self.places.insert(call.id, Known { place, wrote: call.wrote, sent: call.sent.unwrap_or(0) });
    }

    /// A call that is there is somewhere else now.
    pub(crate) fn put(&mut self, call: CallId, place: Place) {
        if let Some(known) = self.places.get_mut(&call) {
            known.place = place;
        }
    }

    /// A command goes to a function: whoever makes its call anew counts that.
    pub(crate) fn count_sent(&mut self, job: &Job) {
        if job.call.sent.is_some()
            && let Some(known) = self.places.get_mut(&job.id())
        {
            known.sent = job.attempt;
        }
    }

    pub(crate) fn remove(&mut self, call: CallId) -> Option<Known> {
        self.early.remove(&call);
        self.places.remove(&call)
    }

    /// A name for a call whose end the loop waits for, which is never given again.
    pub(crate) fn next_effect(&mut self) -> EffectId {
        self.last_effect += 1;
        self.last_effect
    }

    /// The same, for one that this call waits for.
    pub(crate) fn name_effect(&mut self, call: CallId) -> EffectId {
        let effect = self.next_effect();
        self.effects.insert(effect, call);
        effect
    }

    /// Something is due for a call. Entries of calls that have ended go lazily.
    pub(crate) fn due_at(&mut self, at: Mono, due: Due) {
        if self.due.len() > 1024 + 2 * self.places.len() {
            let places = &self.places;
            self.due.retain(|due| places.contains_key(&due.call()));
        }
        self.due.push(at, due);
    }

    /// The next thing that is due by now.
    pub(crate) fn pop_due(&mut self, now: Mono) -> Option<Due> {
        self.due.pop(now)
    }

    pub(crate) fn next_due(&self) -> Option<Mono> {
        self.due.next()
    }
}
