// SPDX-License-Identifier: Apache-2.0
//! Who takes the sessions of a supervised function.

use std::sync::Arc;

use adjoin_engine::Engine;
use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_entity::spec::Spec;
use adjoin_model::Result;
use adjoin_wire::protocol::Hello;
use tokio::sync::mpsc::UnboundedSender;

/// Takes the sessions of a function, one at a time. An [`Engine`] does.
pub trait Sessions: Send + Sync + 'static {
    /// One session.
    type Session: Session;

    /// Says whether a function with this spec, which is sound, would be taken: before its session is opened.
    ///
    /// # Errors
    /// `Invalid`, which is told to the function; it is asked again later.
    fn takes(&self, _spec: &Spec) -> Result<()> {
        Ok(())
    }

    /// A session has come up: `spec` is sound, `to_function` carries frames for as long as the session lives.
    ///
    /// # Errors
    /// Why it cannot be used; the connection is given up.
    fn up(&self, spec: Arc<Spec>, hello: Hello, to_function: UnboundedSender<Vec<HostFrame>>) -> Result<Self::Session>;
}

/// One session, as the one who uses it sees it. Dropping it ends it as if the process had died.
pub trait Session: Send + Sync + 'static {
    /// Takes what the function said, in order. While it waits, nothing more is read, and the function is held back.
    ///
    /// # Errors
    /// Why nothing can be taken any more; the session is over.
    fn deliver(&self, frames: Vec<FunctionFrame>) -> impl Future<Output = Result<()>> + Send;

    /// The session has ended; `orderly` when both sides knew, so nothing that ran in it is to be blamed.
    fn down(self, orderly: bool);
}

impl Sessions for Engine {
    type Session = adjoin_engine::Session;

    fn takes(&self, spec: &Spec) -> Result<()> {
        Self::takes(self, spec)
    }

    fn up(&self, spec: Arc<Spec>, hello: Hello, to_function: UnboundedSender<Vec<HostFrame>>) -> Result<Self::Session> {
        self.session_up(spec, adjoin_engine::Hello { running: hello.running, bytes: hello.bytes }, to_function)
    }
}

impl Session for adjoin_engine::Session {
    fn deliver(&self, frames: Vec<FunctionFrame>) -> impl Future<Output = Result<()>> + Send {
        Self::deliver(self, frames)
    }

    fn down(self, orderly: bool) {
        Self::down(self, orderly);
    }
}
