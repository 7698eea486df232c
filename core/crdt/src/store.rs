// SPDX-License-Identifier: Apache-2.0
//! What every type does with its live dots.

use alloc::vec::Vec;

use crate::context::Context;
use crate::dot::{Dot, ReplicaId};
use crate::edit::Edit;
use crate::error::Error;
use crate::kind::Kind;
use crate::read::Reader;
use crate::value::Value;
use crate::write::Writer;

/// A type of state: what is kept beside the causal context. Implemented by the types of this crate only.
pub trait Store: Live + Nested + Default {
    /// Its type.
    const KIND: Kind;
}

/// The live part of a state: a *dot store* of Almeida, Shoker and Baquero (2018, §7.2).
pub trait DotStore: Clone + PartialEq {
    /// Whether no dot is live.
    fn is_bare(&self) -> bool;

    /// Says every live dot, in no order.
    fn each_dot(&self, say: &mut dyn FnMut(Dot));

    /// Takes what `other` has and drops what it has seen dropped; `own` and `theirs` are the contexts of both.
    fn join(&mut self, own: &Context, other: &Self, theirs: &Context, log: &mut Log);

    /// What of it bears dots that are not known.
    fn since(&self, known: &Context) -> Self;

    fn write(&self, out: &mut Writer);

    /// Reads into an empty one.
    fn read(&mut self, input: &mut Reader<'_>) -> Result<(), Error>;
}

/// A dot store with its type.
pub trait Live: DotStore {
    fn kind(&self) -> Kind;

    /// An empty one of the same type.
    fn bare(&self) -> Self;

    /// Writes again, as the editing replica, what `old` has written.
    fn retire(edit: &mut Edit<'_, Self>, old: ReplicaId) -> Result<(), Error>;
}

/// A type among the others, as a map holds it.
pub trait Nested: Sized {
    fn wrap(self) -> Value;
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
}

/// Makes a dot store of a type that wraps one.
macro_rules! wraps {
    ($name:ident) => {
        impl $crate::store::DotStore for $name {
            fn is_bare(&self) -> bool {
                self.0.is_bare()
            }

            fn each_dot(&self, say: &mut dyn FnMut($crate::Dot)) {
                self.0.each_dot(say);
            }

            fn join(
                &mut self,
                own: &$crate::Context,
                other: &Self,
                theirs: &$crate::Context,
                log: &mut $crate::store::Log,
            ) {
                self.0.join(own, &other.0, theirs, log);
            }

            fn since(&self, known: &$crate::Context) -> Self {
                Self(self.0.since(known))
            }

            fn write(&self, out: &mut $crate::write::Writer) {
                self.0.write(out);
            }

            fn read(&mut self, input: &mut $crate::read::Reader<'_>) -> Result<(), $crate::Error> {
                self.0.read(input)
            }
        }
    };
}

/// Makes a dot store one of the types.
macro_rules! is_a {
    ($name:ident, retire: $retire:expr) => {
        impl $crate::store::Live for $name {
            fn kind(&self) -> $crate::Kind {
                $crate::Kind::$name
            }

            fn bare(&self) -> Self {
                Self::default()
            }

            fn retire(edit: &mut $crate::Edit<'_, Self>, old: $crate::ReplicaId) -> Result<(), $crate::Error> {
                $retire(edit, old)
            }
        }

        impl $crate::store::Nested for $name {
            fn wrap(self) -> $crate::Value {
                $crate::Value::$name(self)
            }

            fn of(value: &$crate::Value) -> Option<&Self> {
                match value {
                    $crate::Value::$name(store) => Some(store),
                    _ => None,
                }
            }

            fn of_mut(value: &mut $crate::Value) -> Option<&mut Self> {
                match value {
                    $crate::Value::$name(store) => Some(store),
                    _ => None,
                }
            }
        }

        impl $crate::Store for $name {
            const KIND: $crate::Kind = $crate::Kind::$name;
        }
    };
}

pub(crate) use {is_a, wraps};

/// What a merge or an edit did to the live dots, for the maps above.
#[derive(Debug, Default)]
pub struct Log {
    /// Whether the changes are wanted; only maps do.
    kept: bool,
    changed: bool,
    changes: Vec<(Dot, Change)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Live,
    Gone,
}

impl Log {
    pub(crate) fn say(&mut self, dot: Dot, change: Change) {
        self.changed = true;
        if self.kept {
            self.changes.push((dot, change));
        }
    }

    /// Something changed that made no dot live or gone.
    pub(crate) fn altered(&mut self) {
        self.changed = true;
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Keeps changes from here on; gives where they begin.
    pub(crate) fn keep(&mut self) -> usize {
        self.kept = true;
        self.changes.len()
    }

    pub(crate) fn since(&self, mark: usize) -> &[(Dot, Change)] {
        self.changes.get(mark..).unwrap_or_default()
    }
}
