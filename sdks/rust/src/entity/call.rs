// SPDX-License-Identifier: Apache-2.0
//! One call, from its settings to its answer.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use adjoin_engine::Request;
use adjoin_model::{Result, Sequence};
use serde::de::DeserializeOwned;

use super::{Link, Raw};
use crate::cx::decode;

/// A call that is made when it is awaited.
#[must_use = "a call is made when it is awaited"]
pub struct Call<R> {
    link: Link,
    request: Result<Request>,
    reply: PhantomData<fn() -> R>,
}

/// What a call was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<R> {
    /// The reply.
    pub value: R,
    /// The entity's sequence that it rests on; 0 for an action.
    pub sequence: Sequence,
    /// It came from the record of an earlier call with the same idempotency key. Always false over a connection, which
    /// does not carry it.
    pub replayed: bool,
}

impl<R: DeserializeOwned> Call<R> {
    pub(crate) fn new(link: Link, request: Result<Request>) -> Self {
        Self { link, request, reply: PhantomData }
    }

    /// Makes it safe to send again: a second call with the same key and body is answered like the first and not run.
    pub fn idempotency_key(self, key: &str) -> Self {
        self.set(|request| request.idempotency_key = Some(key.into()))
    }

    /// After this nobody waits any more: the call ends as Expired.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|request| request.timeout = Some(timeout))
    }

    /// Runs only if the entity's sequence is this one; otherwise the call ends as Conflict.
    pub fn if_sequence(self, sequence: Sequence) -> Self {
        self.set(|request| request.if_match = Some(sequence))
    }

    /// Metadata that the handler can read.
    pub fn metadata(self, name: &str, value: &str) -> Self {
        self.set(|request| request.metadata.push((name.to_ascii_lowercase(), value.to_owned())))
    }

    /// Makes the call and gives the reply with its sequence.
    ///
    /// # Errors
    /// What the call ended with; `outcome` says whether it can have had an effect.
    pub async fn answer(self) -> Result<Answer<R>> {
        let request = self.request?;
        let Raw { payload, sequence, replayed } = match self.link {
            Link::Local(engine) => {
                let reply = engine.call(request).await?;
                Raw { payload: reply.payload, sequence: reply.sequence, replayed: reply.replayed }
            }
            Link::Remote(remote) => remote.call(request).await?,
        };
        Ok(Answer { value: decode(payload.as_ref())?, sequence, replayed })
    }

    fn set(mut self, change: impl FnOnce(&mut Request)) -> Self {
        if let Ok(request) = &mut self.request {
            change(request);
        }
        self
    }
}

impl<R: DeserializeOwned + 'static> IntoFuture for Call<R> {
    type Output = Result<R>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<R>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.answer().await.map(|answer| answer.value) })
    }
}
