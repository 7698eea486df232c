// SPDX-License-Identifier: Apache-2.0
//! The threads that run handlers. An entity stays on one of them while it is in memory, so its state need not be `Send`.

use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use adjoin_entity::frame::{FunctionFrame, HostFrame};
use adjoin_model::{Error, Result};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::asking::Asking;
use crate::dispatch::{self, Dispatcher, Types};
use crate::outbox::Outbox;

/// What a worker speaks into.
pub(crate) trait Speak: Send {
    /// Takes what the worker says; it ends when this is false.
    fn say(&mut self, frames: Vec<FunctionFrame>) -> bool;

    /// The worker was told to end. Not called when the line broke.
    fn hang_up(self: Box<Self>);
}

/// How a worker hears and speaks.
pub(crate) struct Line {
    pub(crate) frames: mpsc::UnboundedReceiver<Vec<HostFrame>>,
    pub(crate) speak: Box<dyn Speak>,
    /// Whether handlers call others over it; otherwise the engine is in this process.
    pub(crate) calls: bool,
}

/// One thread of handlers. Dropping it ends it; handlers that wait are dropped where they stand.
pub(crate) struct Worker {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread that runs handlers of these types, within the current tokio runtime.
    ///
    /// # Errors
    /// `Exhausted` when the system gives no thread.
    pub(crate) fn start(index: usize, types: Arc<Types>, line: Line) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = Handle::current();
        let thread = std::thread::Builder::new()
            .name(format!("adjoin-handlers-{index}"))
            .spawn(move || runtime.block_on(LocalSet::new().run_until(work(index, types, line, stopped))))
            .map_err(|error| Error::exhausted(format!("no thread for handlers: {error}")))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Ends the thread and waits for it; a sync handler that is running is waited for.
    pub(crate) fn end(mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by it.
            let _ = thread.join();
        }
    }
}

async fn work(index: usize, types: Arc<Types>, line: Line, mut stopped: oneshot::Receiver<()>) {
    let Line { mut frames, mut speak, calls } = line;
    let outbox = Rc::new(Outbox::new(calls.then(|| Asking::new(index))));
    let dispatcher = Dispatcher::new(types, outbox.clone());
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => return speak.hang_up(),
            () = outbox.said.notified() => {}
            batch = frames.recv() => match batch {
                Some(batch) => dispatch::take(&dispatcher, batch),
                None => return,
            },
        }
        // What came meanwhile is answered in the same batch, bounded so that answers do not wait for long.
        for _ in 0..16 {
            let Ok(batch) = frames.try_recv() else { break };
            dispatch::take(&dispatcher, batch);
        }
        let said = outbox.take();
        if !said.is_empty() && !speak.say(said) {
            return;
        }
    }
}
