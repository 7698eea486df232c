// SPDX-License-Identifier: Apache-2.0
//! Deliberately broken variants of this SDK, to show that the conformance cases find them out. Without the feature
//! `mutants` none can be chosen, and every question about them is answered when the crate is compiled.

macro_rules! mutants {
    ($($variant:ident $rule:literal $name:literal;)*) => {
        /// A rule that the SDK does not keep.
        #[cfg_attr(
            not(feature = "mutants"),
            allow(unreachable_pub, dead_code, reason = "only the feature shows it to other crates")
        )]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant { $(#[doc = $name] $variant,)* }

        #[cfg(feature = "mutants")]
        impl Mutant {
            /// Every mutant.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// What is broken, in a few words.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The rule of `architecture.md` §4 whose cases must find it out, or the topic of the cases.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$variant => $rule,)* }
            }
        }
    };
}

mutants! {
    CommandsReversed "1" "commands-reversed";
    EventsLost "2" "events-lost";
    QueriesStale "4" "queries-stale";
    AttemptHidden "5" "attempt-hidden";
    EmitLater "6" "emit-later";
    NoRestore "6" "no-restore";
    FailuresTold "6" "failures-told";
    EffectsLost "7" "effects-lost";
    EventsDoubled "8" "events-doubled";
    WaitBlocks "9" "wait-blocks";
    RedeliveryRefused "10" "redelivery-refused";
    ReplayIgnored "11" "replay-ignored";
    SnapshotEmpty "12" "snapshot-empty";
    DeleteKeepsState "13" "delete-keeps-state";
    NamesAsWritten "names" "names-as-written";
    RepliesWrapped "body" "replies-wrapped";
    LastElementLost "streams" "last-element-lost";
    UnknownEventsSkipped "evolution" "unknown-events-skipped";
    KeysUnsorted "journal" "keys-unsorted";
}

#[cfg(feature = "mutants")]
static CHOSEN: std::sync::OnceLock<Mutant> = std::sync::OnceLock::new();

/// Makes this process a broken SDK for good. The first choice counts.
#[cfg(feature = "mutants")]
pub fn mutate(mutant: Mutant) {
    // A second choice would be a test's mistake and changes nothing.
    let _ = CHOSEN.set(mutant);
}

/// Whether this process is that mutant.
#[cfg(feature = "mutants")]
pub(crate) fn is(mutant: Mutant) -> bool {
    CHOSEN.get() == Some(&mutant)
}

/// Whether this process is that mutant: never.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
