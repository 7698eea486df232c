// SPDX-License-Identifier: Apache-2.0
//! Registers.

use alloc::sync::Arc;

use crate::causal::Causal;
use crate::dot::{Dot, ReplicaId};
use crate::dots::{Carried, Dots};
use crate::edit::{Edit, slotted};
use crate::error::Error;
use crate::read::Reader;
use crate::store::{is_a, wraps};
use crate::write::Writer;
use crate::{Bytes, checked};

/// A register of which the last write wins: the greatest by (timestamp, replica, bytes of the value). (Shapiro et al.,
/// 2011, §3.2.1. Writes at the same time are all kept, as in [`MvRegister`], until a later one overwrites them: within a
/// map, a removal may have seen the winner and not the others.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LwwRegister(Dots<Stamped>);

/// A register that keeps every value written at the same time. (Shapiro et al., 2011, §3.2.2; `MVRegister` of Almeida,
/// Shoker and Baquero, 2018, §7.4.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MvRegister(Dots<Bytes>);

wraps!(LwwRegister);
slotted!(LwwRegister, Stamped);
is_a!(LwwRegister, retire: |edit: &mut Edit<'_, Self>, old| edit.adopt(old));

wraps!(MvRegister);
slotted!(MvRegister, Bytes);
is_a!(MvRegister, retire: |edit: &mut Edit<'_, Self>, old| edit.adopt(old));

/// A value with its timestamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamped {
    /// When it was written, on the clock that the writer chose.
    pub timestamp: i64,
    /// The value.
    pub value: Bytes,
}

impl Carried for Stamped {
    fn write(&self, out: &mut Writer) {
        out.signed(self.timestamp);
        out.bytes(&self.value);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self { timestamp: input.signed()?, value: input.bytes()? })
    }
}

/// How a write gets its timestamp. Timestamps stop at the ends of their range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The last write wins: now, but after the value that is there.
    Default {
        /// The time, in milliseconds.
        now_ms: i64,
    },
    /// The first write wins: the time backwards, and before the value that is there.
    Reverse {
        /// The time, in milliseconds.
        now_ms: i64,
    },
    /// This timestamp.
    Custom(i64),
    /// This timestamp, or the one after the value that is there if that is not earlier.
    CustomAutoIncrement(i64),
}

impl Clock {
    /// The timestamp of a write over a value with this timestamp, or over none.
    #[must_use]
    pub fn timestamp(self, current: Option<i64>) -> i64 {
        let after = current.map(|current| current.saturating_add(1));
        match self {
            Self::Default { now_ms } => after.map_or(now_ms, |after| after.max(now_ms)),
            Self::Reverse { now_ms } => {
                let before = current.map_or(i64::MAX, |current| current.saturating_sub(1));
                now_ms.saturating_neg().min(before)
            }
            Self::Custom(timestamp) => timestamp,
            Self::CustomAutoIncrement(timestamp) => after.map_or(timestamp, |after| after.max(timestamp)),
        }
    }
}

impl LwwRegister {
    /// The value that wins; nothing before the first write.
    #[must_use]
    pub fn value(&self) -> Option<&Bytes> {
        self.winner().map(|(_, stamped)| &stamped.value)
    }

    /// The winner's timestamp.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        self.winner().map(|(_, stamped)| stamped.timestamp)
    }

    fn winner(&self) -> Option<(Dot, &Stamped)> {
        self.0.iter().max_by(|(left, mine), (right, other)| rank(*left, mine).cmp(&rank(*right, other)))
    }
}

fn rank(dot: Dot, stamped: &Stamped) -> (i64, ReplicaId, &[u8]) {
    (stamped.timestamp, dot.replica, &stamped.value)
}

impl Edit<'_, LwwRegister> {
    /// Writes a value. It takes effect if it wins over the value that is there; says whether it did. A write that does
    /// not win is none.
    ///
    /// # Errors
    /// [`Error::TooLong`] beyond [`MAX_BYTES`](crate::MAX_BYTES); [`Error::Exhausted`].
    pub fn set(&mut self, value: &[u8], clock: Clock) -> Result<bool, Error> {
        let timestamp = clock.timestamp(self.timestamp());
        let stamped = Stamped { timestamp, value: Arc::from(checked(value)?) };
        let mine = (timestamp, self.turn.replica, value);
        if self.winner().is_some_and(|(dot, current)| rank(dot, current) >= mine) {
            return Ok(false);
        }
        self.overwrite(|_| true, stamped)?;
        Ok(true)
    }
}

impl Causal<LwwRegister> {
    /// [`Edit::set`] by itself; gives its delta, which is idle if the write did not win.
    ///
    /// # Errors
    /// As there.
    pub fn set(&mut self, replica: ReplicaId, value: &[u8], clock: Clock) -> Result<Self, Error> {
        let (outcome, delta) = self.edit(replica, |register| register.set(value, clock));
        outcome.map(|_| delta)
    }
}

impl MvRegister {
    /// Every value that no other write has overwritten, by writer.
    pub fn values(&self) -> impl Iterator<Item = &Bytes> {
        self.0.newest().map(|(_, value)| value)
    }
}

impl Edit<'_, MvRegister> {
    /// Writes a value over all that are seen here.
    ///
    /// # Errors
    /// [`Error::TooLong`] beyond [`MAX_BYTES`](crate::MAX_BYTES); [`Error::Exhausted`].
    pub fn set(&mut self, value: &[u8]) -> Result<(), Error> {
        self.overwrite(|_| true, Arc::from(checked(value)?))
    }
}

impl Causal<MvRegister> {
    /// [`Edit::set`] by itself; gives its delta.
    ///
    /// # Errors
    /// As there.
    pub fn set(&mut self, replica: ReplicaId, value: &[u8]) -> Result<Self, Error> {
        let (outcome, delta) = self.edit(replica, |register| register.set(value));
        outcome.map(|()| delta)
    }
}
