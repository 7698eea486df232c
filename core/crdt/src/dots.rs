// SPDX-License-Identifier: Apache-2.0
//! A value for each live dot.

use alloc::vec::Vec;

use crate::context::Context;
use crate::dot::{Dot, ReplicaId};
use crate::error::Error;
use crate::read::Reader;
use crate::store::{Change, DotStore, Log};
use crate::write::Writer;

/// What a dot can carry. The order decides when two states hold different values for one dot, which only broken
/// replicas cause: the greater is kept, so that even then all replicas come to agree.
pub(crate) trait Carried: Clone + Ord {
    fn write(&self, out: &mut Writer);
    fn read(input: &mut Reader<'_>) -> Result<Self, Error>;
}

/// The dot function `DotFun` of Almeida, Shoker and Baquero (2018, §7.2), for types with about one live dot a replica:
/// an ordered list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dots<V> {
    live: Vec<(Dot, V)>,
}

impl<V> Default for Dots<V> {
    fn default() -> Self {
        Self { live: Vec::new() }
    }
}

impl<V: Carried> Dots<V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Dot, &V)> {
        self.live.iter().map(|(dot, value)| (*dot, value))
    }

    /// The newest of each replica. A replica overwrites what it wrote before, but where a delta was lost an older write
    /// may stay until the loss is made up for.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (Dot, &V)> {
        let replica = |at: usize| self.live.get(at).map(|(dot, _)| dot.replica);
        (0..self.live.len())
            .filter(move |at| replica(*at) != replica(at + 1))
            .map(|at| (self.live[at].0, &self.live[at].1))
    }

    pub(crate) fn newest_of(&self, replica: ReplicaId) -> Option<&V> {
        self.newest().find(|(dot, _)| dot.replica == replica).map(|(_, value)| value)
    }

    pub(crate) fn insert(&mut self, dot: Dot, value: V) {
        match self.place(dot) {
            Ok(at) => self.live[at].1 = value,
            Err(at) => self.live.insert(at, (dot, value)),
        }
    }

    pub(crate) fn remove(&mut self, dot: Dot) {
        if let Ok(at) = self.place(dot) {
            self.live.remove(at);
        }
    }

    fn place(&self, dot: Dot) -> Result<usize, usize> {
        self.live.binary_search_by_key(&dot, |(dot, _)| *dot)
    }
}

impl<V: Carried> DotStore for Dots<V> {
    fn is_bare(&self) -> bool {
        self.is_empty()
    }

    fn each_dot(&self, say: &mut dyn FnMut(Dot)) {
        self.live.iter().for_each(|(dot, _)| say(*dot));
    }

    fn join(&mut self, own: &Context, other: &Self, theirs: &Context, log: &mut Log) {
        if *self == *other {
            return;
        }
        let mut joined = Vec::with_capacity(self.live.len().max(other.live.len()));
        let (mut left, mut right) =
            (core::mem::take(&mut self.live).into_iter().peekable(), other.live.iter().peekable());
        loop {
            let (mine, other) = (left.peek().map(|(dot, _)| *dot), right.peek().map(|(dot, _)| *dot));
            match (mine, other) {
                (None, None) => break,
                (Some(mine), Some(other)) if mine == other => {
                    joined.extend(left.next().zip(right.next()).map(|(mine, other)| greater(mine, other, log)));
                }
                (Some(mine), other) if other.is_none_or(|other| mine < other) => {
                    let entry = left.next();
                    if theirs.contains(mine) {
                        log.say(mine, Change::Gone);
                    } else {
                        joined.extend(entry);
                    }
                }
                (_, Some(other)) => {
                    let entry = right.next();
                    if !own.contains(other) {
                        joined.extend(entry.cloned());
                        log.say(other, Change::Live);
                    }
                }
                (Some(_), None) => {}
            }
        }
        self.live = joined;
    }

    fn since(&self, known: &Context) -> Self {
        Self { live: self.live.iter().filter(|(dot, _)| !known.contains(*dot)).cloned().collect() }
    }

    fn write(&self, out: &mut Writer) {
        out.number(self.live.len() as u64);
        for (dot, value) in &self.live {
            out.dot(*dot);
            value.write(out);
        }
    }

    fn read(&mut self, input: &mut Reader<'_>) -> Result<(), Error> {
        let count = input.count()?;
        self.live = Vec::with_capacity(Reader::room(count));
        for _ in 0..count {
            let dot = input.dot()?;
            if self.live.last().is_some_and(|(last, _)| *last >= dot) {
                return Err(Error::Malformed("dots out of order"));
            }
            self.live.push((dot, V::read(input)?));
        }
        Ok(())
    }
}

fn greater<V: Carried>(mine: (Dot, V), other: &(Dot, V), log: &mut Log) -> (Dot, V) {
    if mine.1 >= other.1 {
        return mine;
    }
    log.altered();
    other.clone()
}

impl Carried for () {
    fn write(&self, _: &mut Writer) {}

    fn read(_: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(())
    }
}

impl Carried for u64 {
    fn write(&self, out: &mut Writer) {
        out.number(*self);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Error> {
        input.number()
    }
}

impl Carried for i64 {
    fn write(&self, out: &mut Writer) {
        out.signed(*self);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Error> {
        input.signed()
    }
}

impl Carried for crate::Bytes {
    fn write(&self, out: &mut Writer) {
        out.bytes(self);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Error> {
        input.bytes()
    }
}
