// SPDX-License-Identifier: Apache-2.0
//! Deliberately broken variants: a simulator that does not catch them shows nothing by catching nothing else.
//!
//! Every rule that one node can break has one. Those of leases, membership and replicas come with what they break.

use adjoin_entity::Mutant as Machine;

/// Where a mutant breaks what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The store answers before its sync.
    AcknowledgeBeforeSync,
    /// The driver says durable when the write is handed over.
    AcknowledgeBeforeAppend,
    /// The store checks neither position nor sequence.
    NoSequenceCheck,
    /// The store does not check epoch and owner of a write.
    NoEpochCheck,
    /// The writer reads the epoch first and writes then, without a condition on it.
    EpochReadFirst,
    /// The store keeps the part of a torn batch that reached the disk.
    TornBatchKept,
    /// The raise is conditional on nothing.
    RaiseUnconditional,
    /// The raise is answered before its sync.
    RaiseNotDurable,
    /// After an unknown outcome the head is read without raising the epoch.
    ReadBackOnly,
    /// After an unknown outcome the head is read first, then the epoch is raised.
    ReadBackFirst,
    /// A write that timed out is taken for durable.
    UnknownAsDurable,
    /// A write that timed out is taken for refused.
    UnknownAsRefused,
    /// The machine itself is broken.
    Machine(Machine),
}

impl Mutant {
    /// Every mutant, those of store and driver first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let outside = [
            Self::AcknowledgeBeforeSync,
            Self::AcknowledgeBeforeAppend,
            Self::NoSequenceCheck,
            Self::NoEpochCheck,
            Self::EpochReadFirst,
            Self::TornBatchKept,
            Self::RaiseUnconditional,
            Self::RaiseNotDurable,
            Self::ReadBackOnly,
            Self::ReadBackFirst,
            Self::UnknownAsDurable,
            Self::UnknownAsRefused,
        ];
        outside.into_iter().chain(Machine::ALL.into_iter().map(Self::Machine)).collect()
    }

    /// What is broken, in a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AcknowledgeBeforeSync => "acknowledge before sync",
            Self::AcknowledgeBeforeAppend => "acknowledge before append",
            Self::NoSequenceCheck => "no sequence check",
            Self::NoEpochCheck => "no epoch check",
            Self::EpochReadFirst => "epoch checked by a read before the write",
            Self::TornBatchKept => "torn batch kept in part",
            Self::RaiseUnconditional => "raise not conditional on the owner",
            Self::RaiseNotDurable => "raise answered before its sync",
            Self::ReadBackOnly => "read-back without raising the epoch",
            Self::ReadBackFirst => "read-back before raising the epoch",
            Self::UnknownAsDurable => "unknown outcome taken for durable",
            Self::UnknownAsRefused => "unknown outcome taken for a refusal",
            Self::Machine(mutant) => mutant.name(),
        }
    }

    /// The mutant of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|mutant| mutant.name() == name)
    }
}
