// SPDX-License-Identifier: Apache-2.0
//! The types of states.

use core::fmt;

/// The type of a state. Its number is part of the encoding and never changes; between different types that meet under
/// one name, the lower one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// [`GCounter`](crate::GCounter)
    GCounter = 1,
    /// [`PnCounter`](crate::PnCounter)
    PnCounter = 2,
    /// [`GSet`](crate::GSet)
    GSet = 3,
    /// [`OrSet`](crate::OrSet)
    OrSet = 4,
    /// [`LwwRegister`](crate::LwwRegister)
    LwwRegister = 5,
    /// [`Flag`](crate::Flag)
    Flag = 6,
    /// [`OrMap`](crate::OrMap)
    OrMap = 7,
    /// [`Vote`](crate::Vote)
    Vote = 8,
    /// [`EwFlag`](crate::EwFlag)
    EwFlag = 9,
    /// [`MvRegister`](crate::MvRegister)
    MvRegister = 10,
}

impl Kind {
    /// Every type, by its number.
    pub const ALL: [Self; 10] = [
        Self::GCounter,
        Self::PnCounter,
        Self::GSet,
        Self::OrSet,
        Self::LwwRegister,
        Self::Flag,
        Self::OrMap,
        Self::Vote,
        Self::EwFlag,
        Self::MvRegister,
    ];

    /// Its number in the encoding.
    #[must_use]
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// The type with this number.
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.tag() == tag)
    }

    /// Its name, as users write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GCounter => "GCounter",
            Self::PnCounter => "PNCounter",
            Self::GSet => "GSet",
            Self::OrSet => "ORSet",
            Self::LwwRegister => "LWWRegister",
            Self::Flag => "Flag",
            Self::OrMap => "ORMap",
            Self::Vote => "Vote",
            Self::EwFlag => "EWFlag",
            Self::MvRegister => "MVRegister",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
