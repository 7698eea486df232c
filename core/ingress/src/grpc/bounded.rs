// SPDX-License-Identifier: Apache-2.0
//! The messages of a gRPC request: none longer than the settings allow, and one where the method takes one. What tonic
//! says of a long one is OUT_OF_RANGE, and it passes over a second one.

use std::pin::Pin;
use std::task::{Context, Poll};

use adjoin_model::Error;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body as GrpcBody;

use crate::grpc::status::status;

/// What stands before each message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// A body that fails at a message that is too long, and where there is not one message though there must be.
struct Bounded {
    body: GrpcBody,
    most: usize,
    /// The method takes one message.
    one: bool,
    messages: Messages,
}

/// The body with the bounds of a method: bytes of a message at most, and whether there is one message.
pub(crate) fn bounded(body: GrpcBody, most: usize, one: bool) -> GrpcBody {
    GrpcBody::new(Bounded { body, most, one, messages: Messages::default() })
}

/// Follows where messages begin.
#[derive(Default)]
struct Messages {
    begun: usize,
    head: [u8; HEAD],
    /// Bytes of the head that are there.
    has: usize,
    /// Bytes of the message that are to come.
    left: usize,
}

impl Messages {
    /// The length of the longest message that begins in these bytes.
    fn see(&mut self, mut data: &[u8]) -> usize {
        let mut longest = 0;
        while !data.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(data.len());
                self.left -= passed;
                data = &data[passed..];
                continue;
            }
            let taken = (HEAD - self.has).min(data.len());
            self.head[self.has..self.has + taken].copy_from_slice(&data[..taken]);
            self.has += taken;
            data = &data[taken..];
            if self.has == HEAD {
                let [_, length @ ..] = self.head;
                self.left = u32::from_be_bytes(length) as usize;
                self.has = 0;
                self.begun += 1;
                longest = longest.max(self.left);
            }
        }
        longest
    }
}

impl Bounded {
    fn check(&mut self, data: &[u8]) -> Result<(), Status> {
        let longest = self.messages.see(data);
        if longest > self.most {
            let said = format!("a message has at most {} bytes here, not {longest}", self.most);
            return Err(status(&Error::exhausted(said), "adjoin"));
        }
        if self.one && self.messages.begun > 1 {
            return Err(Status::unimplemented("this method takes one message, and there are more"));
        }
        Ok(())
    }

    /// At the end of a whole body.
    fn check_end(&self) -> Result<(), Status> {
        let none = self.one && self.messages.begun == 0 && self.messages.has == 0;
        if none { Err(Status::unimplemented("this method takes one message, and there is none")) } else { Ok(()) }
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        let checked = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |data| self.check(data)),
            None => self.check_end(),
            Some(Err(_)) => Ok(()),
        };
        Poll::Ready(checked.map_or_else(|status| Some(Err(status)), |()| frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && self.check_end().is_ok()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages_are_found_however_their_bytes_come(lengths in prop::collection::vec(0usize..40, 0..6), cut in 1usize..9) {
            let message = |length: &usize| [&[0][..], &(*length as u32).to_be_bytes(), &vec![7; *length]].concat();
            let bytes: Vec<u8> = lengths.iter().flat_map(message).collect();
            let mut messages = Messages::default();
            let longest = bytes.chunks(cut).map(|chunk| messages.see(chunk)).max().unwrap_or(0);
            prop_assert_eq!(messages.begun, lengths.len());
            prop_assert_eq!(longest, lengths.iter().copied().max().unwrap_or(0));
            prop_assert_eq!((messages.has, messages.left), (0, 0));
        }
    }
}
