// SPDX-License-Identifier: Apache-2.0
//! Counters.

use crate::causal::Causal;
use crate::dot::ReplicaId;
use crate::dots::Dots;
use crate::edit::{Edit, slotted};
use crate::error::Error;
use crate::store::{is_a, wraps};

/// A counter that only grows. (Shapiro et al., *A comprehensive study of convergent and commutative replicated data
/// types*, 2011, §3.1.1, with each replica's sum under a dot.)
///
/// Within a map it can be removed with its key; an increment at the same time as the removal keeps that replica's whole
/// sum. (Baquero, Almeida, Lerche: *The problem with embedded CRDT counters and a solution*, 2016.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GCounter(Dots<u64>);

wraps!(GCounter);
slotted!(GCounter, u64);
is_a!(GCounter, retire: |edit: &mut Edit<'_, Self>, old| {
    let Some(moved) = edit.0.newest_of(old).copied() else { return Ok(()) };
    let sum = edit.own().checked_add(moved).ok_or(Error::Overflow)?;
    let own = edit.turn.replica;
    edit.overwrite(|dot| dot.replica == old || dot.replica == own, sum)
});

impl GCounter {
    /// The count. Replicas that were apart can count beyond `u64` together: then this stays at its end, and
    /// [`total`](Self::total) tells.
    #[must_use]
    pub fn value(&self) -> u64 {
        u64::try_from(self.total()).unwrap_or(u64::MAX)
    }

    /// The exact count.
    #[must_use]
    pub fn total(&self) -> u128 {
        self.0.newest().map(|(_, sum)| u128::from(*sum)).sum()
    }
}

impl Edit<'_, GCounter> {
    fn own(&self) -> u64 {
        self.0.newest_of(self.turn.replica).copied().unwrap_or(0)
    }

    /// Counts on; by 0 is no write.
    ///
    /// # Errors
    /// [`Error::Overflow`] when the count, as seen here, would not fit; [`Error::Exhausted`].
    pub fn increment(&mut self, by: u64) -> Result<(), Error> {
        if by == 0 {
            return Ok(());
        }
        u64::try_from(self.total() + u128::from(by)).map_err(|_| Error::Overflow)?;
        let (own, sum) = (self.turn.replica, self.own().checked_add(by).ok_or(Error::Overflow)?);
        self.overwrite(|dot| dot.replica == own, sum)
    }
}

impl Causal<GCounter> {
    /// [`Edit::increment`] by itself; gives its delta.
    ///
    /// # Errors
    /// As there.
    pub fn increment(&mut self, replica: ReplicaId, by: u64) -> Result<Self, Error> {
        let (outcome, delta) = self.edit(replica, |counter| counter.increment(by));
        outcome.map(|()| delta)
    }
}

/// A counter that goes both ways. (Shapiro et al., 2011, §3.1.2; with one writer for each sum, one signed sum under a
/// dot does the work of two that only grow.)
///
/// Within a map it is removed as [`GCounter`] is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PnCounter(Dots<i64>);

wraps!(PnCounter);
slotted!(PnCounter, i64);
is_a!(PnCounter, retire: |edit: &mut Edit<'_, Self>, old| {
    let Some(moved) = edit.0.newest_of(old).copied() else { return Ok(()) };
    let sum = edit.own().checked_add(moved).ok_or(Error::Overflow)?;
    let own = edit.turn.replica;
    edit.overwrite(|dot| dot.replica == old || dot.replica == own, sum)
});

impl PnCounter {
    /// The count. Replicas that were apart can count beyond `i64` together: then this stays at that end, and
    /// [`total`](Self::total) tells.
    #[must_use]
    pub fn value(&self) -> i64 {
        let total = self.total();
        i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX })
    }

    /// The exact count.
    #[must_use]
    pub fn total(&self) -> i128 {
        self.0.newest().map(|(_, sum)| i128::from(*sum)).sum()
    }
}

impl Edit<'_, PnCounter> {
    fn own(&self) -> i64 {
        self.0.newest_of(self.turn.replica).copied().unwrap_or(0)
    }

    /// Counts up, or down by a negative number; by 0 is no write.
    ///
    /// # Errors
    /// [`Error::Overflow`] when the count, as seen here, or this replica's share of it would not fit;
    /// [`Error::Exhausted`].
    pub fn change(&mut self, by: i64) -> Result<(), Error> {
        if by == 0 {
            return Ok(());
        }
        i64::try_from(self.total() + i128::from(by)).map_err(|_| Error::Overflow)?;
        let (own, sum) = (self.turn.replica, self.own().checked_add(by).ok_or(Error::Overflow)?);
        self.overwrite(|dot| dot.replica == own, sum)
    }
}

impl Causal<PnCounter> {
    /// [`Edit::change`] by itself; gives its delta.
    ///
    /// # Errors
    /// As there.
    pub fn change(&mut self, replica: ReplicaId, by: i64) -> Result<Self, Error> {
        let (outcome, delta) = self.edit(replica, |counter| counter.change(by));
        outcome.map(|()| delta)
    }
}
