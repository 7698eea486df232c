// SPDX-License-Identifier: Apache-2.0
//! One heap owns time: whatever is going to happen, and when.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_entity::{CallId, SessionId};
use adjoin_model::{Payload, Sequence};

use crate::fault::Fault;
use crate::history::{AttemptId, Ending, OperationId};
use crate::storage::{Asked, RequestId, Said};

/// Microseconds since the run began.
pub(crate) type Time = u64;

/// A host: one incarnation of the node, counted from 0.
pub(crate) type HostId = usize;

/// A function process, counted from 0; it keeps its number when it is started again.
pub(crate) type ProcessId = usize;

/// Milliseconds in [`Time`].
pub(crate) const MS: Time = 1000;

/// How a request reaches the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Once, and its sender hears what becomes of it.
    Plain,
    /// Its sender never hears of it.
    Mute,
    /// It comes again: a refusal says nothing about the other one, so its sender hears only that it was applied.
    Doubled,
}

/// What happens.
pub(crate) enum Event {
    /// A new incarnation of the node begins to claim the shards.
    HostStarts,
    /// The host claims a shard that it could not claim before.
    ClaimAgain { host: HostId, shard: u32 },
    /// A loop takes what has come, or what it wanted to be woken for.
    Step { host: HostId, index: u8 },
    /// A host whose end was delayed ends now.
    HostDies { host: HostId },
    /// A request reaches the store.
    Lands { request: RequestId, host: HostId, asked: Box<Asked>, how: Arrival },
    /// What was applied by then is on disk; the answer may leave.
    Synced { boot: u32, upto: usize, answer: Option<(RequestId, Box<Said>)> },
    /// The store's answer reaches its driver.
    Answers { request: RequestId, said: Box<Said> },
    /// The driver has waited long enough.
    TimesOut { request: RequestId },
    /// The store is there again.
    StoreStarts,
    /// The store has space, or is quick, again.
    StoreRecovers { from: Fault },
    /// A session is made between a host and a process.
    SessionOpens { host: HostId, process: ProcessId },
    /// Frames reach the function.
    ToFunction { session: SessionId, frames: Vec<HostFrame> },
    /// Frames reach the host.
    ToHost { session: SessionId, frames: Vec<FunctionFrame> },
    /// The host notices that a session is gone.
    SessionGone { session: SessionId, orderly: bool },
    /// The function has folded the oldest replay of an activation.
    Folds { session: SessionId, activation: u64 },
    /// A handler has finished.
    HandlerEnds { session: SessionId, call: u64 },
    /// A process is started.
    ProcessStarts { process: ProcessId },
    /// A process that does not answer is killed.
    ProcessKilled { process: ProcessId, boot: u32 },
    /// The function is quick again.
    FunctionRecovers,
    /// A client does what it does next.
    ClientActs { client: usize },
    /// A call reaches the host.
    CallArrives { attempt: AttemptId },
    /// An operation is tried again with its key.
    Retries { operation: OperationId },
    /// A client hangs up.
    HangsUp { attempt: AttemptId },
    /// An answer reaches its client.
    AnswerArrives { attempt: AttemptId, ending: Box<Ending> },
    /// An element reaches its client.
    ElementArrives { attempt: AttemptId, payload: Option<Payload>, sequence: Sequence },
    /// A client has taken an element, and says so.
    Taken { attempt: AttemptId, call: CallId, host: HostId },
    /// A client sends an element of its stream; none ends it.
    StreamInput { attempt: AttemptId, left: u16 },
    /// An operator looks at what was given up.
    OperatorLooks,
    /// A fault strikes; `again`: and plans its next strike.
    Strikes { fault: Fault, again: bool },
    /// Faults end; what was down comes up.
    Heals,
    /// Every call must have ended by now; entities are asked whether they still work.
    Probes,
    /// The run is judged.
    Ends,
}

struct Entry {
    at: Time,
    tie: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.tie) == (other.at, other.tie)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest, since the heap gives its greatest first; of equal ones the first planned.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.tie).cmp(&(self.at, self.tie))
    }
}

/// The heap.
#[derive(Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Entry>,
    planned: u64,
}

impl Agenda {
    pub(crate) fn plan(&mut self, at: Time, event: Event) {
        self.planned += 1;
        self.heap.push(Entry { at, tie: self.planned, event });
    }

    pub(crate) fn next(&mut self) -> Option<(Time, Event)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}
