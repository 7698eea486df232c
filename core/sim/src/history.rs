// SPDX-License-Identifier: Apache-2.0
//! What clients asked and what they were told, in the order in which they saw it.

use std::collections::BTreeMap;
use std::sync::Arc;

use adjoin_entity::CallId;
use adjoin_model::{CommandId, Kind, Outcome, Payload, Sequence};

use crate::agenda::{HostId, Time};
use crate::words::{Ask, NOBODY, State, Token};

/// Names an operation: its place in the history.
pub(crate) type OperationId = usize;

/// Names an attempt at an operation: its place in the history.
pub(crate) type AttemptId = usize;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// So many events, at once.
    Append { parts: u16 },
    /// More bytes than a batch takes.
    Huge,
    /// Is refused by the handler, which shows the state.
    Refuse,
    /// Fails in the handler.
    Fail,
    /// Ends the function's process, whenever it runs.
    Poison,
    /// A command that only replies.
    Look,
    /// A query.
    Get,
    /// Deletes the entity by its handler.
    Remove,
    /// Goes on at another log, leaving an event here if noted, and perhaps calls one more.
    Pass { target: u16, noted: bool, beside: u16 },
    /// One event here, and calls to others once it is durable.
    Spread { targets: [u16; 2], synchronous: bool },
    /// One event here, and calls to others through the outbox.
    Entrust { targets: [u16; 2] },
    /// Replaces the value.
    Set,
    /// Deletes the value.
    Clear,
    /// The state as for a snapshot.
    State,
    /// A delete by the host.
    Delete,
    /// An action that replies.
    Echo,
    /// An action that goes on at a log.
    Route { target: u16 },
    /// An action that calls others.
    Poke { targets: [u16; 2], synchronous: bool },
    /// An action that streams so many elements.
    Count { parts: u16 },
    /// An action that is sent so many elements.
    Gather { parts: u16 },
    /// A watch of the state.
    Watch { after: Option<Sequence> },
}

impl Action {
    /// The handler's name.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Append { .. } | Self::Huge => "append",
            Self::Refuse => "refuse",
            Self::Fail => "fail",
            Self::Poison => "poison",
            Self::Look => "look",
            Self::Get | Self::Watch { .. } => "get",
            Self::Remove => "remove",
            Self::Pass { .. } => "pass",
            Self::Spread { .. } => "spread",
            Self::Entrust { .. } => "entrust",
            Self::Set => "set",
            Self::Clear => "clear",
            Self::State | Self::Delete => "",
            Self::Echo => "echo",
            Self::Route { .. } => "route",
            Self::Poke { .. } => "poke",
            Self::Count { .. } => "count",
            Self::Gather { .. } => "gather",
        }
    }

    /// What it writes into its own entity: so many facts under its own token, or a delete.
    pub(crate) fn writes(self) -> Writes {
        match self {
            Self::Append { parts } => Writes::Facts(parts),
            Self::Huge => Writes::Facts(HUGE_PARTS),
            Self::Pass { noted: true, .. } | Self::Spread { .. } | Self::Entrust { .. } | Self::Set => Writes::Facts(1),
            Self::Remove | Self::Clear | Self::Delete => Writes::Delete,
            _ => Writes::Nothing,
        }
    }

    /// The entity that answers, if that is another than the one asked.
    pub(crate) fn forwarded_to(self) -> Option<u16> {
        match self {
            Self::Pass { target, .. } | Self::Route { target } => Some(target),
            _ => None,
        }
    }

    /// The entities that its children go to, in the order of their tokens.
    pub(crate) fn children(self) -> [u16; 2] {
        match self {
            Self::Pass { target, beside, .. } => [target, beside],
            Self::Route { target } => [target, NOBODY],
            Self::Spread { targets, .. } | Self::Entrust { targets } | Self::Poke { targets, .. } => targets,
            _ => [NOBODY, NOBODY],
        }
    }

    /// Which of its children are side effects without an outbox.
    pub(crate) fn side_effects(self) -> &'static [u64] {
        match self {
            Self::Pass { .. } => &[1],
            Self::Spread { .. } | Self::Poke { .. } => &[0, 1],
            _ => &[],
        }
    }

    /// Whether its reply only shows the state.
    pub(crate) fn reads(self) -> bool {
        matches!(self, Self::Refuse | Self::Look | Self::Get | Self::State)
    }
}

/// Events of a command that is larger than a batch.
pub(crate) const HUGE_PARTS: u16 = 40;

/// What an action writes into its own entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    Nothing,
    Facts(u16),
    Delete,
}

/// One thing that a client wants, however often it asks.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) client: usize,
    pub(crate) subject: usize,
    pub(crate) action: Action,
    pub(crate) token: Token,
    pub(crate) pad: u16,
    /// The idempotency key, which other operations may share by mistake.
    pub(crate) key: Option<u64>,
    pub(crate) if_match: Option<Sequence>,
    pub(crate) attempts: Vec<AttemptId>,
    pub(crate) retries_left: u8,
    /// Its client does not wait for it, or does so no more.
    pub(crate) forgotten: bool,
}

impl Operation {
    /// The command's body.
    pub(crate) fn payload(&self) -> Payload {
        let (parts, synchronous) = match self.action {
            Action::Append { parts } | Action::Count { parts } | Action::Gather { parts } => (parts, false),
            Action::Huge => (HUGE_PARTS, false),
            Action::Pass { noted, .. } => (u16::from(noted), false),
            Action::Spread { synchronous, .. } | Action::Poke { synchronous, .. } => (1, synchronous),
            _ => (1, false),
        };
        Ask { token: self.token, parts, pad: self.pad, targets: self.action.children(), synchronous }.payload()
    }

    /// The idempotency key as it is sent.
    pub(crate) fn sent_key(&self) -> Option<Arc<str>> {
        self.key.map(|key| format!("k{key}").into())
    }
}

/// How an attempt ended for its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It has not.
    Open,
    /// Well.
    Reply { state: Option<State>, sequence: Sequence, replayed: bool },
    /// With an error; `shown` is the state that a handler's refusal rests on.
    Failed { kind: Kind, outcome: Outcome, shown: Option<State>, message: String },
    /// The connection broke, or the client hung up: nobody knows.
    Broken,
    /// A stream or a watch is over; `well` unless with an error.
    Over { well: bool },
}

impl Ending {
    /// Whether asking again with the same key makes sense.
    pub(crate) fn is_retried(&self) -> bool {
        match self {
            Self::Broken => true,
            Self::Failed { kind, outcome, .. } => {
                *outcome == Outcome::Unknown || matches!(kind, Kind::Unavailable | Kind::Exhausted | Kind::Fenced)
            }
            Self::Open | Self::Reply { .. } | Self::Over { .. } => false,
        }
    }
}

/// One element that a client saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) order: u64,
    pub(crate) sequence: Sequence,
    pub(crate) state: Option<State>,
}

/// One call, as its client sees it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) operation: OperationId,
    pub(crate) deadline_ms: Option<u64>,
    /// When it was sent, and when its end was seen, in the order of clients.
    pub(crate) sent: u64,
    pub(crate) done: Option<u64>,
    /// The same in time.
    pub(crate) sent_at: Time,
    pub(crate) done_at: Time,
    pub(crate) ending: Ending,
    /// Where it waits, once it got there.
    pub(crate) at: Option<(HostId, CallId)>,
    /// When the last thing on its way arrives: a connection keeps its order.
    pub(crate) arrives: Time,
    /// Elements of a watch or a stream.
    pub(crate) seen: Vec<Seen>,
}

/// Everything that clients asked.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) operations: Vec<Operation>,
    pub(crate) attempts: Vec<Attempt>,
    /// When each command was sent to a function last.
    pub(crate) runs: BTreeMap<CommandId, Time>,
}

/// Tells command ids of clients from those that hosts make for side effects.
const CLIENT: u128 = 0x5151_5151_5151_5151 << 64;

/// The command id of an attempt.
pub(crate) fn command_id(attempt: AttemptId) -> CommandId {
    CommandId(CLIENT | (attempt as u128 + 1))
}

impl History {
    /// `sent`: in the order of clients, and in time.
    pub(crate) fn begin(
        &mut self,
        operation: OperationId,
        (sent, sent_at): (u64, Time),
        deadline_ms: Option<u64>,
    ) -> AttemptId {
        let id = self.attempts.len();
        self.attempts.push(Attempt {
            operation,
            deadline_ms,
            sent,
            done: None,
            sent_at,
            done_at: 0,
            ending: Ending::Open,
            at: None,
            arrives: 0,
            seen: Vec::new(),
        });
        self.operations[operation].attempts.push(id);
        id
    }

    /// The operation of an attempt.
    pub(crate) fn operation_of(&self, attempt: AttemptId) -> &Operation {
        &self.operations[self.attempts[attempt].operation]
    }

    /// The attempt of a command id, if a client made it.
    pub(crate) fn attempt_of(&self, command: CommandId) -> Option<AttemptId> {
        let number = command.0 ^ CLIENT;
        let id = usize::try_from(number).ok()?.checked_sub(1)?;
        (id < self.attempts.len()).then_some(id)
    }

    /// Whether an operation has attempts whose end was not seen.
    pub(crate) fn is_open(&self, operation: OperationId) -> bool {
        self.operations[operation].attempts.iter().any(|attempt| self.attempts[*attempt].ending == Ending::Open)
    }

    /// Attempts whose end was not seen, but for watches.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = AttemptId> + '_ {
        let watches = |attempt: &Attempt| matches!(self.operations[attempt.operation].action, Action::Watch { .. });
        let open = self.attempts.iter().enumerate().filter(move |(_, a)| a.ending == Ending::Open && !watches(a));
        open.map(|(id, _)| id)
    }
}
