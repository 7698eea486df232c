// SPDX-License-Identifier: Apache-2.0
//! Frames between host and user function, as `proto/adjoin/protocol/v1` defines them, without an encoding.
//!
//! The wire crate maps them to protobuf; an in-process Rust function takes them as they are.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use adjoin_model::{CommandId, EntityId, Epoch, Error, Metadata, Payload, Result, Sequence};

use crate::call::Reply;

/// Names an activation within a session. Never 0, never used again.
pub type ActivationId = u64;

/// Names a call within a host, on its way to the function and back.
pub type FrameCall = u64;

/// Names a call that a handler makes within its session. Given by the function; never 0, never used again.
pub type HandlerCall = u64;

/// Host to function.
#[derive(Clone, Debug, PartialEq)]
pub enum HostFrame {
    /// Begins an activation.
    Activate {
        /// Its id.
        activation: ActivationId,
        /// Of which entity.
        entity: EntityId,
        /// The fencing token.
        epoch: Epoch,
        /// The sequence `state` contains.
        sequence: Sequence,
        /// Snapshot or value; none is the initial state.
        state: Option<Payload>,
    },
    /// Events to fold; answered by [`FunctionFrame::Replayed`].
    Replay {
        /// Into which activation.
        activation: ActivationId,
        /// In order.
        events: Vec<(Sequence, Payload)>,
        /// Commands follow.
        last: bool,
    },
    /// Runs a handler.
    Command(CommandFrame),
    /// One element of the client's stream.
    StreamInput {
        /// Of which call.
        call: FrameCall,
        /// The element.
        payload: Payload,
    },
    /// The client's stream has ended.
    StreamInputEnd {
        /// Of which call.
        call: FrameCall,
    },
    /// Room for more reply elements.
    StreamCredit {
        /// Of which call.
        call: FrameCall,
        /// How many more.
        elements: u32,
    },
    /// Nobody waits any more.
    Cancel {
        /// For which call.
        call: FrameCall,
    },
    /// Ends an activation.
    Deactivate {
        /// Which.
        activation: ActivationId,
    },
    /// Answers [`FunctionFrame::Call`].
    CallAnswer {
        /// Which.
        id: HandlerCall,
        /// How it ended.
        result: Result<Reply>,
    },
}

/// A handler to run.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandFrame {
    /// 0 for an action.
    pub activation: ActivationId,
    /// Names the answer.
    pub call: FrameCall,
    /// Of which entity; for an action only, since an activation says it already.
    pub entity: Option<EntityId>,
    /// The handler; empty for a query that asks for nothing but the snapshot.
    pub name: Arc<str>,
    /// Its body.
    pub payload: Payload,
    /// Whether it is a query.
    pub query: bool,
    /// The answer must carry a snapshot.
    pub want_snapshot: bool,
    /// 1, and one more for every redelivery.
    pub attempt: u32,
    /// The command's name for good.
    pub id: CommandId,
    /// What is left of the deadline; 0 is none.
    pub remaining_ms: u64,
    /// Who calls; empty when unknown.
    pub caller: Arc<str>,
    /// Metadata of the call.
    pub metadata: Metadata,
    /// Entities that wait for this call, outermost first.
    pub chain: Vec<String>,
}

/// Function to host.
#[derive(Clone, Debug, PartialEq)]
pub enum FunctionFrame {
    /// Answers one replay.
    Replayed {
        /// Of which activation.
        activation: ActivationId,
        /// The sequence its state now contains.
        sequence: Sequence,
    },
    /// The activation has ended before it began.
    ActivationFailed {
        /// Which.
        activation: ActivationId,
        /// Why.
        error: Error,
        /// The snapshot was what could not be read.
        snapshot_unreadable: bool,
    },
    /// How a command ended.
    Answer(AnswerFrame),
    /// One element of a streamed reply.
    StreamElement {
        /// Of which call.
        call: FrameCall,
        /// The element.
        payload: Payload,
        /// Calls to make.
        effects: Vec<SideEffect>,
        /// For the client. Only the first element's can still become headers.
        metadata: Metadata,
    },
    /// A streamed reply has ended.
    StreamEnd {
        /// Of which call.
        call: FrameCall,
        /// Why, unless well.
        error: Option<Error>,
    },
    /// Room for more of the client's elements.
    StreamInputCredit {
        /// Of which call.
        call: FrameCall,
        /// How many more.
        elements: u32,
    },
    /// The function is short of memory.
    Pressure {
        /// 0 none, 1 some, 2 severe.
        level: u32,
    },
    /// A handler calls another entity. The driver makes the call and answers it by [`HostFrame::CallAnswer`]: no loop
    /// gets this.
    Call(CallFrame),
    /// A handler does not wait for its call any more. The driver's too.
    CancelCall {
        /// Which.
        id: HandlerCall,
    },
}

/// A call that a handler makes while it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct CallFrame {
    /// Names the answer.
    pub id: HandlerCall,
    /// What is called.
    pub target: Target,
    /// Entities that wait for this call, outermost first, the handler's own last.
    pub chain: Vec<String>,
    /// How long the handler waits; 0 is no limit.
    pub timeout_ms: u64,
    /// Makes it safe to send again.
    pub idempotency_key: Option<Arc<str>>,
    /// Run only at this sequence.
    pub if_match: Option<Sequence>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerFrame {
    /// In which activation; 0 for an action.
    pub activation: ActivationId,
    /// Which call.
    pub call: FrameCall,
    /// Reply, refusal or forward.
    pub result: HandlerResult,
    /// What is to be written and done; empty when the command failed, but for a function of the Cloudstate protocol.
    pub effects: Effects,
    /// The function ended the activation; later commands it received did not run. One of the Cloudstate protocol wants
    /// it to begin anew at once.
    pub activation_ended: bool,
    /// For the client, beside a reply; with a failure or a forward it is not read. Bounded by [`check_metadata`].
    pub metadata: Metadata,
}

/// What a handler returned.
#[derive(Clone, Debug, PartialEq)]
pub enum HandlerResult {
    /// A reply; none for a command without result.
    Reply(Option<Payload>),
    /// A refusal or a failure.
    Failed(Error),
    /// The call goes on elsewhere.
    Forward(Target),
}

/// What a handler did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// One atomic write, in order.
    pub events: Vec<Payload>,
    /// The new value.
    pub value: Option<Payload>,
    /// The entity is deleted, after the events.
    pub delete: bool,
    /// Calls to make once durable.
    pub side_effects: Vec<SideEffect>,
    /// The state after the command: when asked for, or, as the function likes, beside events.
    pub snapshot: Option<Payload>,
}

impl Effects {
    /// Whether anything is to be written.
    #[must_use]
    pub fn writes(&self) -> bool {
        !self.events.is_empty() || self.value.is_some() || self.delete
    }
}

/// A command of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Of which entity.
    pub entity: EntityId,
    /// Which command.
    pub command: Arc<str>,
    /// Its body.
    pub payload: Payload,
    /// Its metadata.
    pub metadata: Metadata,
}

/// A call that a handler asked for, made once the command is durable.
#[derive(Clone, Debug, PartialEq)]
pub struct SideEffect {
    /// What to call.
    pub target: Target,
    /// The reply waits for its answer.
    pub synchronous: bool,
    /// Through the outbox: made for certain, and once where its target keeps a state.
    pub durable: bool,
}

/// Entries that the metadata of a reply or a durable effect has at most.
pub const METADATA_ENTRIES: usize = 256;

/// Bytes of names and values that it has at most.
pub const METADATA_BYTES: usize = 64 << 10;

/// Whether `what`, a reply or a durable effect, may carry this.
///
/// # Errors
/// `Exhausted`, naming the bound.
pub fn check_metadata(what: &str, metadata: &Metadata) -> Result<()> {
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if metadata.len() <= METADATA_ENTRIES && bytes <= METADATA_BYTES {
        return Ok(());
    }
    let said = format!(
        "{what}'s metadata has {} entries of {bytes} bytes, at most {METADATA_ENTRIES} of {METADATA_BYTES}",
        metadata.len()
    );
    Err(Error::exhausted(said))
}
