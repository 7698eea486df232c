// SPDX-License-Identifier: Apache-2.0
//! Where the answer to a call goes.

use std::sync::Arc;

use adjoin_entity::Reply;
use adjoin_model::{Error, Metadata, Payload, Result, Sequence};
use tokio::sync::oneshot;

use crate::elements::{ElementSink, Item};

/// Who waits for a call. Each call is answered exactly once, unless it was cancelled.
pub enum Responder {
    /// One reply.
    Once(oneshot::Sender<Result<Reply>>),
    /// The elements of a watch or a streamed reply: the other end is [`Elements`](crate::Elements).
    Stream(ElementSink),
    /// A queue that many calls share. Costs no allocation a call.
    Queue {
        /// The queue.
        sink: Arc<dyn QueueSink>,
        /// Names the call to the owner of the queue.
        token: u64,
    },
    /// Nobody: the call is made all the same.
    Nobody,
}

/// A queue of answers with an owner of its own, such as a language binding.
pub trait QueueSink: Send + Sync {
    /// Takes what one step of a loop released, in order. Called at most once per step and loop, from a task of the
    /// engine's runtime, so it must not block. Also called from within [`Engine::submit`](crate::Engine::submit) for a
    /// call that was not taken.
    ///
    /// What is left in the batch is dropped; its allocation is used again.
    fn take(&self, batch: &mut Vec<(u64, Delivery)>);
}

/// One answer in a [`QueueSink`].
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// The call is answered and over.
    Reply(Result<Reply>),
    /// One element of a watch or a streamed reply. It counts against what the loop may send until
    /// [`Engine::taken`](crate::Engine::taken) reports it.
    Element {
        /// The element; none for a query without result.
        payload: Option<Payload>,
        /// A watch: the sequence it shows. A stream: 0.
        sequence: Sequence,
        /// A stream: what the function says beside the element. A watch: nothing.
        metadata: Metadata,
    },
    /// The handler takes so many more elements of the client's stream; it begins with 16.
    InputCredit(u32),
    /// The watch or the streamed reply is over, and with it the call.
    End(Option<Error>),
}

impl Responder {
    /// Answers a call that never entered a loop.
    pub(crate) fn refuse(self, error: Error) {
        match self {
            // Whoever dropped the receiver does not want to know.
            Self::Once(sender) => drop(sender.send(Err(error))),
            Self::Stream(sink) => drop(sink.send(Item::End(Some(error)))),
            Self::Queue { sink, token } => sink.take(&mut vec![(token, Delivery::Reply(Err(error)))]),
            Self::Nobody => tracing::debug!(%error, "a call that nobody waits for was refused"),
        }
    }
}
