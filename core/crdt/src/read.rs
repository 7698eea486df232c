// SPDX-License-Identifier: Apache-2.0
//! Making states of bytes that anybody may have sent.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::causal::VERSION;
use crate::context::{Context, Run};
use crate::dot::{Dot, ReplicaId};
use crate::error::Error;
use crate::{Bytes, MAX_BYTES, MAX_DEPTH};

/// What bytes may cost before they are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of a whole encoded state, in bytes: 64 MiB.
    pub bytes: usize,
    /// Replicas, runs, dots and entries of it, all together: 4 194 304. Each costs about a hundred bytes of memory.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, parts: 4 << 20 }
    }
}

/// Reads one state. Nothing is reserved for more than what the bytes at hand can hold.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    limits: Limits,
    /// Parts that may still come.
    parts: usize,
    depth: usize,
    replicas: Vec<ReplicaId>,
    context: Context,
}

/// Room that is reserved on the word of a length alone.
const RESERVED: usize = 256;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        if bytes.len() > limits.bytes {
            return Err(Error::TooLong { limit: limits.bytes });
        }
        let (replicas, context) = (Vec::new(), Context::new());
        Ok(Self { rest: bytes, limits: *limits, parts: limits.parts, depth: 0, replicas, context })
    }

    /// The context that it read; everything must have been read.
    pub(crate) fn finish(self) -> Result<Context, Error> {
        if self.rest.is_empty() { Ok(self.context) } else { Err(Error::Trailing) }
    }

    pub(crate) fn version(&mut self) -> Result<(), Error> {
        let version = self.byte()?;
        if version == VERSION { Ok(()) } else { Err(Error::Version(version)) }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.rest.split_first().ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Error> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Error::Malformed("a number beyond 64 bits"));
            }
            number |= bits << shift;
            if byte < 0x80 {
                return if byte == 0 && shift > 0 {
                    Err(Error::Malformed("a number with idle bytes"))
                } else {
                    Ok(number)
                };
            }
        }
        Err(Error::Malformed("a number beyond 64 bits"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Error> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// How many parts follow, each of which takes at least one byte.
    pub(crate) fn count(&mut self) -> Result<usize, Error> {
        let count = usize::try_from(self.number()?).map_err(|_| Error::Truncated)?;
        if count > self.rest.len() {
            return Err(Error::Truncated);
        }
        self.parts = self.parts.checked_sub(count).ok_or(Error::TooMany { limit: self.limits.parts })?;
        Ok(count)
    }

    /// What to reserve for so many parts.
    pub(crate) fn room(count: usize) -> usize {
        count.min(RESERVED)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Error> {
        let length = self.number()?;
        self.exactly(length)
    }

    pub(crate) fn exactly(&mut self, length: u64) -> Result<Bytes, Error> {
        let length = usize::try_from(length).map_err(|_| Error::Truncated)?;
        if length > MAX_BYTES {
            return Err(Error::TooLong { limit: MAX_BYTES });
        }
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(Arc::from(taken))
    }

    /// A live dot: one that the context holds.
    pub(crate) fn dot(&mut self) -> Result<Dot, Error> {
        let place = self.number()?;
        let counter = self.number()?;
        self.live(place, counter)
    }

    pub(crate) fn live(&self, place: u64, counter: u64) -> Result<Dot, Error> {
        let replica = usize::try_from(place).ok().and_then(|place| self.replicas.get(place));
        let dot = Dot::new(*replica.ok_or(Error::Malformed("a replica that the table does not have"))?, counter);
        if self.context.contains(dot) {
            Ok(dot)
        } else {
            Err(Error::Malformed("a live dot that the context has not seen"))
        }
    }

    /// Reads what is nested one deeper.
    pub(crate) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        self.depth += 1;
        let outcome = read(self);
        self.depth -= 1;
        outcome
    }

    /// The context, by which everything after it is read.
    pub(crate) fn context(&mut self) -> Result<(), Error> {
        let count = self.count()?;
        let mut replicas: Vec<ReplicaId> = Vec::with_capacity(Self::room(count));
        for _ in 0..count {
            let (id, rest) = self.rest.split_first_chunk().ok_or(Error::Truncated)?;
            self.rest = rest;
            let id = ReplicaId(u64::from_be_bytes(*id));
            if replicas.last().is_some_and(|last| *last >= id) {
                return Err(Error::Malformed("replicas out of order"));
            }
            replicas.push(id);
        }
        for replica in &replicas {
            self.runs(*replica)?;
        }
        self.replicas = replicas;
        Ok(())
    }

    fn runs(&mut self, replica: ReplicaId) -> Result<(), Error> {
        let past = Error::Malformed("a run beyond 64 bits");
        let more = self.count()?;
        let mut next = Some(1_u64);
        for _ in 0..=more {
            let gap = self.number()?;
            let first = next.and_then(|next| next.checked_add(gap)).ok_or(past)?;
            let last = first.checked_add(self.number()?).ok_or(past)?;
            self.context.append(Run { replica, first, last });
            next = last.checked_add(2);
        }
        Ok(())
    }
}
