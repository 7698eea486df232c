// SPDX-License-Identifier: Apache-2.0
//! Deliberately broken variants of this SDK, and of hosts as a function sees them, to show that the conformance cases
//! find them out. Without the feature `mutants` none can be chosen, and every question about them is answered when the
//! crate is compiled.

macro_rules! mutants {
    ($($variant:ident $side:literal $rule:literal $name:literal;)*) => {
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

            /// Who is broken: `sdk` or `host`.
            #[must_use]
            pub const fn side(self) -> &'static str {
                match self { $(Self::$variant => $side,)* }
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
    CommandsReversed "sdk" "1" "commands-reversed";
    EventsLost "sdk" "2" "events-lost";
    EpochHidden "sdk" "3" "epoch-hidden";
    QueriesStale "sdk" "4" "queries-stale";
    AttemptHidden "sdk" "5" "attempt-hidden";
    EmitLater "sdk" "6" "emit-later";
    NoRestore "sdk" "6" "no-restore";
    FailuresTold "sdk" "6" "failures-told";
    EffectsLost "sdk" "7" "effects-lost";
    EventsDoubled "sdk" "8" "events-doubled";
    WaitBlocks "sdk" "9" "wait-blocks";
    RedeliveryRefused "sdk" "10" "redelivery-refused";
    ReplayIgnored "sdk" "11" "replay-ignored";
    SnapshotEmpty "sdk" "12" "snapshot-empty";
    DeleteKeepsState "sdk" "13" "delete-keeps-state";
    NamesAsWritten "sdk" "names" "names-as-written";
    RepliesWrapped "sdk" "body" "replies-wrapped";
    LastElementLost "sdk" "streams" "last-element-lost";
    UnknownEventsSkipped "sdk" "evolution" "unknown-events-skipped";
    KeysUnsorted "sdk" "journal" "keys-unsorted";
    CodesLost "sdk" "errors" "codes-lost";
    ChainHidden "sdk" "calls" "chain-hidden";
    EpochStuck "host" "3" "epoch-stuck";
    QueriesCached "host" "4" "queries-cached";
    IdsRepeat "host" "5" "ids-repeat";
    RefusalsLost "host" "6" "refusals-lost";
    EffectsDoubled "host" "7" "effects-doubled";
    ReplayShort "host" "11" "replay-short";
    SnapshotMisplaced "host" "12" "snapshot-misplaced";
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
