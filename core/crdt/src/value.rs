// SPDX-License-Identifier: Apache-2.0
//! A state of any type.

use crate::causal::{Causal, decode};
use crate::context::Context;
use crate::counter::{GCounter, PnCounter};
use crate::dot::{Dot, ReplicaId};
use crate::edit::Edit;
use crate::error::Error;
use crate::flag::{EwFlag, Flag};
use crate::kind::Kind;
use crate::map::OrMap;
use crate::read::{Limits, Reader};
use crate::register::{LwwRegister, MvRegister};
use crate::set::{GSet, OrSet};
use crate::store::{DotStore, Live, Log, Store};
use crate::vote::Vote;
use crate::write::Writer;

macro_rules! kinds {
    ($($name:ident),*) => {
        /// What a map holds under a key, or an entity as a whole: any of the types.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Value { $(#[doc = concat!("[`", stringify!($name), "`]")] $name($name),)* }

        impl Value {
            /// An empty one of this type.
            #[must_use]
            pub fn new(kind: Kind) -> Self {
                match kind { $(Kind::$name => Self::$name($name::default()),)* }
            }

            /// Its type.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)* }
            }
        }

        impl DotStore for Value {
            fn is_bare(&self) -> bool {
                match self { $(Self::$name(store) => store.is_bare(),)* }
            }

            fn each_dot(&self, say: &mut dyn FnMut(Dot)) {
                match self { $(Self::$name(store) => store.each_dot(say),)* }
            }

            fn join(&mut self, own: &Context, other: &Self, theirs: &Context, log: &mut Log) {
                match (self, other) {
                    $((Self::$name(store), Self::$name(other)) => store.join(own, other, theirs, log),)*
                    // Nobody joins different types: `Crdt::merge` refuses them, and a map keeps them apart.
                    (store, _) => {
                        let bare = store.bare();
                        store.join(own, &bare, theirs, log);
                    }
                }
            }

            fn since(&self, known: &Context) -> Self {
                match self { $(Self::$name(store) => Self::$name(store.since(known)),)* }
            }

            fn write(&self, out: &mut Writer) {
                match self { $(Self::$name(store) => store.write(out),)* }
            }

            fn read(&mut self, input: &mut Reader<'_>) -> Result<(), Error> {
                match self { $(Self::$name(store) => store.read(input),)* }
            }
        }

        impl Live for Value {
            fn kind(&self) -> Kind {
                self.kind()
            }

            fn bare(&self) -> Self {
                Self::new(self.kind())
            }

            fn retire(edit: &mut Edit<'_, Self>, old: ReplicaId) -> Result<(), Error> {
                let Edit { store, delta, turn } = edit;
                let turn = turn.here();
                match (&mut **store, &mut **delta) {
                    $((Self::$name(store), Self::$name(delta)) => {
                        $name::retire(&mut Edit { store, delta, turn }, old)
                    })*
                    (store, delta) => Err(Error::Clash { found: store.kind(), expected: delta.kind() }),
                }
            }
        }
    };
}

kinds!(GCounter, PnCounter, GSet, OrSet, LwwRegister, Flag, OrMap, Vote, EwFlag, MvRegister);

/// A state whose type is known only when the program runs: what an entity is, and what travels between replicas.
///
/// # Example
/// ```
/// use adjoin_crdt::{Crdt, Kind, OrSet, ReplicaId};
///
/// let mut here = Crdt::new(Kind::OrSet);
/// let (added, delta) = here.edit::<OrSet, _>(ReplicaId(1), |set| set.add(b"tea"))?;
/// added?;
/// let mut there = Crdt::new(Kind::OrSet);
/// assert!(there.merge(&delta)?);
/// assert_eq!(here, there);
/// assert!(Crdt::new(Kind::Flag).merge(&delta).is_err());
/// # Ok::<_, adjoin_crdt::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Crdt(Causal<Value>);

impl Crdt {
    /// The empty state of a type, which every replica starts from.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self(Causal::from_bare(Value::new(kind)))
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.store().kind()
    }

    /// What it holds.
    #[must_use]
    pub fn value(&self) -> &Value {
        self.0.store()
    }

    /// What it holds, as a type; nothing if it is of another one.
    #[must_use]
    pub fn get<S: Store>(&self) -> Option<&S> {
        S::of(self.value())
    }

    /// What it has seen.
    #[must_use]
    pub const fn context(&self) -> &Context {
        self.0.context()
    }

    /// See [`Causal::is_idle`].
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.is_idle()
    }

    /// See [`Causal::edit`].
    ///
    /// # Errors
    /// [`Error::Clash`] if it is of another type than `S`; then `write` does not run.
    pub fn edit<S: Store, R>(
        &mut self,
        replica: ReplicaId,
        write: impl FnOnce(&mut Edit<'_, S>) -> R,
    ) -> Result<(R, Self), Error> {
        let (outcome, delta) = self.0.edit_as(replica, |store, delta, turn| {
            let clash = Error::Clash { found: store.kind(), expected: S::KIND };
            let (store, delta) = S::of_mut(store).zip(S::of_mut(delta)).ok_or(clash)?;
            Ok(write(&mut Edit { store, delta, turn }))
        });
        Ok((outcome?, Self(delta)))
    }

    /// See [`Causal::merge`].
    ///
    /// # Errors
    /// [`Error::Clash`] if they are of different types; then nothing changed.
    pub fn merge(&mut self, other: &Self) -> Result<bool, Error> {
        if self.kind() != other.kind() {
            return Err(Error::Clash { found: other.kind(), expected: self.kind() });
        }
        Ok(self.0.join(&other.0))
    }

    /// See [`Causal::delta_since`].
    #[must_use]
    pub fn delta_since(&self, known: &Context) -> Self {
        Self(self.0.delta_since(known))
    }

    /// See [`Causal::retire`].
    ///
    /// # Errors
    /// As there.
    pub fn retire(&mut self, replica: ReplicaId, old: ReplicaId) -> Result<Self, Error> {
        self.0.retire(replica, old).map(Self)
    }

    /// See [`Causal::forget`].
    pub fn forget(&mut self, old: ReplicaId) -> bool {
        self.0.forget(old)
    }

    /// See [`Causal::encode`]: the same bytes.
    #[must_use]
    pub fn encode(&self) -> alloc::vec::Vec<u8> {
        self.0.encode()
    }

    /// See [`Causal::size_bytes`].
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.0.size_bytes()
    }

    /// Reads a state of any type.
    ///
    /// # Errors
    /// See [`Causal::decode`].
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        decode(bytes, limits, |kind| Ok(Value::new(kind))).map(Self)
    }
}

impl<S: Store> From<Causal<S>> for Crdt {
    fn from(typed: Causal<S>) -> Self {
        Self(typed.map(S::wrap))
    }
}
