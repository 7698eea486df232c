// SPDX-License-Identifier: Apache-2.0
//! What a shard loop takes in and gives out. Drivers carry these; they decide nothing about them.

use adjoin_model::{
    ConsumerId, EntityId, EntityPage, Error, Head, LoadRequest, Metadata, Payload, Position, Record, Result, Sequence,
    ShardBatch, ShardId, Snapshot,
};
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::call::{Call, CallId, Reply};
use crate::frame::{FunctionFrame, HostFrame};
use crate::outbox::Outgoing;
use crate::shard::ShardInput;
use crate::shard_loop::ConsumerPlace;
use crate::spec::Spec;

/// Names a session with a function process. Given by the driver; never used again by the same host.
pub type SessionId = u64;

/// Names a load within its loop.
pub type LoadId = u64;

/// Names a synchronous side effect within its loop.
pub type EffectId = u64;

/// A part of a shard's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPage {
    /// Records in order of position, without gaps; none where only the place is left.
    pub records: Vec<(Position, Option<Record>)>,
}

/// What happens to a loop.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// An edge, a forward or an effect asks for something. Answered by exactly one [`Output::Reply`] or
    /// [`Output::Forward`]; a watch or a streamed reply by [`Output::Element`]s and one [`Output::End`].
    Call(Call),
    /// Nobody waits for this call any more. Nothing is answered to it from now on; a command that the function has may
    /// still have its effect.
    Cancel(CallId),
    /// The edge has passed on so many elements of this watch or stream: more may follow.
    Taken {
        /// Which call.
        call: CallId,
        /// How many.
        elements: u32,
    },
    /// One element of the client's stream.
    StreamInput {
        /// Of which call.
        call: CallId,
        /// The element.
        payload: Payload,
    },
    /// The client's stream has ended.
    StreamInputEnd {
        /// Of which call.
        call: CallId,
    },
    /// A function process can be used.
    SessionUp {
        /// Its name.
        session: SessionId,
        /// What it has; checked by [`Spec::check`].
        spec: Arc<Spec>,
        /// Handlers that this loop may have running in it.
        running: u32,
        /// Bytes of unanswered commands that this loop may have in it.
        bytes: u64,
    },
    /// It is gone; frames of it are no longer delivered.
    SessionDown {
        /// Which.
        session: SessionId,
        /// It ended in an orderly way (both sides knew), so nothing that ran in it is blamed.
        orderly: bool,
    },
    /// The function said something. The driver hands a frame to the loop that [`loop_of`] names.
    Frame {
        /// By which session.
        session: SessionId,
        /// What.
        frame: FunctionFrame,
    },
    /// Answers [`Output::Load`].
    Loaded {
        /// Which load.
        load: LoadId,
        /// The page.
        page: Result<EntityPage>,
    },
    /// Answers [`Output::Write`] or [`Output::Raise`].
    Shard {
        /// Which shard.
        shard: ShardId,
        /// What the store said.
        input: ShardInput,
    },
    /// Answers [`Output::Effect`] with an id.
    EffectDone {
        /// Which effect.
        effect: EffectId,
        /// How the call ended.
        result: Result<Reply>,
        /// As [`Output::Reply`] or [`Output::End`] said.
        sent: u32,
    },
    /// Durable effects have come from another shard, or from this one. Answered by one [`Output::Delivered`].
    Deliver {
        /// From whose outbox.
        from: ShardId,
        /// To whose inbox.
        to: ShardId,
        /// In order of their positions.
        records: Vec<Outgoing>,
    },
    /// Answers [`Output::Deliver`].
    Delivered {
        /// From whose outbox.
        from: ShardId,
        /// To whose inbox.
        to: ShardId,
        /// Up to this position of `from` everything is durable there, or has been before.
        up_to: Position,
    },
    /// An operator has a durable effect tried again at once. Answered by one [`Output::Reply`].
    RetryEffect {
        /// Names the answer.
        call: CallId,
        /// In whose inbox it is.
        shard: ShardId,
        /// The position of its inbox record.
        inbox: Position,
    },
    /// An operator drops a durable effect that is not under way. Answered by one [`Output::Reply`] once that is durable.
    DropEffect {
        /// Names the answer.
        call: CallId,
        /// In whose inbox it is.
        shard: ShardId,
        /// The position of its inbox record.
        inbox: Position,
    },
    /// Answers [`Output::ReadEvents`], also when it fails.
    EventsRead {
        /// Of which shard.
        shard: ShardId,
        /// For which consumer.
        consumer: ConsumerPlace,
        /// From which position on.
        from: Position,
        /// The records.
        page: Result<EventPage>,
    },
    /// An operator has a dead letter tried again at once. Answered by one [`Output::Reply`].
    RetryLetter {
        /// Names the answer.
        call: CallId,
        /// In which shard.
        shard: ShardId,
        /// Whose dead letter.
        consumer: ConsumerId,
        /// The event's position.
        event: Position,
    },
    /// An operator drops a dead letter. Answered by one [`Output::Reply`] once that is durable.
    DropLetter {
        /// Names the answer.
        call: CallId,
        /// In which shard.
        shard: ShardId,
        /// Whose dead letter.
        consumer: ConsumerId,
        /// The event's position.
        event: Position,
    },
    /// Takes no new calls; [`Output::Drained`] follows once nothing is under way.
    Drain,
}

/// What a loop wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A call is answered. The call is over.
    Reply {
        /// Which call.
        call: CallId,
        /// Its answer; released only when what it rests on is durable.
        result: Result<Reply>,
        /// How often its command was sent to a function in all, where [`Call::sent`] counts that; otherwise 0.
        sent: u32,
    },
    /// One element of a watch or a streamed reply. For a watch, no other follows until [`Input::Taken`].
    Element {
        /// Which call.
        call: CallId,
        /// The element; none for a query without result.
        payload: Option<Payload>,
        /// A watch: the sequence it shows. A stream: 0.
        sequence: Sequence,
        /// A stream: what the function says beside the element. A watch: nothing.
        metadata: Metadata,
    },
    /// The function takes so many more elements of the client's stream; it begins with 16.
    StreamInputCredit {
        /// Of which call.
        call: CallId,
        /// How many more.
        elements: u32,
    },
    /// A watch or a streamed reply is over.
    End {
        /// Which call.
        call: CallId,
        /// Why, unless well.
        error: Option<Error>,
        /// As for a reply.
        sent: u32,
    },
    /// The call goes on at another entity: the driver hands it, under the same id and with the same edge waiting, to
    /// the loop of that entity's shard.
    Forward(Call),
    /// A side effect to be made as a call of its own. The call's `id` is 0: the driver gives it one.
    Effect {
        /// Set when the loop waits for [`Input::EffectDone`].
        effect: Option<EffectId>,
        /// What to call.
        call: Call,
    },
    /// For the function.
    Frame {
        /// Which session.
        session: SessionId,
        /// What.
        frame: HostFrame,
    },
    /// Read an entity. Answered by [`Input::Loaded`], also when it fails.
    Load {
        /// Names the answer.
        load: LoadId,
        /// Which entity.
        entity: EntityId,
        /// Which page.
        request: LoadRequest,
    },
    /// Write a batch. Answered by one [`Input::Shard`]: Durable, Refused, Fenced or Unknown.
    Write(ShardBatch),
    /// Raise a shard's epoch, then read its head. Answered by one [`Input::Shard`]: Raised, Fenced or RaiseFailed.
    Raise {
        /// Which shard.
        shard: ShardId,
        /// Only if its epoch and owner are these.
        expected: Head,
    },
    /// Keep a snapshot; what it contains is durable. Not answered: a lost snapshot costs time, never data.
    KeepSnapshot {
        /// Of which entity.
        entity: EntityId,
        /// The snapshot.
        snapshot: Snapshot,
    },
    /// Hand durable effects to the shard of their targets: [`Input::Deliver`] there, whose loop may be this one.
    Deliver {
        /// From whose outbox.
        from: ShardId,
        /// To whose inbox.
        to: ShardId,
        /// In order of their positions.
        records: Vec<Outgoing>,
    },
    /// Answer a delivery: [`Input::Delivered`] at the loop of `from`.
    Delivered {
        /// From whose outbox.
        from: ShardId,
        /// To whose inbox.
        to: ShardId,
        /// Up to this position of `from` everything is durable there.
        up_to: Position,
    },
    /// Outbox records that are delivered may go. Not answered: one that stays is delivered again, and recognised.
    Trim {
        /// Of which shard.
        shard: ShardId,
        /// Their positions.
        delivered: Vec<Position>,
    },
    /// Read a shard's journal by position. Answered by [`Input::EventsRead`].
    ReadEvents {
        /// Which shard.
        shard: ShardId,
        /// Names the answer together with the shard.
        consumer: ConsumerPlace,
        /// The first position.
        from: Position,
        /// Stop after about so many bytes; at least one record is returned if there is one.
        max_bytes: usize,
    },
    /// Nothing is under way in this loop any more. A call that another loop forwards can still come in; then it is said
    /// again. A host ends when all its loops have drained and none of its calls is open.
    Drained,
}

/// The loop, of `loops` in its host, that a frame of a function is for; `None`: every loop.
///
/// Ids that hosts give to functions carry the loop in their lowest byte.
#[must_use]
pub fn loop_of(frame: &FunctionFrame) -> Option<u8> {
    let id = match frame {
        FunctionFrame::Replayed { activation, .. } | FunctionFrame::ActivationFailed { activation, .. } => *activation,
        FunctionFrame::Answer(answer) => answer.call,
        FunctionFrame::StreamElement { call, .. }
        | FunctionFrame::StreamEnd { call, .. }
        | FunctionFrame::StreamInputCredit { call, .. } => *call,
        FunctionFrame::Pressure { .. } => return None,
        // The driver's own; a loop drops them.
        FunctionFrame::Call(_) | FunctionFrame::CancelCall { .. } => 0,
    };
    Some((id & 0xff) as u8)
}
