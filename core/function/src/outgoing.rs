// SPDX-License-Identifier: Apache-2.0
//! Frames that leave: everything that waits goes into one batch.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use adjoin_model::Error;
use adjoin_wire::{Batch, Encoder, Frame};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Messages taken from the channel at once.
const PORTION: usize = 32;

/// Where the frames of a session come from. Dropping every sender ends the session's direction.
pub enum Source<F> {
    /// A sender that waits while the peer does not take.
    Bounded(mpsc::Receiver<Vec<F>>),
    /// A sender that never waits: what it sends is bounded by the session's credit.
    Unbounded(mpsc::UnboundedReceiver<Vec<F>>),
}

impl<F> From<mpsc::Receiver<Vec<F>>> for Source<F> {
    fn from(receiver: mpsc::Receiver<Vec<F>>) -> Self {
        Self::Bounded(receiver)
    }
}

impl<F> From<mpsc::UnboundedReceiver<Vec<F>>> for Source<F> {
    fn from(receiver: mpsc::UnboundedReceiver<Vec<F>>) -> Self {
        Self::Unbounded(receiver)
    }
}

impl<F> Source<F> {
    fn poll_some(&mut self, cx: &mut Context<'_>, portion: &mut Vec<Vec<F>>) -> Poll<usize> {
        match self {
            Self::Bounded(receiver) => receiver.poll_recv_many(cx, portion, PORTION),
            Self::Unbounded(receiver) => receiver.poll_recv_many(cx, portion, PORTION),
        }
    }

    /// No more is taken in; what waits still comes.
    fn close(&mut self) {
        match self {
            Self::Bounded(receiver) => receiver.close(),
            Self::Unbounded(receiver) => receiver.close(),
        }
    }
}

/// The batches of one direction. Pulled by the transport, so nothing is encoded that the peer cannot take yet.
pub(crate) struct Outgoing<F> {
    source: Source<F>,
    encoder: Encoder<F>,
    portion: Vec<Vec<F>>,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    ended: bool,
}

impl<F: Frame> Outgoing<F> {
    /// `encoder` already holds the opening. After `stop`, what waits is sent and the direction ends.
    pub(crate) fn new(source: Source<F>, encoder: Encoder<F>, stop: CancellationToken) -> Self {
        let stop = Some(Box::pin(stop.cancelled_owned()));
        Self { source, encoder, portion: Vec::new(), stop, ended: false }
    }

    fn take_waiting(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
            self.stop = None;
            self.source.close();
        }
        while !self.ended && self.encoder.has_room() {
            match self.source.poll_some(cx, &mut self.portion) {
                Poll::Pending => break,
                Poll::Ready(taken) => self.ended = taken == 0,
            }
            for frame in self.portion.drain(..).flatten() {
                self.encoder.push(frame)?;
            }
        }
        Ok(())
    }
}

impl<F: Frame> Stream for Outgoing<F> {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Err(error) = self.take_waiting(cx) {
            self.ended = true;
            self.encoder = Encoder::new(adjoin_wire::Bounds::new(0, 0));
            return Poll::Ready(Some(Err(error)));
        }
        match self.encoder.next_batch() {
            Some(batch) => Poll::Ready(Some(Ok(batch))),
            None if self.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// A host's direction: a request stream cannot carry an error, so it goes to the one who reads the answers.
pub(crate) struct Request<F> {
    outgoing: Outgoing<F>,
    failed: Option<oneshot::Sender<Error>>,
}

impl<F: Frame> Request<F> {
    pub(crate) fn new(outgoing: Outgoing<F>) -> (Self, oneshot::Receiver<Error>) {
        let (failed, broken) = oneshot::channel();
        (Self { outgoing, failed: Some(failed) }, broken)
    }
}

impl<F: Frame> Stream for Request<F> {
    type Item = Batch;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Batch>> {
        match ready!(Pin::new(&mut self.outgoing).poll_next(cx)) {
            Some(Ok(batch)) => Poll::Ready(Some(batch)),
            None => Poll::Ready(None),
            Some(Err(error)) => {
                // A reader that has gone has ended the session already.
                self.failed.take().into_iter().for_each(|failed| drop(failed.send(error.clone())));
                // Pending for ever: ending here would look like an orderly end to the function.
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adjoin_entity::frame::HostFrame;
    use adjoin_wire::Bounds;
    use tokio_stream::StreamExt;

    fn outgoing(source: impl Into<Source<HostFrame>>, stop: &CancellationToken) -> Outgoing<HostFrame> {
        Outgoing::new(source.into(), Encoder::new(Bounds::new(1 << 20, 1 << 20)), stop.clone())
    }

    #[tokio::test]
    async fn everything_that_waits_goes_into_one_batch() {
        let (sender, receiver) = mpsc::unbounded_channel();
        for call in 1..=1_000 {
            sender.send(vec![HostFrame::Cancel { call }, HostFrame::Cancel { call }]).expect("open");
        }
        drop(sender);
        let mut outgoing = outgoing(receiver, &CancellationToken::new());
        let batch = outgoing.next().await.expect("a batch").expect("sound");
        assert_eq!(batch.frames.len(), 2_000);
        assert!(outgoing.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stop_sends_what_waits_and_takes_no_more() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let mut outgoing = outgoing(receiver, &stop);
        sender.send(vec![HostFrame::Cancel { call: 1 }]).expect("open");
        stop.cancel();
        assert_eq!(outgoing.next().await.expect("a batch").expect("sound").frames.len(), 1);
        assert!(outgoing.next().await.is_none());
        assert!(sender.send(vec![]).is_err(), "closed");
    }
}
