// SPDX-License-Identifier: Apache-2.0
//! A state with its causal context: a replica's copy, or a delta; they are the same.

use alloc::vec::Vec;
use core::ops::Deref;

use crate::context::Context;
use crate::dot::{Dot, ReplicaId};
use crate::edit::{Edit, Turn};
use crate::error::Error;
use crate::kind::Kind;
use crate::read::{Limits, Reader};
use crate::store::{Live, Log, Store};
use crate::write::Writer;

/// The version of the encoding that this crate writes.
pub const VERSION: u8 = 1;

/// A state of type `S` and what it has seen. Reads as `S`; writes by [`edit`](Self::edit) and the short forms of each type.
///
/// A *delta* is a state as well: one that has seen only the writes of one edit (or of several, merged). Merging is a
/// join in the sense of Shapiro, Preguiça, Baquero and Zawirski (*Conflict-free replicated data types*, 2011): in any
/// order, any number of times, with the same result. Deltas may be lost and may arrive out of order; what was lost is
/// made up for by [`delta_since`](Self::delta_since) or by merging a whole state. The join of dot stores under causal
/// contexts is that of Almeida, Shoker and Baquero (*Delta state replicated data types*, 2018, §7).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Causal<S> {
    store: S,
    context: Context,
}

impl<S> Deref for Causal<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.store
    }
}

impl<S> Causal<S> {
    /// What it has seen.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Whether it has seen nothing: a delta that need not be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.context.is_empty()
    }
}

impl<S: Store> Causal<S> {
    /// The empty state, which every replica starts from.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes in the name of a replica; gives what `write` gave, and the delta of all its writes. A delta that
    /// [is idle](Self::is_idle) changed nothing.
    ///
    /// # Example
    /// ```
    /// use adjoin_crdt::{Causal, OrSet, ReplicaId};
    ///
    /// let mut set = Causal::<OrSet>::new();
    /// let (was_there, delta) = set.edit(ReplicaId(1), |set| {
    ///     set.add(b"tea")?;
    ///     set.add(b"milk")?;
    ///     Ok::<_, adjoin_crdt::Error>(set.remove(b"tea"))
    /// });
    /// assert_eq!(was_there, Ok(true));
    /// assert_eq!(delta.len(), 1);
    /// ```
    pub fn edit<R>(&mut self, replica: ReplicaId, write: impl FnOnce(&mut Edit<'_, S>) -> R) -> (R, Self) {
        self.edit_as(replica, |store, delta, turn| write(&mut Edit { store, delta, turn }))
    }

    /// Takes what a delta or another replica's state has; says whether that changed anything.
    pub fn merge(&mut self, other: &Self) -> bool {
        self.join(other)
    }

    /// Reads a state of this type from bytes.
    ///
    /// # Errors
    /// For bytes that are not the [`encode`](Self::encode)d form of a state of this type, and for more than `limits`.
    /// Whatever the bytes are, no more is reserved than they can fill.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        decode(bytes, limits, |found| match found == S::KIND {
            true => Ok(S::default()),
            false => Err(Error::Clash { found, expected: S::KIND }),
        })
    }
}

impl<S: Live> Causal<S> {
    pub(crate) fn from_bare(store: S) -> Self {
        Self { store, context: Context::new() }
    }

    pub(crate) fn store(&self) -> &S {
        &self.store
    }

    /// The same in the type `wrap` makes of it.
    pub(crate) fn map<T>(self, wrap: impl FnOnce(S) -> T) -> Causal<T> {
        Causal { store: wrap(self.store), context: self.context }
    }

    /// [`edit`](Self::edit) with store and delta apart.
    pub(crate) fn edit_as<R>(
        &mut self,
        replica: ReplicaId,
        write: impl FnOnce(&mut S, &mut S, Turn<'_>) -> R,
    ) -> (R, Self) {
        let mut delta = Self::from_bare(self.store.bare());
        let (context, touched, mut log) = (&mut self.context, &mut delta.context, Log::default());
        let turn = Turn { replica, context, touched, log: &mut log, depth: 1 };
        let outcome = write(&mut self.store, &mut delta.store, turn);
        (outcome, delta)
    }

    pub(crate) fn join(&mut self, other: &Self) -> bool {
        let mut log = Log::default();
        self.store.join(&self.context, &other.store, &other.context, &mut log);
        let grew = self.context.join(&other.context);
        grew || log.has_changed()
    }

    /// What a replica that has seen `known` lacks of this state: the live writes that it has not seen, and which of the
    /// writes that it has seen are live no more. Merging it there has the effect of merging this whole state.
    ///
    /// Costs a walk over the state. The delta is as long as what is new, plus up to three bytes for every run of dead
    /// writes between live ones: nobody keeps a list of what was removed when, so all of it is said. Keep deltas and
    /// send those; this is for when they are gone.
    #[must_use]
    pub fn delta_since(&self, known: &Context) -> Self {
        let mut kept: Vec<Dot> = Vec::new();
        self.store.each_dot(&mut |dot| {
            if known.contains(dot) {
                kept.push(dot);
            }
        });
        kept.sort_unstable();
        Self { store: self.store.since(known), context: self.context.without(&kept) }
    }

    /// Writes again, as `replica`, every live write of `old`, so that nothing rests on `old` any more: counts move over,
    /// elements, values and keys get new dots, ballots go. To be done for a replica that will never write again, by one
    /// replica only, which has seen all its writes: two that do it count twice. Between values of a register that have
    /// one timestamp, the new id breaks the tie from then on.
    ///
    /// # Errors
    /// [`Error::Exhausted`], [`Error::Overflow`] when a moved count does not fit; the delta of what was moved before is
    /// lost then, so merge the whole state.
    pub fn retire(&mut self, replica: ReplicaId, old: ReplicaId) -> Result<Self, Error> {
        if replica == old {
            return Ok(Self::from_bare(self.store.bare()));
        }
        let (outcome, delta) =
            self.edit_as(replica, |store, delta, turn| S::retire(&mut Edit { store, delta, turn }, old));
        outcome.map(|()| delta)
    }

    /// Forgets which writes of `old` it has seen, which is what a replica's id costs for ever. Only after
    /// [`retire`](Self::retire), when every replica has its delta and no older delta or state can arrive: an older one
    /// would bring back what was retired. Refuses, with `false`, while a write of `old` is live here.
    pub fn forget(&mut self, old: ReplicaId) -> bool {
        let mut rests = false;
        self.store.each_dot(&mut |dot| rests |= dot.replica == old);
        !rests && self.context.forget(old)
    }

    /// The state in bytes, in the form that the crate's documentation describes. Equal states give equal bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::keeping();
        self.write(&mut out);
        out.into_bytes()
    }

    /// How long [`encode`](Self::encode) would be, in bytes. Costs a walk over the state, no memory to speak of.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let mut out = Writer::counting();
        self.write(&mut out);
        out.counted()
    }

    fn write(&self, out: &mut Writer) {
        out.byte(VERSION);
        out.byte(self.store.kind().tag());
        out.context(&self.context);
        self.store.write(out);
    }
}

/// Reads a state whose type `bare` makes an empty one of.
pub(crate) fn decode<S: Live>(
    bytes: &[u8],
    limits: &Limits,
    bare: impl FnOnce(Kind) -> Result<S, Error>,
) -> Result<Causal<S>, Error> {
    let mut input = Reader::new(bytes, limits)?;
    input.version()?;
    let tag = input.byte()?;
    let mut store = bare(Kind::from_tag(tag).ok_or(Error::UnknownKind(tag))?)?;
    input.context()?;
    store.read(&mut input)?;
    Ok(Causal { store, context: input.finish()? })
}
