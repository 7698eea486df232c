// SPDX-License-Identifier: Apache-2.0
//! A list that is nearly always of one.

use alloc::vec::Vec;

/// One without asking for memory, more in a list: what deltas are made of.
#[derive(Clone, Debug)]
pub(crate) struct Short<T> {
    one: Option<T>,
    /// Empty if there is one.
    more: Vec<T>,
}

impl<T> Default for Short<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: PartialEq> PartialEq for Short<T> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Eq> Eq for Short<T> {}

impl<T> Short<T> {
    pub(crate) const fn new() -> Self {
        Self { one: None, more: Vec::new() }
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { one: None, more: Vec::with_capacity(capacity) }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        if self.one.is_some() { self.one.as_slice() } else { &self.more }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        if self.one.is_some() { self.one.as_mut_slice() } else { &mut self.more }
    }

    /// All of it as a list, to change at will.
    pub(crate) fn as_list(&mut self) -> &mut Vec<T> {
        self.more.extend(self.one.take());
        &mut self.more
    }

    pub(crate) fn insert(&mut self, at: usize, item: T) {
        if self.one.is_none() && self.more.capacity() == 0 {
            self.one = Some(item);
        } else {
            self.as_list().insert(at, item);
        }
    }
}
