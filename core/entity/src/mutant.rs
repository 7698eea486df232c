// SPDX-License-Identifier: Apache-2.0
//! Deliberately broken variants of the machine, for the simulator. Without the feature `mutants` none can be chosen, and
//! every question about them is answered when the crate is compiled.

macro_rules! mutants {
    ($($variant:ident $name:literal;)*) => {
        /// A rule that the loop does not keep.
        #[cfg_attr(
            not(feature = "mutants"),
            expect(unreachable_pub, reason = "only the feature shows it to other crates")
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
        }
    };
}

mutants! {
    ReplyBeforeDurable "reply released before durable";
    RefusalBeforeDurable "refusal released before earlier commands are durable";
    QueryBeforeDurable "query released before durable";
    SnapshotBeforeDurable "snapshot kept before durable";
    ForwardBeforeDurable "forward released before durable";
    EffectsBeforeDurable "side effects made before durable";
    AnsweredRedelivered "answered command redelivered";
    ReloadInFlight "reload with an append in flight";
    StateKeptAfterLoss "activation kept after a lost append";
    FencedIsNone "batch in flight when fenced said to be lost";
    ExpiredRuns "command that expired in its mailbox runs all the same";
    ExpiredIsNone "expired command said to have no effect";
    NoDedup "no dedup";
    DedupForgotten "dedup records not loaded";
    DedupExpiresEarly "idempotency record expires early";
    DedupExpiresLate "idempotency record answers beyond its time";
    DedupEvictedEarly "idempotency record makes room below the bound";
    DedupUnbounded "idempotency records beyond the bound";
    DigestIgnored "idempotency key answers another payload";
    DuplicateBeside "duplicate runs beside its twin";
    CommandBesideQuery "command beside a query";
    MatchIgnored "expected sequence not checked";
    MatchBeside "expected sequence checked beside running commands";
    WatchRepeats "watch element sent again";
    BreachTaken "effects that break the contract taken";
    StateKeptAfterBreach "activation kept after a breach of the contract";
    FailureWrites "effects of a failed command taken";
    OutOfTurnTaken "answer out of turn taken";
    ShortReplayTaken "short replay taken";
    SpecKept "spec of an earlier session kept";
    AttemptKept "attempt not counted";
    DeadlyAgain "deadly command sent again for ever";
    PassivatedInFlight "passivated with an append in flight";
    CallsUnbounded "no bound on calls";
    ResidentUnbounded "no bound on resident entities";
    ActivationsUnbounded "no bound on activations under way";
    OutboxBySequence "outbox numbered by sequence";
    WatermarkApart "watermark not in the batch of its inbox records";
    DeliveredEarly "delivery acknowledged before durable";
    DoneApart "end of an inbox record not in the batch of its command";
    OutboxApart "durable effect not in the batch of its command";
    SentIsDelivered "outbox record forgotten once sent";
    DeliveryReversed "delivery written in reverse";
    UnfinishedForgotten "durable effects of an earlier host not resumed";
    FailureEndsEffect "durable effect ended by a failure";
    NotedPastOpen "position of a consumer noted past what has not ended";
    EventsAtOnce "events of one entity given at once";
    ConsumersAtHead "consumers of an earlier host resumed at the head";
    EventsPassedOver "batch with an event passed over";
    LetterUnwritten "dead letter passed before it is durable";
    LettersGivenOn "dead letter of an earlier host given again";
    AheadForgotten "end of a dead letter ahead of the position forgotten";
    AttemptsAnew "attempts of an event counted anew at every failure";
    NumberingRestarts "numbering restarts after a delete";
}

impl crate::ShardLoop {
    /// Whether the loop is this mutant.
    #[cfg(feature = "mutants")]
    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether the loop is this mutant: never.
    #[cfg(not(feature = "mutants"))]
    #[inline(always)]
    #[expect(clippy::unused_self, reason = "the same face with and without the feature")]
    pub(crate) const fn is(&self, _mutant: Mutant) -> bool {
        false
    }

    /// Breaks one rule from now on.
    #[cfg(feature = "mutants")]
    pub fn mutate(&mut self, mutant: Mutant) {
        self.mutant = Some(mutant);
    }
}
