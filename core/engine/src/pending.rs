// SPDX-License-Identifier: Apache-2.0
//! The reply to a call that is under way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use adjoin_entity::{CallId, Reply};
use adjoin_model::Result;
use tokio::sync::oneshot;

use crate::shared::{Shared, stopped};

/// A call under way: a future of its reply. Dropping it cancels the call.
pub struct PendingReply {
    shared: Arc<Shared>,
    call: CallId,
    reply: oneshot::Receiver<Result<Reply>>,
    over: bool,
}

impl PendingReply {
    pub(crate) fn of(shared: Arc<Shared>, call: CallId, reply: oneshot::Receiver<Result<Reply>>) -> Self {
        Self { shared, call, reply, over: false }
    }

    /// The call's name within the host.
    #[must_use]
    pub fn call(&self) -> CallId {
        self.call
    }
}

impl Future for PendingReply {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = std::task::ready!(Pin::new(&mut self.reply).poll(context));
        self.over = true;
        Poll::Ready(reply.unwrap_or_else(|_| Err(stopped())))
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        if !self.over {
            self.shared.cancel(self.call);
        }
    }
}
