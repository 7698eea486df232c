// SPDX-License-Identifier: Apache-2.0
//! One stream of the protocol in both directions.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

/// Messages between this side and the transport: what the transport does not take is held back here, and behind it the
/// replay.
pub(super) const AHEAD: usize = 16;

/// How long a function may take to end a stream that has ended on this side.
const FAREWELL: Duration = Duration::from_secs(10);

type Opening<T> = Pin<Box<dyn Future<Output = Result<Response<Streaming<T>>, Status>> + Send>>;

/// What a function sends. Its headers may come no sooner than its first message.
pub(super) enum Incoming<T> {
    Opening(Opening<T>),
    Open(Box<Streaming<T>>),
    Ended,
}

impl<T> Incoming<T> {
    pub(super) fn of(opening: impl Future<Output = Result<Response<Streaming<T>>, Status>> + Send + 'static) -> Self {
        Self::Opening(Box::pin(opening))
    }

    /// The next message; none when the function has ended the stream. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<T>, Status> {
        loop {
            match self {
                Self::Opening(opening) => match opening.as_mut().await {
                    Ok(response) => *self = Self::Open(Box::new(response.into_inner())),
                    Err(status) => {
                        *self = Self::Ended;
                        return Err(status);
                    }
                },
                Self::Open(messages) => return messages.message().await,
                Self::Ended => return Ok(None),
            }
        }
    }
}

/// A stream that is open.
pub(super) struct Stream<I, O> {
    pub(super) outgoing: mpsc::Sender<I>,
    pub(super) incoming: Incoming<O>,
}

impl<I: Send + 'static, O> Stream<I, O> {
    /// Opens one; nothing is sent yet.
    pub(super) fn open<F>(call: impl FnOnce(ReceiverStream<I>) -> F) -> Self
    where
        F: Future<Output = Result<Response<Streaming<O>>, Status>> + Send + 'static,
    {
        let (outgoing, messages) = mpsc::channel(AHEAD);
        Self { outgoing, incoming: Incoming::of(call(ReceiverStream::new(messages))) }
    }

    /// Ends this direction, then waits for the other one, so that the function sees a clean end.
    pub(super) async fn finish(self) {
        let Self { outgoing, mut incoming } = self;
        drop(outgoing);
        let rest = async { while let Ok(Some(_)) = incoming.next().await {} };
        if timeout(FAREWELL, rest).await.is_err() {
            tracing::debug!("the function did not end a stream in time: it is cut");
        }
    }
}
