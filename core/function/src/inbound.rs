// SPDX-License-Identifier: Apache-2.0
//! Frames that come.

use std::future::pending;

use adjoin_model::{Error, Result};
use adjoin_wire::{Batch, Decoder, Frame};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio_util::sync::DropGuard;
use tonic::{Status, Streaming};

use crate::address::Address;
use crate::status::error_of;

/// The frames that the other side of a session sends. Dropping it ends the session.
pub struct Inbound<F>(Origin<F>);

/// Where they come from.
enum Origin<F> {
    /// A transport.
    Wire(Box<Wire<F>>),
    /// A host in this process, which has them as they are.
    Here(UnboundedReceiver<Vec<F>>),
}

impl<F: Frame> Inbound<F> {
    /// Frames of a host in this process, which ends the session by dropping the sender.
    pub(crate) fn here(frames: UnboundedReceiver<Vec<F>>) -> Self {
        Self(Origin::Here(frames))
    }

    /// The next frames, in order, all that came in one batch; none when the other side has ended the session. Reading no
    /// further holds the other side back. Dropping the future loses nothing.
    ///
    /// For a host, none means that the function said so: it is not to be blamed for what it left unanswered. For a
    /// function, a host that gave up the session may look the same; either way its activations have ended.
    ///
    /// # Errors
    /// `Unavailable` when the connection was lost, `Protocol` when the other side broke the contract, `Exhausted` when a
    /// frame of this side was longer than the session takes. The session is over.
    pub async fn recv(&mut self) -> Result<Option<Vec<F>>> {
        match &mut self.0 {
            Origin::Wire(wire) => wire.recv().await,
            Origin::Here(frames) => Ok(frames.recv().await),
        }
    }
}

/// Frames that a transport brings.
pub(crate) struct Wire<F> {
    batches: Streaming<Batch>,
    decoder: Decoder<F>,
    /// What came in the first batch, behind the opening.
    first: Vec<F>,
    broken: Option<oneshot::Receiver<Error>>,
    peer: Option<Address>,
    /// Ends the other direction when this one is dropped: the transport alone would not.
    _with_it: Option<DropGuard>,
}

impl<F: Frame> Wire<F> {
    pub(crate) fn new(batches: Streaming<Batch>, decoder: Decoder<F>) -> Self {
        Self { batches, decoder, first: Vec::new(), broken: None, peer: None, _with_it: None }
    }

    /// Frames of the function at `peer`; `broken` tells of a failure of the other direction, `ended` ends that one.
    pub(crate) fn of_function(mut self, peer: Address, broken: oneshot::Receiver<Error>, ended: DropGuard) -> Self {
        self.peer = Some(peer);
        self.broken = Some(broken);
        self._with_it = Some(ended);
        self
    }

    /// The same, once the session is open.
    pub(crate) fn into_inbound(self) -> Inbound<F> {
        Inbound(Origin::Wire(Box::new(self)))
    }

    /// Waits for the opening of the session.
    pub(crate) async fn open(&mut self) -> Result<F::Opening> {
        let batch = self.batch().await?.ok_or_else(|| Error::unavailable("the session ended before it began"))?;
        let (opening, frames) = self.decoder.open(batch)?;
        self.first = frames;
        Ok(opening)
    }

    /// The bounds that the Welcome gave.
    pub(crate) fn decoder(&mut self) -> &mut Decoder<F> {
        &mut self.decoder
    }

    async fn recv(&mut self) -> Result<Option<Vec<F>>> {
        if !self.first.is_empty() {
            return Ok(Some(std::mem::take(&mut self.first)));
        }
        while let Some(batch) = self.batch().await? {
            let frames = self.decoder.decode(batch)?;
            // A batch of parts alone brings nothing yet.
            if !frames.is_empty() {
                return Ok(Some(frames));
            }
        }
        Ok(None)
    }

    async fn batch(&mut self) -> Result<Option<Batch>> {
        let broken = async {
            match &mut self.broken {
                Some(broken) => broken.await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            batch = self.batches.message() => batch.map_err(|status| lost(&status, self.peer.as_ref())),
            error = broken => {
                self.broken = None;
                match error {
                    Ok(error) => Err(error),
                    // The other direction has ended without a failure: only this one is left to wait for.
                    Err(_) => self.batches.message().await.map_err(|status| lost(&status, self.peer.as_ref())),
                }
            }
        }
    }
}

fn lost(status: &Status, peer: Option<&Address>) -> Error {
    match peer {
        Some(address) => error_of(status, address, "a session"),
        None => Error::unavailable(format!("the host has gone: {}", crate::status::printable(status.message()))),
    }
}
