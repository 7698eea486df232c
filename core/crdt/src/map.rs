// SPDX-License-Identifier: Apache-2.0
//! Maps of states of any type.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::causal::Causal;
use crate::context::Context;
use crate::dot::{Dot, ReplicaId};
use crate::dots::Dots;
use crate::edit::Edit;
use crate::error::Error;
use crate::kind::Kind;
use crate::read::Reader;
use crate::store::{Change, DotStore, Live, Log, Store, is_a};
use crate::value::Value;
use crate::write::Writer;
use crate::{Bytes, MAX_DEPTH, checked};

/// A map from byte strings to states of any type, maps included. An update wins over a removal at the same time: a
/// removal takes away what it has seen under the key, and no more. So an element added meanwhile stays alone, and a
/// replica that counted meanwhile keeps its whole sum. (`ORMap` of Almeida, Shoker and Baquero, 2018, §7.4: everything in
/// it shares one causal context.)
///
/// A key is there from its first update until a removal, also while its value is empty. If replicas make different types
/// under one key at the same time, the lower [`Kind`] is seen until the key is removed; [`clashes`](Self::clashes) names
/// such keys.
#[derive(Clone, Debug, Default)]
pub struct OrMap {
    keys: BTreeMap<Bytes, Vec<Slot>>,
    /// Under which key each live dot is, however deep: a delta of one dot must not cost a walk over the map.
    places: BTreeMap<Dot, Bytes>,
}

/// What one type has under a key.
#[derive(Clone, Debug, PartialEq)]
struct Slot {
    /// Dots of the updates that the key rests on: the last one, or several at the same time.
    presence: Dots<()>,
    value: Value,
}

impl Slot {
    fn new(kind: Kind) -> Self {
        Self { presence: Dots::default(), value: Value::new(kind) }
    }

    fn is_bare(&self) -> bool {
        self.presence.is_empty() && self.value.is_bare()
    }

    fn each_dot(&self, say: &mut dyn FnMut(Dot)) {
        self.presence.each_dot(say);
        self.value.each_dot(say);
    }

    fn join(&mut self, own: &Context, other: &Self, theirs: &Context, log: &mut Log) {
        self.presence.join(own, &other.presence, theirs, log);
        self.value.join(own, &other.value, theirs, log);
    }
}

impl PartialEq for OrMap {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

is_a!(OrMap, retire: |edit: &mut Edit<'_, Self>, old| edit.adopt(old));

impl OrMap {
    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether it has a key.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key)
    }

    /// What is under a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Value> {
        self.keys.get(key)?.first().map(|slot| &slot.value)
    }

    /// What is under a key, if it is of this type.
    #[must_use]
    pub fn get_as<S: Store>(&self, key: &[u8]) -> Option<&S> {
        self.get(key).and_then(S::of)
    }

    /// Keys with what is under them, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Value)> {
        self.keys.iter().filter_map(|(key, slots)| Some((key, &slots.first()?.value)))
    }

    /// Keys under which different types were made at the same time.
    pub fn clashes(&self) -> impl Iterator<Item = &Bytes> {
        self.keys.iter().filter(|(_, slots)| slots.len() > 1).map(|(key, _)| key)
    }

    /// The slot of a type under a key, made if it is not there.
    fn slot(&mut self, key: &Bytes, kind: Kind) -> &mut Slot {
        let slots = self.keys.entry(key.clone()).or_default();
        let at = slots.binary_search_by_key(&kind, |slot| slot.value.kind()).unwrap_or_else(|at| {
            slots.insert(at, Slot::new(kind));
            at
        });
        &mut slots[at]
    }

    /// Drops what holds no live dot any more under a key.
    fn tidy(&mut self, key: &[u8]) {
        if let Some(slots) = self.keys.get_mut(key) {
            slots.retain(|slot| !slot.is_bare());
            if slots.is_empty() {
                self.keys.remove(key);
            }
        }
    }

    /// Learns which dots became live or went under a key.
    fn note(&mut self, key: &Bytes, changes: &[(Dot, Change)]) {
        for (dot, change) in changes {
            match change {
                Change::Live => self.places.insert(*dot, key.clone()),
                Change::Gone => self.places.remove(dot),
            };
        }
    }

    /// Takes a key out with everything under it; gives the dots that were live there.
    fn take(&mut self, key: &[u8]) -> Vec<Dot> {
        let mut dots = Vec::new();
        for slot in self.keys.remove(key).unwrap_or_default() {
            slot.each_dot(&mut |dot| dots.push(dot));
        }
        for dot in &dots {
            self.places.remove(dot);
        }
        dots
    }

    /// Keys here that a merge may take something from: those of dots that `other` has seen and does not hold.
    fn touched_by(&self, other: &Self, theirs: &Context) -> BTreeSet<Bytes> {
        let mut keys = BTreeSet::new();
        for run in theirs.runs() {
            let (first, last) = run.ends();
            let mut held = other.places.range(first..=last).peekable();
            for (dot, key) in self.places.range(first..=last) {
                while held.next_if(|(other, _)| *other < dot).is_some() {}
                // A dot that it holds under another key is one that two writes bear: neither is kept.
                if held.next_if(|(other, _)| *other == dot).is_none_or(|(_, other)| other != key) {
                    keys.insert(key.clone());
                }
            }
        }
        keys
    }

    fn join_key(&mut self, own: &Context, key: &Bytes, slots: &[Slot], theirs: &Context, log: &mut Log) {
        let mark = log.keep();
        let mine = self.keys.get(key).into_iter().flatten().map(|slot| slot.value.kind());
        let kinds: BTreeSet<Kind> = mine.chain(slots.iter().map(|slot| slot.value.kind())).collect();
        for kind in kinds {
            let bare = Slot::new(kind);
            let other = slots.iter().find(|slot| slot.value.kind() == kind).unwrap_or(&bare);
            self.slot(key, kind).join(own, other, theirs, log);
        }
        self.tidy(key);
        self.note(key, log.since(mark));
    }
}

impl DotStore for OrMap {
    fn is_bare(&self) -> bool {
        self.keys.is_empty()
    }

    fn each_dot(&self, say: &mut dyn FnMut(Dot)) {
        self.places.keys().for_each(|dot| say(*dot));
    }

    fn join(&mut self, own: &Context, other: &Self, theirs: &Context, log: &mut Log) {
        let only_here = self.touched_by(other, theirs);
        for (key, slots) in &other.keys {
            self.join_key(own, key, slots, theirs, log);
        }
        for key in only_here.iter().filter(|key| !other.keys.contains_key(*key)) {
            self.join_key(own, key, &[], theirs, log);
        }
    }

    fn since(&self, known: &Context) -> Self {
        let mut fresh = Self::default();
        for (key, slots) in &self.keys {
            let slots =
                slots.iter().map(|slot| Slot { presence: slot.presence.since(known), value: slot.value.since(known) });
            let slots: Vec<Slot> = slots.filter(|slot| !slot.is_bare()).collect();
            if !slots.is_empty() {
                fresh.keys.insert(key.clone(), slots);
            }
        }
        let places = self.places.iter().filter(|(dot, _)| !known.contains(**dot));
        fresh.places = places.map(|(dot, key)| (*dot, key.clone())).collect();
        fresh
    }

    fn write(&self, out: &mut Writer) {
        out.number(self.keys.len() as u64);
        for (key, slots) in &self.keys {
            out.bytes(key);
            out.number(slots.len() as u64 - 1);
            for slot in slots {
                out.byte(slot.value.kind().tag());
                slot.presence.write(out);
                slot.value.write(out);
            }
        }
    }

    fn read(&mut self, input: &mut Reader<'_>) -> Result<(), Error> {
        input.deeper(|input| {
            let mut last: Option<Bytes> = None;
            for _ in 0..input.count()? {
                let key = input.bytes()?;
                if last.is_some_and(|last| last >= key) {
                    return Err(Error::Malformed("keys out of order"));
                }
                self.read_key(&key, input)?;
                last = Some(key);
            }
            Ok(())
        })
    }
}

impl OrMap {
    fn read_key(&mut self, key: &Bytes, input: &mut Reader<'_>) -> Result<(), Error> {
        let mut slots: Vec<Slot> = Vec::new();
        for _ in 0..=input.count()? {
            let tag = input.byte()?;
            let mut slot = Slot::new(Kind::from_tag(tag).ok_or(Error::UnknownKind(tag))?);
            if slots.last().is_some_and(|last| last.value.kind() >= slot.value.kind()) {
                return Err(Error::Malformed("types out of order"));
            }
            slot.presence.read(input)?;
            slot.value.read(input)?;
            if slot.is_bare() {
                return Err(Error::Malformed("a key that rests on nothing"));
            }
            slots.push(slot);
        }
        let mut twice = false;
        for slot in &slots {
            slot.each_dot(&mut |dot| twice |= self.places.insert(dot, key.clone()).is_some());
        }
        if twice {
            return Err(Error::Malformed("a dot that stands twice"));
        }
        self.keys.insert(key.clone(), slots);
        Ok(())
    }
}

impl Edit<'_, OrMap> {
    /// Writes to what is under a key, which is made if it is not there; gives what `write` gave. An update that changes
    /// nothing under a key that is there is no write.
    ///
    /// # Errors
    /// What `write` refused; what it wrote before stays. [`Error::Clash`] if the key is of another type: remove it
    /// first. [`Error::TooLong`] for a key beyond [`MAX_BYTES`](crate::MAX_BYTES), [`Error::TooDeep`] for a map within
    /// [`MAX_DEPTH`] maps, [`Error::Exhausted`].
    pub fn update<S: Store, R>(
        &mut self,
        key: &[u8],
        write: impl FnOnce(&mut Edit<'_, S>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let found = self.get(key).map(Value::kind);
        if let Some(found) = found.filter(|found| *found != S::KIND) {
            return Err(Error::Clash { found, expected: S::KIND });
        }
        if S::KIND == Kind::OrMap && self.turn.depth >= MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        let key: Bytes = Arc::from(checked(key)?);
        self.within(&key, |edit| {
            let mark = edit.turn.log.keep();
            let outcome = edit.write_to(&key, write);
            let wrote = !edit.turn.log.since(mark).is_empty();
            if wrote || (found.is_none() && outcome.is_ok()) {
                edit.renew(&key, S::KIND)?;
            }
            outcome
        })
    }

    /// Removes a key with everything under it, as far as it was seen here; says whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let dots = self.store.take(key);
        self.delta.take(key);
        for dot in &dots {
            self.turn.drop(*dot);
        }
        !dots.is_empty()
    }

    /// Removes every key that is seen here.
    pub fn clear(&mut self) {
        *self.delta = OrMap::default();
        for dot in core::mem::take(self.store).places.into_keys() {
            self.turn.drop(dot);
        }
    }

    /// Runs what writes under a key, and sees to it afterwards, however it ended, that the map knows its dots.
    fn within<R>(&mut self, key: &Bytes, write: impl FnOnce(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        let mark = self.turn.log.keep();
        let outcome = write(self);
        for map in [&mut *self.store, &mut *self.delta] {
            map.note(key, self.turn.log.since(mark));
            map.tidy(key);
        }
        outcome
    }

    fn write_to<S: Store, R>(
        &mut self,
        key: &Bytes,
        write: impl FnOnce(&mut Edit<'_, S>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let Self { store, delta, turn } = self;
        let (store, delta) = (store.slot(key, S::KIND), delta.slot(key, S::KIND));
        // A slot holds what its kind says, so both are there.
        let clash = Error::Clash { found: store.value.kind(), expected: S::KIND };
        let (store, delta) = S::of_mut(&mut store.value).zip(S::of_mut(&mut delta.value)).ok_or(clash)?;
        write(&mut Edit { store, delta, turn: turn.deeper() })
    }

    /// Lets a key rest on a dot of this edit.
    fn renew(&mut self, key: &Bytes, kind: Kind) -> Result<(), Error> {
        let dot = self.turn.dot()?;
        let (slot, same) = (self.store.slot(key, kind), self.delta.slot(key, kind));
        let old: Vec<Dot> = slot.presence.iter().map(|(dot, ())| dot).collect();
        for dot in old {
            slot.presence.remove(dot);
            same.presence.remove(dot);
            self.turn.drop(dot);
        }
        slot.presence.insert(dot, ());
        same.presence.insert(dot, ());
        Ok(())
    }

    /// Writes again what another replica has written.
    fn adopt(&mut self, old: ReplicaId) -> Result<(), Error> {
        let range = Dot::new(old, 0)..=Dot::new(old, u64::MAX);
        let keys: BTreeSet<Bytes> = self.store.places.range(range).map(|(_, key)| key.clone()).collect();
        for key in keys {
            let kinds: Vec<Kind> =
                self.store.keys.get(&key).into_iter().flatten().map(|slot| slot.value.kind()).collect();
            self.within(&key, |edit| kinds.into_iter().try_for_each(|kind| edit.adopt_slot(&key, kind, old)))?;
        }
        Ok(())
    }

    fn adopt_slot(&mut self, key: &Bytes, kind: Kind, old: ReplicaId) -> Result<(), Error> {
        if self.store.slot(key, kind).presence.iter().any(|(dot, ())| dot.replica == old) {
            self.renew(key, kind)?;
        }
        let Self { store, delta, turn } = self;
        let (store, delta) = (&mut store.slot(key, kind).value, &mut delta.slot(key, kind).value);
        Value::retire(&mut Edit { store, delta, turn: turn.deeper() }, old)
    }
}

impl Causal<OrMap> {
    /// [`Edit::update`] by itself; gives its delta.
    ///
    /// # Errors
    /// As there; if `write` had written before it was refused, that is kept here and its delta is not given.
    pub fn update<S: Store>(
        &mut self,
        replica: ReplicaId,
        key: &[u8],
        write: impl FnOnce(&mut Edit<'_, S>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let (outcome, delta) = self.edit(replica, |map| map.update(key, write));
        outcome.map(|()| delta)
    }

    /// [`Edit::remove`] by itself; gives its delta, which is idle if the key was not there.
    pub fn remove(&mut self, replica: ReplicaId, key: &[u8]) -> Self {
        self.edit(replica, |map| map.remove(key)).1
    }

    /// [`Edit::clear`] by itself; gives its delta.
    pub fn clear(&mut self, replica: ReplicaId) -> Self {
        self.edit(replica, |all| all.clear()).1
    }
}
