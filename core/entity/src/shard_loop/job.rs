// SPDX-License-Identifier: Apache-2.0
//! One command or query on its way: waiting, with the function, or waiting for its append.

use adjoin_model::{Answer, DedupKey, Metadata, Mono, Payload, Result, Sequence};
use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::call::{Call, CallId};
use crate::frame::{FrameCall, SideEffect, Target};

/// What a job asks of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A command: alone, in order.
    Command,
    /// A query: beside other queries, never beside a command.
    Query,
    /// A query asked again for a watch.
    Watch,
    /// The state as for a snapshot.
    State,
    /// A delete by the host.
    Delete,
}

impl Ask {
    /// Whether it takes a query's turn.
    pub(crate) fn reads(self) -> bool {
        matches!(self, Self::Query | Self::Watch | Self::State)
    }
}

/// A call under way in an entity or an action.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) call: Call,
    pub(crate) ask: Ask,
    /// 1, and one more for every time it is sent again.
    pub(crate) attempt: u32,
    /// Process deaths it is blamed for.
    pub(crate) deaths: u32,
    /// Names it towards the function while it is there; 0 before.
    pub(crate) frame: FrameCall,
    /// Nobody waits for the reply any more; its effects are kept all the same.
    pub(crate) abandoned: bool,
    /// Since when it has been with the function.
    pub(crate) sent: Mono,
    /// The answer must bring a snapshot.
    pub(crate) want_snapshot: bool,
    /// Calls with the same idempotency key that wait for this one.
    pub(crate) followers: Vec<Call>,
    /// Set once it is answered.
    pub(crate) answer: Option<Box<Answered>>,
    /// What the function said beside a reply.
    pub(crate) metadata: Metadata,
    /// Its side effects are made one after the other, and a forward behind them, as the Cloudstate protocol has it.
    pub(crate) in_order: bool,
}

/// How a job ended, held until what it rests on is durable.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) ending: Ending,
    /// The entity's sequence after it (a command) or that it saw (a query).
    pub(crate) sequence: Sequence,
    /// The ordinal of the newest group that must be durable first.
    pub(crate) after_group: u64,
    /// Whether that group is its own.
    pub(crate) writes: bool,
    pub(crate) side_effects: Vec<SideEffect>,
    pub(crate) snapshot: Option<Payload>,
    /// It came from the record of an earlier command with the same idempotency key.
    pub(crate) recorded: bool,
}

/// What the caller is told.
#[derive(Debug)]
pub(crate) enum Ending {
    Reply(Result<Option<Payload>>),
    Forward(Target),
}

impl Job {
    pub(crate) fn new(call: Call, ask: Ask) -> Box<Self> {
        let attempt = call.sent.unwrap_or(0).saturating_add(1);
        Box::new(Self {
            call,
            ask,
            attempt,
            deaths: 0,
            frame: 0,
            abandoned: false,
            sent: Mono(0),
            want_snapshot: false,
            followers: Vec::new(),
            answer: None,
            metadata: Metadata::new(),
            in_order: false,
        })
    }

    pub(crate) fn id(&self) -> CallId {
        self.call.id
    }

    /// Its bytes as a session's credit counts them.
    pub(crate) fn bytes(&self) -> u64 {
        (self.call.payload.size() + self.call.name.len()) as u64
    }

    /// Forgets an answer that was not released: the job is to be run again, as another attempt if that is counted.
    pub(crate) fn again(&mut self, counts: bool) {
        self.attempt = self.attempt.saturating_add(u32::from(counts));
        self.frame = 0;
        self.answer = None;
        self.metadata = Metadata::new();
    }

    /// What a duplicate of it is recognised by, if its caller gave a key.
    pub(crate) fn dedup_key(&self) -> Option<DedupKey> {
        dedup_key(&self.call)
    }
}

/// The scope of an idempotency key: entity (whose table this is), caller, command.
pub(crate) fn dedup_key(call: &Call) -> Option<DedupKey> {
    let key = call.idempotency_key.as_ref()?;
    Some(DedupKey::Client { caller: (*call.caller).into(), command: (*call.name).into(), key: (**key).into() })
}

/// XXH3-128 of a command's payload: its type name, NUL, its bytes.
pub(crate) fn digest(payload: &Payload) -> u128 {
    let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
    hash.update(payload.type_name.as_bytes());
    hash.update(&[0]);
    hash.update(&payload.data);
    hash.digest128()
}

impl Answered {
    /// As it is kept for duplicates.
    pub(crate) fn record(ending: &Ending, sequence: Sequence) -> Answer {
        match ending {
            Ending::Reply(Ok(payload)) => Answer::Reply { payload: payload.clone(), sequence },
            Ending::Reply(Err(error)) => Answer::Failed(error.clone()),
            Ending::Forward(target) => Answer::Forward {
                entity: target.entity.clone(),
                command: (*target.command).into(),
                payload: target.payload.clone(),
            },
        }
    }
}
