// SPDX-License-Identifier: Apache-2.0
//! Flags.

use crate::causal::Causal;
use crate::dot::ReplicaId;
use crate::dots::Dots;
use crate::edit::{Edit, slotted};
use crate::error::Error;
use crate::store::{is_a, wraps};

/// A flag that goes on and stays on; only a map that removes its key takes it back. (A grow-only set of one element:
/// Shapiro et al., 2011, §3.3.1.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flag(Dots<()>);

/// A flag in which enabling wins over disabling at the same time. (`EWFlag` of Almeida, Shoker and Baquero, 2018, §7.4:
/// an add-wins set of one element.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EwFlag(Dots<()>);

wraps!(Flag);
slotted!(Flag, ());
is_a!(Flag, retire: |edit: &mut Edit<'_, Self>, old| edit.adopt(old));

wraps!(EwFlag);
slotted!(EwFlag, ());
is_a!(EwFlag, retire: |edit: &mut Edit<'_, Self>, old| edit.adopt(old));

impl Flag {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.0.is_empty()
    }
}

impl EwFlag {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Edit<'_, Flag> {
    /// Puts it on; if it is on already, that is no write.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn enable(&mut self) -> Result<(), Error> {
        if self.is_on() { Ok(()) } else { self.overwrite(|_| true, ()) }
    }
}

impl Causal<Flag> {
    /// [`Edit::enable`] by itself; gives its delta.
    ///
    /// # Errors
    /// As there.
    pub fn enable(&mut self, replica: ReplicaId) -> Result<Self, Error> {
        let (outcome, delta) = self.edit(replica, |flag| flag.enable());
        outcome.map(|()| delta)
    }
}

impl Edit<'_, EwFlag> {
    /// Puts it on. If it is on, it is put on again, so that it survives a disabling at the same time.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn enable(&mut self) -> Result<(), Error> {
        self.overwrite(|_| true, ())
    }

    /// Puts it off, as far as enablings were seen here.
    pub fn disable(&mut self) {
        self.drop_where(|_| true);
    }
}

impl Causal<EwFlag> {
    /// [`Edit::enable`] by itself; gives its delta.
    ///
    /// # Errors
    /// As there.
    pub fn enable(&mut self, replica: ReplicaId) -> Result<Self, Error> {
        let (outcome, delta) = self.edit(replica, |flag| flag.enable());
        outcome.map(|()| delta)
    }

    /// [`Edit::disable`] by itself; gives its delta.
    pub fn disable(&mut self, replica: ReplicaId) -> Self {
        self.edit(replica, |flag| flag.disable()).1
    }
}
