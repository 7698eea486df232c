// SPDX-License-Identifier: Apache-2.0
//! Sets of byte strings.

use alloc::sync::Arc;

use crate::causal::Causal;
use crate::dot::{Dot, ReplicaId};
use crate::edit::Edit;
use crate::elements::Elements;
use crate::error::Error;
use crate::store::{is_a, wraps};
use crate::{Bytes, checked};

/// A set that only grows. (Shapiro et al., 2011, §3.3.1; elements bear dots, so that a map can remove it with its key.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GSet(Elements);

/// A set in which an addition wins over a removal at the same time: a removal takes away the additions that it has
/// seen, and no others. Nothing is kept of what was removed. (Bieniusa, Zawirski, Preguiça, Shapiro, Baquero, Balegas,
/// Duarte: *An optimized conflict-free replicated set*, 2012; its deltas: `AWORSet` of Almeida, Shoker and Baquero, 2018,
/// §7.3.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrSet(Elements);

wraps!(GSet);
wraps!(OrSet);
is_a!(GSet, retire: |edit: &mut Edit<'_, Self>, old| edit.rewrite(old));
is_a!(OrSet, retire: |edit: &mut Edit<'_, Self>, old| edit.rewrite(old));

trait Set {
    fn elements_mut(&mut self) -> &mut Elements;
}

macro_rules! reads {
    ($name:ident) => {
        impl Set for $name {
            fn elements_mut(&mut self) -> &mut Elements {
                &mut self.0
            }
        }

        impl $name {
            /// How many elements it has.
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether it has none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// Whether an element is in it.
            #[must_use]
            pub fn contains(&self, element: &[u8]) -> bool {
                self.0.contains(element)
            }

            /// Its elements: by the replica that added them, each replica's in the order of addition. Equal sets give
            /// the same order.
            pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
                self.0.iter()
            }
        }
    };
}

reads!(GSet);
reads!(OrSet);

#[expect(private_bounds, reason = "what it gives is for the sets of this crate")]
impl<S: Set> Edit<'_, S> {
    /// Puts an element under a new dot in place of those it has.
    fn put(&mut self, element: Bytes) -> Result<(), Error> {
        let dot = self.turn.dot()?;
        for old in self.store.elements_mut().replace(dot, element.clone()) {
            self.delta.elements_mut().remove(old);
            self.turn.drop(old);
        }
        self.delta.elements_mut().insert(dot, element);
        Ok(())
    }

    /// Takes an element away; says whether it was there.
    fn take(&mut self, element: &[u8]) -> bool {
        let dots = self.store.elements_mut().dots_of(element);
        dots.iter().for_each(|dot| self.drop_dot(*dot));
        !dots.is_empty()
    }

    fn drop_dot(&mut self, dot: Dot) {
        self.store.elements_mut().remove(dot);
        self.delta.elements_mut().remove(dot);
        self.turn.drop(dot);
    }

    /// Writes again what another replica has written.
    fn rewrite(&mut self, old: ReplicaId) -> Result<(), Error> {
        for (old, element) in self.store.elements_mut().written_by(Some(old)) {
            let dot = self.turn.dot()?;
            self.drop_dot(old);
            self.store.elements_mut().insert(dot, element.clone());
            self.delta.elements_mut().insert(dot, element);
        }
        Ok(())
    }
}

impl Edit<'_, GSet> {
    /// Adds an element; one that is there already is no write.
    ///
    /// # Errors
    /// [`Error::TooLong`] beyond [`MAX_BYTES`](crate::MAX_BYTES); [`Error::Exhausted`].
    pub fn add(&mut self, element: &[u8]) -> Result<(), Error> {
        if self.contains(element) { Ok(()) } else { self.put(Arc::from(checked(element)?)) }
    }
}

impl Causal<GSet> {
    /// [`Edit::add`] by itself; gives its delta.
    ///
    /// # Errors
    /// As there.
    pub fn add(&mut self, replica: ReplicaId, element: &[u8]) -> Result<Self, Error> {
        let (outcome, delta) = self.edit(replica, |set| set.add(element));
        outcome.map(|()| delta)
    }
}

impl Edit<'_, OrSet> {
    /// Adds an element. One that is there is added again, so that it survives a removal at the same time.
    ///
    /// # Errors
    /// [`Error::TooLong`] beyond [`MAX_BYTES`](crate::MAX_BYTES); [`Error::Exhausted`].
    pub fn add(&mut self, element: &[u8]) -> Result<(), Error> {
        self.put(Arc::from(checked(element)?))
    }

    /// Removes an element, as far as its additions were seen here; says whether it was there.
    pub fn remove(&mut self, element: &[u8]) -> bool {
        self.take(element)
    }

    /// Removes every element that is seen here.
    pub fn clear(&mut self) {
        for (dot, _) in self.0.written_by(None) {
            self.drop_dot(dot);
        }
    }
}

impl Causal<OrSet> {
    /// [`Edit::add`] by itself; gives its delta.
    ///
    /// # Errors
    /// As there.
    pub fn add(&mut self, replica: ReplicaId, element: &[u8]) -> Result<Self, Error> {
        let (outcome, delta) = self.edit(replica, |set| set.add(element));
        outcome.map(|()| delta)
    }

    /// [`Edit::remove`] by itself; gives its delta, which is idle if the element was not there.
    pub fn remove(&mut self, replica: ReplicaId, element: &[u8]) -> Self {
        self.edit(replica, |set| set.remove(element)).1
    }

    /// [`Edit::clear`] by itself; gives its delta.
    pub fn clear(&mut self, replica: ReplicaId) -> Self {
        self.edit(replica, |all| all.clear()).1
    }
}
