// SPDX-License-Identifier: Apache-2.0
//! Every kind of fault, counted.

macro_rules! faults {
    ($($variant:ident $name:literal;)*) => {
        /// A kind of fault. Its [`Fault::name`] says what happens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $(#[doc = $name] $variant,)* }

        impl Fault {
            /// Every kind, in the order of their numbers.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// What happens, in a few words.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

faults! {
    HostCrash "host killed";
    PowerLoss "power lost under host and store";
    HostRestart "host started again";
    HostPause "host paused";
    TwoOwners "second host while the first one lives";
    Drain "host drained in an orderly way";
    ClockStep "wall clock stepped";
    ClockDrift "wall clock drifts";
    StoreSlow "store slow for a while";
    StoreFull "store full for a while";
    StoreRestart "store restarted";
    StoreUnreachable "store out of reach for a while";
    StoreUnheard "answers of the store lost for a while";
    UnsyncedLost "unsynced tail lost";
    TornWrite "write torn";
    WriteRefused "write refused";
    WriteLost "write lost, outcome unknown";
    AckLost "write applied, answer lost";
    LateWrite "write landed after its caller gave up";
    StaleWrite "write of an older epoch fenced";
    WriteTwice "write delivered twice";
    RaiseFailed "raise failed";
    RaiseAckLost "raise applied, answer lost";
    LoadFailed "load failed";
    CorruptPage "page unreadable";
    SnapshotLost "snapshot lost";
    FunctionCrash "function killed";
    FunctionRestart "function restarted in an orderly way";
    FunctionAbsent "function away for long";
    SessionCut "session cut";
    FunctionSlow "function slow for a while";
    FunctionHang "handler never answers";
    HandlerFails "handler fails";
    EventRefused "handler refuses certain events for long";
    HandlerKills "handler kills its process";
    AnswerTwice "answer of the function delivered twice";
    HandlerStops "handler stops when cancelled";
    ActivationEnds "function ends an activation";
    ContractBroken "function returned what it may not";
    AnswersSwapped "function exchanged two answers";
    ReplayShort "function lost the last event of a replay";
    SpecChanged "function came back with another spec";
    ReplayFails "event unreadable on replay";
    SnapshotUnreadable "snapshot unreadable";
    Pressure "function short of memory";
    ClientGone "client hung up";
    ShortDeadline "deadline passed";
    Duplicate "command sent twice at once";
    Retry "command sent again";
    KeyReused "idempotency key reused for another command";
    KeyExpired "idempotency key reused after its record expired";
    KeyEvicted "idempotency key reused after its record made room";
    StaleMatch "expected sequence is stale";
    Burst "burst of calls";
}

/// How often each kind has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts([u64; Fault::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; Fault::ALL.len()])
    }
}

impl Counts {
    /// One more of this kind.
    pub fn add(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// All of another run's.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// How many of this kind.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// How many of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The kinds that have not happened.
    #[must_use]
    pub fn missing(&self) -> Vec<Fault> {
        Fault::ALL.into_iter().filter(|fault| self.of(*fault) == 0).collect()
    }
}
