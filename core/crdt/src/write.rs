// SPDX-License-Identifier: Apache-2.0
//! Putting states into bytes.

use alloc::vec::Vec;

use crate::context::Context;
use crate::dot::{Dot, ReplicaId};

/// Takes the bytes of one state, or only counts them.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    counted: usize,
    keeps: bool,
    /// Replicas of the context, by which dots name theirs.
    replicas: Vec<ReplicaId>,
}

impl Writer {
    pub(crate) const fn keeping() -> Self {
        Self { bytes: Vec::new(), counted: 0, keeps: true, replicas: Vec::new() }
    }

    pub(crate) const fn counting() -> Self {
        Self { bytes: Vec::new(), counted: 0, keeps: false, replicas: Vec::new() }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn counted(&self) -> usize {
        self.counted
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.raw(&[byte]);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.counted += bytes.len();
        if self.keeps {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Seven bits a byte, the low ones first; the top bit says that more follow.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    /// A signed number: zigzag, so that small ones are short.
    pub(crate) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    /// Their number, then the bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.raw(bytes);
    }

    pub(crate) fn dot(&mut self, dot: Dot) {
        let place = self.place(dot.replica);
        self.number(place);
        self.number(dot.counter);
    }

    /// Where a replica stands in the context's table.
    pub(crate) fn place(&self, replica: ReplicaId) -> u64 {
        self.replicas.binary_search(&replica).unwrap_or_else(|place| place) as u64
    }

    /// The context: the table of replicas, then the runs of each. What is written after it names replicas by place.
    pub(crate) fn context(&mut self, context: &Context) {
        self.replicas = context.replicas().collect();
        self.number(self.replicas.len() as u64);
        for place in 0..self.replicas.len() {
            self.raw(&self.replicas[place].0.to_be_bytes());
        }
        for runs in context.runs().chunk_by(|left, right| left.replica == right.replica) {
            self.number(runs.len() as u64 - 1);
            let mut next = 1;
            for run in runs {
                self.number(run.first - next);
                self.number(run.last - run.first);
                // The one behind a run is not in the next run, or they would be one.
                next = run.last.saturating_add(2);
            }
        }
    }
}
