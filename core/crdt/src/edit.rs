// SPDX-License-Identifier: Apache-2.0
//! One replica's turn: it writes to its state, and the same writes are gathered in a delta.

use alloc::vec::Vec;
use core::ops::Deref;

use crate::context::Context;
use crate::dot::{Dot, ReplicaId};
use crate::dots::{Carried, Dots};
use crate::error::Error;
use crate::store::{Change, Log};

/// Writes to a state in the name of a replica; see [`Causal::edit`](crate::Causal::edit). Reads as the state does, with
/// what was written already.
///
/// A write takes a new dot and drops the dots that it overwrites; both are in the delta, with nothing else.
#[derive(Debug)]
pub struct Edit<'a, S> {
    pub(crate) store: &'a mut S,
    pub(crate) delta: &'a mut S,
    pub(crate) turn: Turn<'a>,
}

/// What all writes of one edit share.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) replica: ReplicaId,
    pub(crate) context: &'a mut Context,
    /// The delta's context: dots made or dropped.
    pub(crate) touched: &'a mut Context,
    pub(crate) log: &'a mut Log,
    /// Maps that it is in.
    pub(crate) depth: usize,
}

impl Turn<'_> {
    /// The same, for a part.
    pub(crate) fn here(&mut self) -> Turn<'_> {
        let Self { replica, depth, .. } = *self;
        Turn { replica, context: self.context, touched: self.touched, log: self.log, depth }
    }

    /// The same, for what is nested one deeper.
    pub(crate) fn deeper(&mut self) -> Turn<'_> {
        let mut turn = self.here();
        turn.depth += 1;
        turn
    }

    /// A dot that nobody has used.
    pub(crate) fn dot(&mut self) -> Result<Dot, Error> {
        let last = self.context.last(self.replica);
        let counter = last.checked_add(1).ok_or(Error::Exhausted(self.replica))?;
        let dot = Dot::new(self.replica, counter);
        self.context.insert(dot);
        self.touched.insert(dot);
        self.log.say(dot, Change::Live);
        Ok(dot)
    }

    /// A dot that is live no more.
    pub(crate) fn drop(&mut self, dot: Dot) {
        self.touched.insert(dot);
        self.log.say(dot, Change::Gone);
    }
}

impl<S> Deref for Edit<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        self.store
    }
}

/// A type that is a value for each of some dots.
pub(crate) trait Slotted {
    type Value: Carried;

    fn slots(&self) -> &Dots<Self::Value>;

    fn slots_mut(&mut self) -> &mut Dots<Self::Value>;
}

macro_rules! slotted {
    ($name:ident, $value:ty) => {
        impl $crate::edit::Slotted for $name {
            type Value = $value;

            fn slots(&self) -> &$crate::dots::Dots<$value> {
                &self.0
            }

            fn slots_mut(&mut self) -> &mut $crate::dots::Dots<$value> {
                &mut self.0
            }
        }
    };
}
pub(crate) use slotted;

#[expect(private_bounds, reason = "what it gives is for the types of this crate")]
impl<S: Slotted> Edit<'_, S> {
    /// Writes a value under a new dot, in place of the live ones that `covers` picks.
    pub(crate) fn overwrite(&mut self, covers: impl Fn(Dot) -> bool, value: S::Value) -> Result<(), Error> {
        let dot = self.turn.dot()?;
        self.drop_where(covers);
        self.store.slots_mut().insert(dot, value.clone());
        self.delta.slots_mut().insert(dot, value);
        Ok(())
    }

    /// Drops the live dots that `covers` picks; says whether there was one.
    pub(crate) fn drop_where(&mut self, covers: impl Fn(Dot) -> bool) -> bool {
        let old: Vec<Dot> = self.store.slots().iter().map(|(dot, _)| dot).filter(|dot| covers(*dot)).collect();
        for dot in &old {
            self.store.slots_mut().remove(*dot);
            self.delta.slots_mut().remove(*dot);
            self.turn.drop(*dot);
        }
        !old.is_empty()
    }

    /// Writes again what another replica has written, dot by dot.
    pub(crate) fn adopt(&mut self, old: ReplicaId) -> Result<(), Error> {
        let theirs: Vec<_> = self
            .store
            .slots()
            .iter()
            .filter(|(dot, _)| dot.replica == old)
            .map(|(dot, value)| (dot, value.clone()))
            .collect();
        for (dot, value) in theirs {
            self.overwrite(|other| other == dot, value)?;
        }
        Ok(())
    }
}
